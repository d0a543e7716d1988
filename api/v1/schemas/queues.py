"""The shapes of queues and holds: which messages, for how long and why; and how they stand."""

from typing import Any, ClassVar

from marshmallow import ValidationError, fields, pre_load

from api.v1.schemas import out
from api.v1.schemas.fields import Choice, In, Moment, Text, wrong
from api.v1.schemas.lists import Ident
from api.v1.schemas.messages import TAG_PATTERN
from api.v1.schemas.out import told
from common.domain.holds import DEFAULT_HOURS, LONGEST_DAYS, QUEUES, Match
from common.domain.tiers import NUMBERS, TIERS

_QUEUE_NAMES = ", ".join(queue.text for queue in QUEUES)


class MatchIn(In):
    """Which messages: those of which all of this is true. {} is all."""

    priority = Choice(TIERS, metadata=told("Of this tier.", "bulk"))
    recipient_domain = Text(
        253,
        least=1,
        pattern=r"[A-Za-z0-9._-]+",
        metadata=told("To this domain, as in `GET /v1/messages`.", "example.com"),
    )
    tag = Text(100, line=True, pattern=TAG_PATTERN, metadata=told("With this tag.", "newsletter"))
    template = Text(64, pattern=r"[a-z0-9][a-z0-9_-]*", metadata=told("Of this template.", "weekly-digest"))
    key_id = Ident("key", metadata=told("Sent with this API key.", "key_01jq8z4m3hf5v9t2c6w7x8y0ab"))

    @pre_load
    def drop_nulls(self, data: Any, **_: Any) -> Any:
        """Null stands for absent, as in every body."""
        return {name: value for name, value in data.items() if value is not None} if type(data) is dict else data


def read_match(given: dict[str, Any]) -> Match:
    """What MatchIn has read, as the verbs take it."""
    domain = given.get("recipient_domain")
    return Match(
        tier=NUMBERS[given["priority"]] if "priority" in given else None,
        recipient_domain=domain.lower() if domain else None,
        tag=given.get("tag"),
        template=given.get("template"),
        key_id=given.get("key_id"),
    )


class _Nested(fields.Nested):
    """A shape inside another, missed with the code of any other field."""

    def make_error(self, key: str, **named: Any) -> ValidationError:
        return wrong("required", "is required") if key == "required" else super().make_error(key, **named)


def _match() -> fields.Nested:
    sample = {"tag": "newsletter"}
    return _Nested(MatchIn, required=True, metadata=told("Which messages; {} is all of them.", sample))


def _reason() -> Text:
    sentence = "Why; whoever looks at an affected message reads it."
    return Text(300, least=1, line=True, required=True, metadata=told(sentence, "the offer has a wrong price"))


class PauseIn(In):
    """Why a queue stands still, and until when."""

    samples: ClassVar[dict[str, dict[str, Any]]] = {"pause": {"reason": "the offer has a wrong price"}}
    reason = _reason()
    author = Text(100, least=1, line=True, metadata=told("Who; the key unless given.", "anna"))
    expires_at = Moment(
        metadata=told(
            f"When it ends by itself: {DEFAULT_HOURS} hours from now unless given, {LONGEST_DAYS} days at most."
        )
    )


class HoldIn(PauseIn):
    """Which messages to keep back, why, and until when."""

    samples: ClassVar[dict[str, dict[str, Any]]] = {
        "tag": {"match": {"tag": "newsletter"}, "reason": "the offer has a wrong price", "author": "anna"}
    }
    match = _match()


class ReprioritiseIn(In):
    """Which waiting messages go to another tier."""

    samples: ClassVar[dict[str, dict[str, Any]]] = {
        "slower": {"match": {"template": "weekly-digest"}, "priority": "bulk", "reason": "it is in the way of invoices"}
    }
    match = _match()
    priority = Choice(TIERS, required=True, metadata=told("The tier they go to.", "bulk"))
    reason = _reason()


PAUSE_IN, HOLD_IN, REPRIORITISE_IN = PauseIn(), HoldIn(), ReprioritiseIn()


class MatchOut(out.Out):
    """Which messages; what is null is all."""

    priority = out.text("Of this tier.", "bulk", null=True)
    recipient_domain = out.text("To this domain.", "example.com", null=True)
    tag = out.text("With this tag.", "newsletter", null=True)
    template = out.text("Of this template.", "weekly-digest", null=True)
    key_id = out.ident("key", "Sent with this API key.", null=True)


class HoldOut(out.Out):
    """Mail that is kept back."""

    id = out.ident("hld", "Its id.")
    kind = out.text("`hold`; `pause` of a queue; `drain` of a queue: only what comes later is kept back.", "hold")
    state = out.text("`active` or `released`.", "active")
    everywhere = out.flag("Whether an operator made it for all accounts.")
    stage = out.text("Only before `routing` or before `delivery`; null is before both.", null=True)
    match = out.nested(MatchOut, "Which messages.")
    reason = out.text("Why.", "the offer has a wrong price")
    author = out.text("Who made it.", "anna")
    messages = out.whole("How many messages of this account it keeps back now. They are marked within a second.", 1200)
    created_at = out.moment("Since when.")
    expires_at = out.moment("When it ends by itself.")
    released_at = out.moment("When it ended.", null=True)
    released_by = out.text("The key that ended it, or `expiry`.", null=True)


class PausedOut(out.Out):
    """What keeps a queue back."""

    id = out.ident("hld", "The hold: it can be released as such.")
    kind = out.text("`pause`, or `drain`: what was there goes on.", "pause")
    reason = out.text("Why.", "the offer has a wrong price")
    author = out.text("Who.", "anna")
    since = out.moment("Since when.")
    until = out.moment("When it ends by itself.")
    everywhere = out.flag("Whether an operator made it for all accounts.")


class QueueOut(out.Out):
    """One queue, counted as far as the caller may see: their environment, or with `everywhere` all accounts."""

    name = out.text(f"One of {_QUEUE_NAMES}.", "delivery.bulk")
    stage = out.text("`routing` (the way out is chosen) or `delivery`.", "delivery")
    priority = out.text("The tier.", "bulk")
    depth = out.whole("Messages that are due and wait for a worker.", 1200)
    in_progress = out.whole("Messages that are being sent.", 8)
    later = out.whole("Messages whose time has not come: scheduled ones, and those between two attempts.", 40)
    paced = out.whole("Messages that wait for a slot at their destination.", 100)
    held = out.whole("Messages that are kept back.", 0)
    oldest_since = out.moment("Since when the first of `depth` waits.", null=True)
    oldest_age_seconds = out.number("The same in seconds.", 2.5, null=True)
    in_per_minute = out.whole("Messages that came in the last minute.", 9000)
    out_per_minute = out.whole("Messages that went, or attempts that ended, in the last minute.", 9600)
    drain_seconds = out.number("How long `depth` takes at that rate; null when nothing goes.", 7.5, null=True)
    consumers = out.whole("How many of its tasks workers can take up at once; null when that is unknown.", 8, null=True)
    paused = out.nested(PausedOut, "What keeps it back, null when nothing does.", null=True)


class QueuesOut(out.Out):
    """All queues."""

    data = out.listed(QueueOut, "Routing before delivery, the highest tier first.")
