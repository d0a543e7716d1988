"""From the outcome of an attempt to the change of its message: when it goes again, or how it ends.

Never here: SQL. What a reply means is domain/replies.py, when to go again domain/retry.py.
"""

import random
from datetime import datetime
from typing import Any

from common.config import Settings
from common.domain import retry
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
        return unknown_change(settings, claimed.row, claimed.epoch, data, outcome)
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


def unknown_change(settings: Settings, row: Any, epoch: int, data: dict[str, Any], outcome: Outcome | None) -> Change:
    """T12: cut after the final dot. `row` has id, unknown_count and delivery_guarantee."""
    guarantee = row.delivery_guarantee or settings.delivery_guarantee
    data = data | {"outcome": "unknown"}
    if guarantee == "at_most_once" or row.unknown_count + 1 >= retry.MAX_UNKNOWN:
        return Change(
            row.id,
            "fail",
            epoch,
            data | {"reason": "outcome_unknown"},
            unknown=True,
            attempt_state="unknown",
            outcome=outcome,
            cause="outcome_unknown",
        )
    wait = retry.UNKNOWN_DELAY / settings.time_scale
    return Change(
        row.id,
        "defer",
        epoch,
        data,
        delay=wait,
        armed=True,
        unknown=True,
        attempt_state="unknown",
        outcome=outcome,
    )


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
