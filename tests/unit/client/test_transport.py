"""The client sends a request again when that is safe, waits as documented, and tells what was wrong."""

import io
import json
from collections.abc import Mapping
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from sendarix import ApiError, Client, Unreachable
from sendarix.backoff import ATTEMPTS, delay

Answer = tuple[int, dict[str, Any], dict[str, str]] | Exception
DONE: Answer = (202, {"message_id": "msg_1"}, {})


def refusal(status: int, code: str, retryable: bool, **headers: str) -> Answer:
    return status, {"code": code, "detail": "No.", "retryable": retryable}, headers


class Scripted(BaseAdapter):
    """Answers what it was told to, one after the other."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__()
        self.answers, self.seen = list(answers), []  # type: list[Answer], list[requests.PreparedRequest]

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.seen.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        response = requests.Response()
        response.status_code, body, headers = answer
        response.headers.update(headers)
        response.raw = io.BytesIO(json.dumps(body).encode())
        response.url, response.request = str(request.url), request
        return response

    def close(self) -> None: ...


def client(*answers: Answer, draws: Mapping[int, float] | None = None) -> tuple[Client, Scripted, list[float]]:
    script, waits = Scripted(*answers), []  # type: Scripted, list[float]
    made = Client("http://sendarix.test", "sk_test_sdx_x", sleep=waits.append, draw=lambda _: 0.25)
    made.transport._session.mount("http://", script)
    return made, script, waits


def test_s68_the_wait_differs_from_the_documented_one() -> None:
    assert [delay(attempt, 0.5) for attempt in range(8)] == [1.5, 2.5, 4.5, 8.5, 16.5, 32.5, 60.0, 60.0]
    assert delay(0, 0.0, retry_after=7) == 7 and delay(3, 1.0, retry_after=2) == 9.0
    assert ATTEMPTS == 5


def test_s68_it_stops_too_early_or_goes_on_too_long() -> None:
    made, script, waits = client(*[refusal(503, "unavailable", True)] * 5)
    with pytest.raises(ApiError, match="No."):
        made.send({"recipient": "user@example.com", "text": "Hello"})
    assert len(script.seen) == 5 and waits == [1.25, 2.25, 4.25, 8.25]


def test_retry_after_is_ignored() -> None:
    made, _, waits = client(refusal(429, "rate_limited", True, **{"Retry-After": "17"}), DONE)
    made.send({"recipient": "user@example.com", "text": "Hello"})
    assert waits == [17.0]


def test_an_attempt_has_another_idempotency_key() -> None:
    made, script, _ = client(requests.ConnectionError(), refusal(500, "internal_error", True), DONE)
    made.send({"recipient": "user@example.com", "text": "Hello"})
    keys = {each.headers["Idempotency-Key"] for each in script.seen}
    assert len(script.seen) == 3 and len(keys) == 1
    other, script, _ = client(DONE)
    other.send({"recipient": "user@example.com", "text": "Hello"}, idempotency_key="order-1")
    assert script.seen[0].headers["Idempotency-Key"] == "order-1"


@pytest.mark.parametrize(
    "answer", [refusal(422, "validation_error", False), refusal(401, "invalid_api_key", False), (404, {}, {})]
)
def test_what_fails_for_good_is_sent_again(answer: Answer) -> None:
    made, script, waits = client(answer)
    with pytest.raises(ApiError):
        made.send({"recipient": "user@example.com", "text": "Hello"})
    assert len(script.seen) == 1 and not waits


@pytest.mark.parametrize(
    "unsure", [requests.ConnectionError(), requests.ReadTimeout(), refusal(500, "internal_error", True)]
)
def test_a_second_key_is_made_because_the_first_answer_was_lost(unsure: Answer) -> None:
    made, script, _ = client(unsure, DONE)
    with pytest.raises((ApiError, Unreachable)):
        made.create_key({"name": "x", "scopes": ["messages:send"]})
    assert len(script.seen) == 1
    made, script, _ = client(refusal(503, "unavailable", True), (201, {"id": "key_1"}, {}))
    assert made.create_key({"name": "x", "scopes": ["messages:send"]})["id"] == "key_1"


def test_a_stranger_answers() -> None:
    made, _, _ = client((200, {}, {}))
    made.transport._session.mount("http://", Html())
    with pytest.raises(ApiError, match="HTTP status 502") as caught:
        made.transport._attempts = 1
        made.message("msg_1")
    assert caught.value.code == "" and caught.value.retryable


class Html(Scripted):
    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response.raw = 502, io.BytesIO(b"<h1>Bad gateway</h1>")
        return response


def test_a_list_ends_after_its_first_page() -> None:
    pages = [
        (200, {"data": [{"message_id": "a"}], "has_more": True, "next_cursor": "x&y"}, {}),
        (200, {"data": [{"message_id": "b"}], "has_more": False, "next_cursor": None}, {}),
    ]
    made, script, _ = client(*pages)
    assert [each["message_id"] for each in made.messages(status=["queued", "deferred"])] == ["a", "b"]
    assert "status=queued&status=deferred" in str(script.seen[0].url)
    assert "cursor=x%26y" in str(script.seen[1].url) and "status=queued" in str(script.seen[1].url)


def test_an_id_leaves_its_place_in_the_path() -> None:
    made, script, _ = client((200, {}, {}))
    made.message("../../healthz?x")
    assert str(script.seen[0].url) == "http://sendarix.test/v1/messages/..%2F..%2Fhealthz%3Fx"
