"""Nothing a client can send is answered with a 5xx."""

import json
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import create_app
from api.v1.schemas.messages import MESSAGE_IN
from common.config import current_settings, read_settings
from common.db import session
from common.services import composing, keys, quickstart

NAMES = [field.data_key or name for name, field in MESSAGE_IN.load_fields.items()]
ODD: Any = st.sampled_from(
    [
        "user@example.com",
        "A <a@example.com>",
        "hello@example.com",
        "a@b",
        "\u202e@\u00e9.example",
        "x" * 2000,
        "otp-code",
        "{{ 1/0 }}",
        "2026-04-19T14:30:00Z",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        2**63,
        -1,
        10**30,
        1e308,
        {"email": "a@example.com"},
        {"code": "1", "expires_in": {"a": [None]}},
        {"X-A": "b", "": 1},
        [{"filename": "a", "content": "aGk="}],
        ["a", "a"],
    ]
) | st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**64 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture
def client(database: None) -> FlaskClient:
    keys.forget()
    composing.forget()
    with session.transaction() as connection:
        token = quickstart.prepare(connection, current_settings())["live_key"]
        connection.exec_driver_sql("UPDATE accounts SET requests_per_minute = 1000000")
    client = create_app(read_settings()).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@MANY
@given(fields=st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), ODD, max_size=6))
def test_no_body_is_a_5xx(client: FlaskClient, fields: dict[str, Any]) -> None:
    body = {"recipient": "user@example.com", "subject": "a", "text": "b", **fields}
    raw = json.dumps(body).encode()
    answer = client.post("/v1/messages", data=raw, content_type="application/json")
    assert answer.status_code < 500, (body, answer.data)
    assert "code" in orjson.loads(answer.data) or answer.status_code == 202


@MANY
@given(raw=st.binary(max_size=60))
def test_no_bytes_are_a_5xx(client: FlaskClient, raw: bytes) -> None:
    for prefix in (b"", b'{"recipient":"a@example.com","text":"'):
        answer = client.post("/v1/suppressions", data=prefix + raw, content_type="application/json")
        assert answer.status_code < 500


@MANY
@given(
    name=st.sampled_from(["cursor", "limit", "recipient", "created_after", "tag", "status"]), value=st.text(max_size=40)
)
def test_no_query_is_a_5xx(client: FlaskClient, name: str, value: str) -> None:
    assert client.get("/v1/messages", query_string={name: value}).status_code < 500
    assert client.get("/v1/suppressions/" + value.replace("/", "")).status_code < 500
