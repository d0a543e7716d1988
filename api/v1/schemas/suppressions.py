"""The shapes of a suppression: as it is sent in, and as it is shown."""

from typing import Any

from marshmallow import ValidationError, validates_schema

from api.v1.schemas import out
from api.v1.schemas.fields import Choice, In, Mailbox, Moment, Note, Text
from api.v1.schemas.out import told
from common.domain.suppressions import ALL, REASONS, SCOPE, UNSUBSCRIBED, covers_all_mail


class SuppressionIn(In):
    together = {
        "anyOf": [
            {"properties": {"scope": {"enum": [ALL, None]}}},
            {"properties": {"reason": {"enum": [*(each for each in REASONS if not covers_all_mail(each)), None]}}},
        ]
    }
    recipient = Mailbox(required=True, metadata=told("The address; a name beside it is left out.", "user@example.com"))
    reason = Choice(REASONS, metadata=told("Why; `manual` unless given.", "manual"))
    note = Text(500, line=True, metadata=told("For whoever reads the list.", "asked by phone"))
    scope = Text(
        80,
        least=1,
        pattern=SCOPE,
        metadata=told("What is stopped: `all` mail unless given, or one `stream:<name>` or `topic:<name>`.", "all"),
    )
    expires_at = Moment(metadata=told("When mail goes through again by itself; never unless given."))

    @validates_schema(skip_on_field_errors=True)
    def check_together(self, data: dict[str, Any], **_: Any) -> None:
        """A mailbox that does not exist, or a complaint, stops all mail."""
        if data.get("scope", ALL) != ALL and covers_all_mail(data.get("reason", "manual")):
            raise ValidationError({"scope": [Note("conflict", f"must be {ALL} for the reason {data['reason']}")]})


SUPPRESSION_IN = SuppressionIn()


class UnsubscribeIn(SuppressionIn):
    reason = Choice((UNSUBSCRIBED,), metadata=told("May be given, but says nothing new.", UNSUBSCRIBED))


class SuppressionOut(out.Out):
    """An address that receives nothing more."""

    id = out.ident("sup", "Its id.")
    recipient = out.text("The address.", "user@example.com")
    reason = out.text(f"Why: {', '.join(REASONS)}.", "manual")
    scope = out.text("What is stopped: `all`, `stream:<name>` or `topic:<name>`.", "all")
    note = out.text("What was noted.", null=True)
    source_message_id = out.ident("msg", "The message whose bounce or complaint caused it.", null=True)
    created_at = out.moment("Since when.")
    expires_at = out.moment("Until when; null is for ever.", null=True)
