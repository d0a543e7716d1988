"""The calls of the API as methods. Never here: HTTP (transport.py) or output (cli)."""

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from sendarix.shapes import Accepted, ApiKey, Batch, DeadLetter, Event, Message, NewMessage, Suppression, Webhook
from sendarix.transport import Transport

PAGE = 100
WAIT_SECONDS = 15
"""How long the server may wait for an event: below the timeout of a request."""


class Client:
    """One installation, with one key.

    >>> client = Client("http://127.0.0.1:8000", "sk_test_sdx_…")
    >>> client.send({"recipient": "user@example.com", "subject": "Hello", "text": "Hello"})["message_id"]

    Every method raises ApiError when the API refuses, and Unreachable when it does not answer, after up to 5 attempts.
    Lists are iterators that fetch page after page; their filters are the query parameters of the API.
    """

    def __init__(self, url: str, api_key: str | None = None, **options: Any) -> None:
        """`options` are those of Transport: timeout in seconds, attempts."""
        self.transport = Transport(url, api_key, **options)

    def send(self, message: NewMessage, *, idempotency_key: str | None = None) -> Accepted:
        """Accept one message.

        Without `idempotency_key` it gets a random one, which makes the attempts of this call safe; with one of your
        own, a repeated call is safe as well.
        """
        found = self.transport.call("POST", "/v1/messages", body=message, idempotency_key=idempotency_key)
        return cast(Accepted, found)

    def send_batch(
        self, messages: Iterable[NewMessage], *, partial: bool = False, idempotency_key: str | None = None
    ) -> Batch:
        """Accept up to 1,000 messages: all or none, or with `partial` what can be accepted."""
        body = {"messages": list(messages), "on_error": "partial" if partial else "reject"}
        found = self.transport.call("POST", "/v1/messages/batch", body=body, idempotency_key=idempotency_key)
        return cast(Batch, found)

    def message(self, message_id: str) -> Message:
        """The state of one message."""
        return cast(Message, self.transport.call("GET", _path("/v1/messages", message_id)))

    def messages(self, **filters: Any) -> Iterator[Message]:
        """Messages, newest first."""
        return cast(Iterator[Message], self.pages("/v1/messages", **filters))

    def events(self, message_id: str) -> list[Event]:
        """The timeline of one message, oldest first."""
        return cast(list[Event], self.transport.call("GET", _path("/v1/messages", message_id) + "/events")["data"])

    def follow(self, **filters: Any) -> Iterator[Event]:
        """Events of the whole environment as they happen, for ever; `since` or `after` begin earlier."""
        query = _given(filters) | {"wait": WAIT_SECONDS, "limit": PAGE}
        if not query.keys() & {"since", "after", "cursor"}:
            query["after"] = "latest"
        while True:
            part = self.transport.call("GET", "/v1/events", query=query)
            yield from part["data"]
            query.pop("after", None)
            query["cursor"] = part["next_cursor"]

    def cancel(self, message_id: str) -> Message:
        """Take a message back before it is delivered."""
        return cast(Message, self.transport.call("DELETE", _path("/v1/messages", message_id)))

    def reschedule(self, message_id: str, scheduled_time: str | None) -> Message:
        """Send a message that still waits at another time; None is now."""
        body = {"scheduled_time": scheduled_time}
        return cast(Message, self.transport.call("PATCH", _path("/v1/messages", message_id), body=body))

    def keys(self, **filters: Any) -> Iterator[ApiKey]:
        """API keys of this environment, without their secrets."""
        return cast(Iterator[ApiKey], self.pages("/v1/api-keys", **filters))

    def create_key(self, fields: dict[str, Any]) -> ApiKey:
        """Make a key. Its `secret` is answered this once, so an unanswered call is not repeated."""
        return cast(ApiKey, self.transport.call("POST", "/v1/api-keys", body=fields, repeatable=False))

    def rotate_key(self, key_id: str, overlap_seconds: int = 0) -> ApiKey:
        """Give a key a new secret; the one before counts for `overlap_seconds` more."""
        path = _path("/v1/api-keys", key_id) + "/rotate"
        body = {"overlap_seconds": overlap_seconds}
        return cast(ApiKey, self.transport.call("POST", path, body=body, repeatable=False))

    def revoke_key(self, key_id: str) -> None:
        """End a key, everywhere within 5 seconds."""
        self.transport.call("DELETE", _path("/v1/api-keys", key_id))

    def suppressions(self, **filters: Any) -> Iterator[Suppression]:
        """Suppressions, newest first."""
        return cast(Iterator[Suppression], self.pages("/v1/suppressions", **filters))

    def suppress(self, fields: dict[str, Any]) -> Suppression:
        """Stop mail to an address. Repeating it keeps the first."""
        return cast(Suppression, self.transport.call("POST", "/v1/suppressions", body=fields))

    def unsuppress(self, recipient: str) -> None:
        """Let mail to an address through again."""
        self.transport.call("DELETE", _path("/v1/suppressions", recipient))

    def import_suppressions(self, media: str, file: BinaryIO, **options: Any) -> dict[str, Any]:
        """Suppress up to a million addresses from `text/csv` or `application/x-ndjson`. Answers the job."""
        call = self.transport.call
        return cast(dict[str, Any], call("POST", "/v1/suppressions/imports", file=(media, file), query=_given(options)))

    def export_suppressions(self, **filters: Any) -> Iterator[str]:
        """Every suppression that matches, as lines of CSV."""
        return self.transport.lines("/v1/suppressions/export", _given(filters))

    def job_rejects(self, job_id: str) -> Iterator[str]:
        """What a job refused, as lines of CSV: line, value, code, reason."""
        return self.transport.lines(_path("/v1/jobs", job_id) + "/rejects")

    def dead_letters(self, **filters: Any) -> Iterator[DeadLetter]:
        """Messages that ended badly, newest first."""
        return cast(Iterator[DeadLetter], self.pages("/v1/dead-letters", **filters))

    def dead_letter_causes(self, **filters: Any) -> list[dict[str, Any]]:
        """Dead letters by cause, the most frequent first."""
        query = _given(filters)
        return cast(list[dict[str, Any]], self.transport.call("GET", "/v1/dead-letters/causes", query=query)["data"])

    def replay_dead_letters(self, which: dict[str, Any]) -> dict[str, Any]:
        """Send dead letters once more: `message_ids`, or a `filter`. Answers the job; none is ever sent twice."""
        return cast(dict[str, Any], self.transport.call("POST", "/v1/dead-letters/replay", body=which))

    def discard_dead_letters(self, which: dict[str, Any]) -> dict[str, Any]:
        """Put dead letters aside, with a `reason`. Answers the job."""
        return cast(dict[str, Any], self.transport.call("POST", "/v1/dead-letters/discard", body=which))

    def job(self, job_id: str) -> dict[str, Any]:
        """A job and how far it is; it has ended when `ended_at` is set."""
        return cast(dict[str, Any], self.transport.call("GET", _path("/v1/jobs", job_id)))

    def analytics(self, **question: Any) -> dict[str, Any]:
        """What became of mail: `start`, `end`, `interval`, `group_by` and filters, as the API takes them."""
        return cast(dict[str, Any], self.transport.call("GET", "/v1/analytics", query=_given(question)))

    def analytics_identity(self, **span: Any) -> dict[str, Any]:
        """Where all accepted mail is: accepted, the parts it is the sum of, and whether it closes."""
        return cast(dict[str, Any], self.transport.call("GET", "/v1/analytics/identity", query=_given(span)))

    def templates(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Templates, newest first, without their drafts."""
        return self.pages("/v1/templates", **filters)

    def template(self, slug: str) -> dict[str, Any]:
        """One template with its draft."""
        return cast(dict[str, Any], self.transport.call("GET", _path("/v1/templates", slug)))

    def create_template(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Make a template with a draft."""
        return cast(dict[str, Any], self.transport.call("POST", "/v1/templates", body=fields))

    def change_template(self, slug: str, fields: dict[str, Any]) -> dict[str, Any]:
        """Change the draft; None takes a part out."""
        return cast(dict[str, Any], self.transport.call("PATCH", _path("/v1/templates", slug), body=fields))

    def publish_template(self, slug: str, note: str | None = None) -> dict[str, Any]:
        """Publish the draft as the next version."""
        path, body = _path("/v1/templates", slug) + "/publish", {"note": note} if note else {}
        return cast(dict[str, Any], self.transport.call("POST", path, body=body))

    def stream(self, *, cursor: str | None = None, wait: int = 20, **filters: Any) -> Iterator[tuple[str, list[Event]]]:
        """The event stream, for ever: pairs of a cursor to go on from and the events before it, oldest first.

        Without `cursor` it begins with the oldest event; `after="latest"` begins now. `wait` is how many seconds one
        request waits for events; keep it below the timeout.
        """
        query = _given(filters) | {"wait": wait}
        while True:
            part = self.transport.call("GET", "/v1/events", query=query | ({"cursor": cursor} if cursor else {}))
            query.pop("after", None)
            cursor = part["next_cursor"]
            yield cursor, cast(list[Event], part["data"])

    def webhooks(self) -> list[Webhook]:
        """The webhooks of this environment, newest first."""
        return cast(list[Webhook], list(self.pages("/v1/webhooks")))

    def create_webhook(self, fields: dict[str, Any]) -> Webhook:
        """Subscribe an endpoint. Its `secret` is answered this once."""
        return cast(Webhook, self.transport.call("POST", "/v1/webhooks", body=fields))

    def test_webhook(self, webhook_id: str) -> dict[str, str]:
        """Tell a webhook `webhook.test`."""
        path = _path("/v1/webhooks", webhook_id) + "/test"
        return cast(dict[str, str], self.transport.call("POST", path, repeatable=False))

    def delete_webhook(self, webhook_id: str) -> None:
        """Remove a webhook, what waits for it and its log."""
        self.transport.call("DELETE", _path("/v1/webhooks", webhook_id))

    def webhook_deliveries(self, webhook_id: str, **filters: Any) -> Iterator[dict[str, Any]]:
        """What a webhook was told and is to be told, newest first."""
        return self.pages(_path("/v1/webhooks", webhook_id) + "/deliveries", **filters)

    def queues(self, *, everywhere: bool = False) -> list[dict[str, Any]]:
        """Every queue and how it stands; with `everywhere` of all accounts."""
        found = self.transport.call("GET", "/v1/queues", query=_reach(everywhere))
        return cast(list[dict[str, Any]], found["data"])

    def stop_queue(self, queue: str, how: str, fields: dict[str, Any], *, everywhere: bool = False) -> dict[str, Any]:
        """`pause` or `drain` a queue; `fields` has its `reason`."""
        path = _path("/v1/queues", queue) + f"/{how}"
        return cast(dict[str, Any], self.transport.call("POST", path, body=fields, query=_reach(everywhere)))

    def resume_queue(self, queue: str, *, everywhere: bool = False) -> dict[str, Any]:
        """End a pause or a drain."""
        path = _path("/v1/queues", queue) + "/resume"
        return cast(dict[str, Any], self.transport.call("POST", path, query=_reach(everywhere)))

    def holds(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Holds, newest first."""
        return self.pages("/v1/holds", **filters)

    def hold(self, fields: dict[str, Any], *, everywhere: bool = False) -> dict[str, Any]:
        """Keep back what matches; `fields` has `match` and `reason`."""
        found = self.transport.call("POST", "/v1/holds", body=fields, query=_reach(everywhere), repeatable=False)
        return cast(dict[str, Any], found)

    def release_hold(self, hold_id: str) -> dict[str, Any]:
        """End a hold."""
        return cast(dict[str, Any], self.transport.call("POST", _path("/v1/holds", hold_id) + "/release"))

    def pages(self, path: str, **filters: Any) -> Iterator[dict[str, Any]]:
        """Every entry of any list of the API."""
        query = _given(filters)
        query.setdefault("limit", PAGE)
        while True:
            page = self.transport.call("GET", path, query=query)
            yield from page["data"]
            if not page.get("has_more"):
                return
            query["cursor"] = page["next_cursor"]


def _reach(everywhere: bool) -> dict[str, Any]:
    return {"everywhere": "true"} if everywhere else {}


def _given(filters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in filters.items() if value not in (None, "", [], ())}


def _path(base: str, name: str) -> str:
    return f"{base}/{quote(name, safe='@')}"
