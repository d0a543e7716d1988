"""The shapes of a suppression: as it is sent in, and as it is shown."""

from api.v1.schemas import out
from api.v1.schemas.fields import Choice, In, Mailbox, Moment, Text
from api.v1.schemas.out import told
from common.services.suppressions import REASONS, UNSUBSCRIBED


class SuppressionIn(In):
    recipient = Mailbox(required=True, metadata=told("The address; a name beside it is left out.", "user@example.com"))
    reason = Choice(REASONS, metadata=told("Why; `manual` unless given.", "manual"))
    note = Text(500, line=True, metadata=told("For whoever reads the list.", "asked by phone"))
    expires_at = Moment(metadata=told("When mail goes through again by itself; never unless given."))


SUPPRESSION_IN = SuppressionIn()


class UnsubscribeIn(SuppressionIn):
    reason = Choice((UNSUBSCRIBED,), metadata=told("May be given, but says nothing new.", UNSUBSCRIBED))


class SuppressionOut(out.Out):
    """An address that receives nothing more."""

    id = out.ident("sup", "Its id.")
    recipient = out.text("The address.", "user@example.com")
    reason = out.text(f"Why: {', '.join(REASONS)}.", "manual")
    scope = out.text("What is stopped.", "all")
    note = out.text("What was noted.", null=True)
    source_message_id = out.ident("msg", "The message whose bounce or complaint caused it.", null=True)
    created_at = out.moment("Since when.")
    expires_at = out.moment("Until when; null is for ever.", null=True)
