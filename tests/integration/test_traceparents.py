"""A caller's trace: kept on both ways of accepting, shown by the trace, told to webhooks."""

from collections.abc import Iterator
from typing import Any

import pytest

from common.config import current_settings
from common.db.session import rows, transaction
from common.domain.ids import new_id
from common.services import webhooks
from tests.callers import Api, an_api, mail
from workers.webhooks.lanes import Lanes
from workers.webhooks.sender import Answered, Sender

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADER = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def api(database: None) -> Iterator[Api]:
    with an_api() as found:
        yield found


def sent(api: Api, path: str = "/v1/messages", header: str = HEADER) -> Any:
    answer = api.call("POST", path, mail(), traceparent=header)
    assert answer.status_code == 202, answer.data
    return api.read(answer.get_json()["message_id"], "/trace")


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages?forecast=true"])
def test_a_trace_is_lost_on_one_of_the_ways(api: Api, path: str) -> None:
    found = sent(api, path)
    assert found["trace_id"] == TRACE and found["timeline"][0]["facts"]["traceparent"] == HEADER


def test_a_batch_loses_it(api: Api) -> None:
    answer = api.call("POST", "/v1/messages/batch", {"messages": [mail()]}, traceparent=HEADER)
    assert api.read(answer.get_json()["data"][0]["message_id"], "/trace")["trace_id"] == TRACE


def test_a_header_that_is_none_is_an_error(api: Api) -> None:
    for header in ("", "x", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "x" * 5000):
        assert sent(api, header=header)["trace_id"] is None


def test_a_webhook_does_not_hear_of_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made = api.call("POST", "/v1/webhooks", {"url": "https://example.com/hook", "event_types": ["message.queued"]})
    assert made.status_code == 201
    sent(api)
    api.send()
    with transaction() as connection:
        (which,) = {row.id for row in rows(connection, "SELECT id FROM webhooks")}
        ids = [row.id for row in rows(connection, "SELECT id FROM webhook_deliveries ORDER BY id")]
        claimed = webhooks.claim(connection, which, ids, new_id(), full=set(), slow_line=False)
    told: list[Any] = []
    sender = Sender(current_settings())
    monkeypatch.setattr(
        sender, "post", lambda endpoint, event, body, extra: told.append(extra) or Answered(True, status=200)
    )
    lanes = Lanes(current_settings(), sender)
    for posting in claimed.postings:
        lanes._post(posting)
    headers = [each.get("traceparent") for each in told]
    assert headers[1] is None and headers[0].startswith(f"00-{TRACE}-") and headers[0].endswith("-01")
    assert headers[0] != HEADER
