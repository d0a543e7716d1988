"""The timeline of a message for people: each event with a sentence, and beside it the attempt that it tells of.

Pure: answers of the API in, rows out. Never here: asking for them.
"""

from typing import Any

from api.dashboard.words import noted as n

SENTENCES = {
    "message.queued": n("Accepted by the API and stored."),
    "message.accepted": n("Passed suppression and routing."),
    "message.deferred": n("The server said: later."),
    "message.delivered": n("The server took it."),
    "message.bounced": n("The server refused it for good."),
    "message.complained": n("The recipient reported it as spam."),
    "message.suppressed": n("The address is suppressed: nothing was sent."),
    "message.cancelled": n("Taken back before it was sent."),
    "message.expired": n("Its time to live passed."),
    "message.failed": n("It cannot be sent."),
    "message.unsubscribed": n("The recipient unsubscribed."),
}
_TOLD = ("attempt", "smtp", "source", "path", "message_id", "seq", "recipient", "status", "tags", "metadata")


def told(events: list[dict[str, Any]], attempts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row an event, oldest first: time, kind, sentence, what the server said, facts, and the attempt's number."""
    numbers = {each["number"] for each in attempts}
    rows = []
    for event in events:
        data = event["data"]
        smtp = data.get("smtp") or {}
        number = data.get("attempt")
        rows.append(
            {
                "at": event["timestamp"],
                "kind": event["type"].partition(".")[2],
                "sentence": SENTENCES.get(event["type"], event["type"]),
                "said": " ".join(str(smtp[name]) for name in ("code", "reply") if smtp.get(name)),
                "way": data.get("path") or data.get("source"),
                "facts": {
                    name: value for name, value in data.items() if name not in _TOLD and value not in (None, {}, [])
                },
                "attempt": number if number in numbers else None,
            }
        )
    return rows
