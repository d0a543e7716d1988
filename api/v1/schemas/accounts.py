"""The shapes of an account: as an operator asks for it, and as it is shown."""

from api.v1.schemas import out
from api.v1.schemas.api_keys import SenderText
from api.v1.schemas.fields import Choice, In, PlainAddress, Text, Whole
from api.v1.schemas.out import told
from common.domain.retry import PRESETS
from common.services.accounts import STATES


class AccountIn(In):
    name = Text(100, least=1, line=True, required=True, metadata=told("Whose it is.", "Billing team"))
    requests_per_minute = Whole(
        1, 10_000_000, metadata=told("Its quota in any 60 seconds; the installation's unless given.", 5000)
    )
    default_sender = SenderText(
        metadata=told("The sender of a message that names none.", "Example <hello@example.com>")
    )
    retry_preset = Choice(
        tuple(PRESETS), metadata=told("Its retry schedule; the installation's unless given.", "patient")
    )
    contact_address = PlainAddress(
        metadata=told("Who is told by mail when a webhook fails or is switched off.", "ops@example.com")
    )


class AccountChangeIn(AccountIn):
    name = Text(100, least=1, line=True, metadata=told("Whose it is.", "Billing team"))


ACCOUNT_IN, ACCOUNT_CHANGE_IN = AccountIn(), AccountChangeIn()


class AccountOut(out.Out):
    """An account: what belongs to one is never seen by another."""

    id = out.ident("acc", "Its id.")
    name = out.text("Whose it is.", "Billing team")
    state = out.text(f"{', '.join(STATES)}: a suspended one may read and cancel, but not send.", "active")
    requests_per_minute = out.whole("Its quota in any 60 seconds; null is the installation's.", 5000, null=True)
    default_sender = out.text("The sender of a message that names none.", "Example <hello@example.com>", null=True)
    retry_preset = out.text(
        f"Its retry schedule: {', '.join(PRESETS)}; null is the installation's.", "patient", null=True
    )
    contact_address = out.text(
        "Who is told by mail when a webhook fails or is switched off.", "ops@example.com", null=True
    )
    created_at = out.moment("When it was made.")
    suspended_at = out.moment("Since when it is suspended.", null=True)
