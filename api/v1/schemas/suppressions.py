"""The shape of a suppression as it is sent in."""

from api.v1.schemas.fields import Choice, In, Mailbox, Moment, Text
from common.services.suppressions import REASONS


class SuppressionIn(In):
    recipient = Mailbox(required=True)
    reason = Choice(REASONS)
    note = Text(500, line=True)
    expires_at = Moment()


SUPPRESSION_IN = SuppressionIn()
