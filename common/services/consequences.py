"""From the outcome of an attempt to the change of its message: when it goes again, or how it ends.

Never here: SQL. What a reply means is domain/replies.py, when to go again domain/retry.py.
"""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from common.clock import rfc3339
from common.config import Settings
from common.domain import doubts, retry
from common.domain.categories import CATEGORIES, suppresses
from common.domain.outcomes import Outcome
from common.domain.retry_hints import hint_in
from common.queueing.app import LONGEST_COUNTDOWN
from common.services.claimed import Claimed
from common.services.lifecycle import Change


def consequence(settings: Settings, claimed: Claimed, outcome: Outcome, now: datetime) -> Change:
    """The change that an outcome of a counted attempt makes to its message."""
    data = _event_data(claimed, outcome)
    if outcome.kind == "delivered":
        return Change(
            claimed.id,
            "deliver",
            claimed.epoch,
            data,
            counts=True,
            attempt_state="delivered",
            outcome=outcome,
        )
    if outcome.kind == "bounced":
        return _bounce(claimed, outcome, data | {"bounce": {"type": "hard", "reason": outcome.category}})
    if outcome.kind == "unknown":
        return unknown_change(settings, claimed.row, claimed.epoch, data, outcome, now)
    hint = hint_in(outcome.reply)
    delay = _delay(settings, claimed, outcome, hint, now)
    if delay is None:
        return _bounce(claimed, outcome, data | {"bounce": {"type": "soft", "reason": "retries_exhausted"}})
    if hint is not None:
        data["asked_seconds"] = hint
    wait = retry.with_jitter(delay, random.random()) / settings.time_scale
    return Change(
        claimed.id,
        "defer",
        claimed.epoch,
        data,
        delay=wait,
        armed=wait <= LONGEST_COUNTDOWN,
        counts=True,
        attempt_state="deferred",
        outcome=outcome,
    )


def _delay(settings: Settings, claimed: Claimed, outcome: Outcome, hint: float | None, now: datetime) -> float | None:
    """Seconds until the next attempt, before jitter and time scale; None gives up."""
    left = (claimed.row.expires_at - now).total_seconds() if claimed.row.expires_at else None
    return retry.delay_after(
        claimed.attempt,
        left if left is None else left * settings.time_scale,
        preset=claimed.preset,
        hint=hint,
        greylisted=outcome.category == "greylisted",
    )


def _bounce(claimed: Claimed, outcome: Outcome, data: dict[str, Any]) -> Change:
    hard = data["bounce"]["type"] == "hard"
    return Change(
        claimed.id,
        "bounce",
        claimed.epoch,
        data,
        counts=True,
        attempt_state="bounced" if hard else "deferred",
        outcome=outcome,
        cause=data["bounce"]["reason"],
        suppress_reason="hard_bounce" if hard and suppresses(outcome.category) else None,
        suppress_days=CATEGORIES[outcome.category].suppress_days if hard else 0,
    )


def unknown_change(
    settings: Settings, row: Any, epoch: int, data: dict[str, Any], outcome: Outcome | None, now: datetime
) -> Change:
    """T12: cut after the final dot. `row` has id, unknown_count, delivery_guarantee, in_doubt and expires_at."""
    choice = doubts.choice_of(row.in_doubt, row.delivery_guarantee or settings.delivery_guarantee)
    if choice == "resend" and row.unknown_count + 1 >= retry.MAX_UNKNOWN:
        choice = "fail"
    data = data | {"outcome": "unknown", "in_doubt": choice}
    made = Change(row.id, "defer", epoch, data, unknown=True, attempt_state="unknown", outcome=outcome)
    if choice == "fail":
        return replace(made, transition="fail", data=data | {"reason": "outcome_unknown"}, cause="outcome_unknown")
    if choice == "hold":
        wait = seconds_to_decide(settings, row.expires_at, now)
        until = {"next_attempt_at": None, "until": rfc3339(now + timedelta(seconds=wait))}
        told = data | until | {"reason": doubts.HELD + doubts.NOBODY_KNOWS, "author": "policy"}
        return replace(made, transition="doubt", data=told, delay=wait)
    return replace(made, delay=retry.UNKNOWN_DELAY / settings.time_scale, armed=True)


def seconds_to_decide(settings: Settings, expires: datetime | None, now: datetime) -> float:
    """How long a message in doubt is held from now: the usual time, or what is left of its life."""
    usual = doubts.HOLD_SECONDS / settings.time_scale
    return usual if expires is None else max(0.0, min(usual, (expires - now).total_seconds()))


def _event_data(claimed: Claimed, outcome: Outcome) -> dict[str, Any]:
    return {
        "attempt": claimed.attempt,
        "attempts": claimed.most_attempts,
        "category": outcome.category,
        "source": (claimed.row.path or "").partition("/")[0] or None,
        "provider": outcome.provider,
        "smtp": {
            "stage": outcome.stage,
            "code": outcome.code,
            "enhanced": outcome.enhanced,
            "reply": outcome.reply,
            "mx": outcome.mx,
        },
    }
