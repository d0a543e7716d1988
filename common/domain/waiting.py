"""What a message waits for, in words and for machines: where it is, why, since when, until when. Pure.

Never here: SQL, or what is decided about it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from common.domain.categories import CATEGORIES
from common.domain.doubts import HELD
from common.domain.ids import encode
from common.domain.lifecycle import LIVE

Wait = dict[str, Any]


def waiting(row: Any) -> Wait | None:
    """{"for", "detail", "since", "until"} of a live message; None once it has ended.

    `row` has status, held, hold_reason, lease_until, next_attempt_at, paced and its note and time, event_at and
    event_data, decision, updated_at; of its hold hold_id, hold_author, hold_for, held_at and hold_until.
    """
    if row.status not in LIVE:
        return None
    if row.hold_id is not None:
        return _wait("hold", f"{row.hold_author} holds it: {row.hold_for}.", row.held_at, row.hold_until)
    if row.held and _is_in_doubt(row):
        detail = f"It is {row.hold_reason}. Somebody decides; else it ends as failed."
        return _wait("decision", detail, row.held_at, row.next_attempt_at)
    if row.held:
        who = "It is held" if (row.hold_reason or "").startswith("policy: ") else "An operator holds it"
        detail = f"{who}: {row.hold_reason or 'no reason given'}."
        return _wait("hold", detail, row.held_at or row.event_at, row.next_attempt_at)
    if row.lease_until is not None:
        return _wait("delivery", "It is being sent now.", row.event_at, row.lease_until)
    if row.paced is not None:
        return _wait("pace", row.pace_note or "", row.paced_at, row.next_attempt_at)
    if row.status == "scheduled":
        return _wait("time", "Its scheduled time.", row.event_at, row.next_attempt_at)
    if row.status == "deferred":
        return _wait("retry", _reason(row.event_data or {}), row.event_at, row.next_attempt_at)
    if row.status == "queued" and (row.decision or {}).get("act") == "wait":
        detail = f"No member of the pool {row.decision['pool']} can carry it now: {row.decision['reason']}."
        return _wait("routing", detail, row.updated_at, row.next_attempt_at)
    stage = "routing" if row.status == "queued" else "delivery"
    return _wait(stage, f"A worker of {stage}.", row.event_at, row.next_attempt_at)


def held_by(row: Any) -> Wait | None:
    """{"id", "kind", "reason", "author", "since", "until"} of what keeps a message back; `row` also has hold_kind.
    Only a hold has an id: a rule of the policy has none, and nor has an unknown outcome."""
    if not row.held:
        return None
    if row.hold_id is not None:
        found = {"id": encode("hld", row.hold_id), "kind": row.hold_kind, "reason": row.hold_for}
        return found | {"author": row.hold_author, "since": row.held_at, "until": row.hold_until}
    if _is_in_doubt(row):
        author = (row.event_data or {}).get("author")
        found = {"id": None, "kind": "in_doubt", "reason": row.hold_reason, "author": author}
        return found | {"since": row.held_at, "until": row.next_attempt_at}
    found = {"id": None, "kind": "policy", "reason": row.hold_reason or "no reason given", "author": None}
    return found | {"since": row.held_at or row.event_at, "until": row.next_attempt_at}


def in_doubt(row: Any) -> dict[str, Any] | None:
    """{"unknown_attempts", "choice"} while nobody knows whether a server kept a message, or None; `row` has
    unknown_count."""
    if not row.unknown_count or row.status not in LIVE:
        return None
    return {"unknown_attempts": row.unknown_count, "choice": "hold" if row.held and _is_in_doubt(row) else "resend"}


def _is_in_doubt(row: Any) -> bool:
    return (row.hold_reason or "").startswith(HELD)


def _wait(what: str, detail: str, since: datetime | None, until: datetime | None) -> Wait:
    return {"for": what, "detail": detail, "since": since, "until": until}


def _reason(data: Mapping[str, Any]) -> str:
    """Why the last attempt failed and which one follows, from the data of its `message.deferred`."""
    category = CATEGORIES.get(data.get("category") or "")
    parts = [category.sentence if category else "The outcome of the last attempt is not known."]
    if "attempt" in data and "attempts" in data:
        parts.append(f"Attempt {data['attempt'] + 1} of {data['attempts']} follows.")
    if "rerouted" in data:
        parts.append(f"It goes over {data['rerouted']['to']} instead of {data['rerouted']['from']}.")
    if "asked_seconds" in data:
        parts.append(f"The server asked to wait {data['asked_seconds']:.0f} s.")
    smtp = data.get("smtp") or {}
    said = " ".join(str(smtp[name]) for name in ("code", "reply") if smtp.get(name))
    if said:
        parts.append(f"It said: {said}")
    return " ".join(parts)
