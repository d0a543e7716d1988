"""The shapes of dead letters: as they are shown, and which of them to replay or discard."""

from typing import Any, ClassVar

from marshmallow import ValidationError, fields, pre_load, validates_schema

from api.v1.schemas import out
from api.v1.schemas.fields import In, Mailbox, Moment, Note, Text, YesNo
from api.v1.schemas.lists import Ident, Listed
from api.v1.schemas.messages_out import AttemptOut, MessageOut
from api.v1.schemas.out import told
from common.services.dead_letters import STATES

MOST_IDS = 1000


class DeadLetterOut(out.Out):
    """A message that ended badly."""

    message_id = out.ident("msg", "The message.")
    recipient = out.text("Who should have received it.", "user@example.com")
    status = out.text("How it ended.", "bounced")
    state = out.text(f"What became of it: {', '.join(STATES)}.", "waiting")
    cause = out.text("The kind of end.", "retries_exhausted")
    detail = out.text("The last reply, or what was wrong.", null=True)
    attempts = out.whole("How often it was tried.", 6)
    created_at = out.moment("When it ended.")
    replayed_as = out.ident("msg", "The message that it was sent again as.", null=True)
    replayed_at = out.moment("When it was sent again.", null=True)
    discarded_at = out.moment("When somebody put it aside.", null=True)
    discard_reason = out.text("Why.", null=True)


class DeadLetterWholeOut(DeadLetterOut):
    """A dead letter with its message and every conversation about it."""

    message = out.nested(MessageOut, "The message.")
    conversations = out.listed(AttemptOut, "Every try at a server, oldest first.")


class CauseOut(out.Out):
    """All dead letters of one cause."""

    cause = out.text("The kind of end.", "retries_exhausted")
    count = out.whole("How many.", 1200)
    waiting = out.whole("How many of them nobody has replayed or discarded.", 1197)
    recipient_domains = out.whole("To how many domains they were going.", 3)
    first_at = out.moment("When the first of them ended.")
    last_at = out.moment("When the last of them ended.")
    newest_message_id = out.ident("msg", "The last of them, as an example.")
    newest_detail = out.text("What it says.", null=True)


class CausesOut(out.Out):
    """Dead letters by their cause."""

    data = out.listed(CauseOut, "The most frequent cause first.")


class DeadLetterFilterIn(In):
    """Which dead letters: all that wait and match. {} is all that wait."""

    cause = Listed(Text(64, pattern="[a-z][a-z0-9_]*"), 20, metadata=told("Only these causes.", ["retries_exhausted"]))
    recipient = Mailbox(metadata=told("Only to this address.", "user@example.com"))
    domain = Text(253, least=1, line=True, metadata=told("Only to this domain.", "example.com"))
    created_after = Moment(metadata=told("Only what ended at this time or later."))
    created_before = Moment(metadata=told("Only what ended before this time."))

    @pre_load
    def drop_nulls(self, data: Any, **_: Any) -> Any:
        """Null stands for absent, as in every body."""
        return {name: value for name, value in data.items() if value is not None} if type(data) is dict else data


class _Which(In):
    together: ClassVar[dict[str, Any]] = {
        "oneOf": [
            {"required": [one], "properties": {one: form, other: {"type": "null"}}}
            for one, other, form in (
                ("message_ids", "filter", {"type": "array", "items": {}}),
                ("filter", "message_ids", {"type": "object"}),
            )
        ]
    }
    message_ids = Listed(Ident("msg"), MOST_IDS, metadata=told("These dead letters, by their messages."))
    filter = fields.Nested(
        DeadLetterFilterIn,
        metadata=told("Instead: all that wait and match.", {"cause": ["retries_exhausted"], "domain": "example.com"}),
    )
    dry_run = YesNo(metadata=told("Only find out what would be done; nothing is changed.", True))

    @validates_schema(skip_on_field_errors=True)
    def check_together(self, data: dict[str, Any], **_: Any) -> None:
        """Ids or a filter."""
        if ("message_ids" in data) == ("filter" in data):
            code, text = ("conflict", "cannot stand beside filter") if "filter" in data else ("required", "is required")
            raise ValidationError({"message_ids": [Note(code, f"{text}; or give a filter")]})


class DeadLettersReplayIn(_Which):
    """Which dead letters to send again."""

    samples: ClassVar[dict[str, dict[str, Any]]] = {
        "outage": {"filter": {"cause": ["retries_exhausted"], "domain": "example.com"}, "dry_run": True}
    }


class DeadLettersDiscardIn(_Which):
    """Which dead letters to put aside, and why."""

    samples: ClassVar[dict[str, dict[str, Any]]] = {
        "old": {"filter": {"created_before": "2026-04-19T14:30:00Z"}, "reason": "codes are of no use any more"}
    }
    reason = Text(500, least=1, line=True, required=True, metadata=told("Why, for whoever reads it.", "asked by phone"))


class DeadLetterDiscardIn(In):
    reason = Text(500, least=1, line=True, required=True, metadata=told("Why, for whoever reads it.", "asked by phone"))


REPLAY_IN, DISCARD_IN, DISCARD_ONE_IN = DeadLettersReplayIn(), DeadLettersDiscardIn(), DeadLetterDiscardIn()
