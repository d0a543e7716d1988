"""What callers see while PostgreSQL is away: 503 with a time, and known keys still known."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from sqlalchemy import create_engine

from api import create_app
from common.config import current_settings
from common.db import session
from common.services import keys, quickstart


@pytest.fixture
def token(database: None) -> str:
    keys.forget()
    with session.transaction() as connection:
        return quickstart.prepare(connection, current_settings())["live_key"]


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    gone = create_engine("postgresql+psycopg://nobody@/none?host=/nonexistent")

    def away() -> None:
        monkeypatch.setattr(session, "engine", lambda: gone)

    yield away
    monkeypatch.undo()
    gone.dispose()


def test_an_unknown_key_is_503_and_a_known_one_goes_on(token: str, cut: Any) -> None:
    client = create_app().test_client()
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.get("/v1/messages/msg_x", headers=bearer).status_code == 404
    cut()
    assert client.get("/v1/messages/msg_x", headers=bearer).status_code == 404
    keys.forget()
    answer = client.get("/v1/messages/msg_x", headers=bearer)
    body = orjson.loads(answer.data)
    assert (answer.status_code, body["code"], body["retryable"]) == (503, "unavailable", True)
    assert answer.headers["Retry-After"] == "2"
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_a_read_during_an_outage_is_503_not_500(token: str, cut: Any) -> None:
    client = create_app().test_client()
    bearer = {"Authorization": f"Bearer {token}"}
    client.get("/v1/messages/msg_x", headers=bearer)
    cut()
    assert client.get("/v1/messages", headers=bearer).status_code == 503


def test_a_garbled_key_costs_no_database_read(token: str, cut: Any) -> None:
    cut()
    client = create_app().test_client()
    wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
    assert client.get("/v1/messages", headers={"Authorization": f"Bearer {wrong}"}).status_code == 401
