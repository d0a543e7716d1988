"""The shapes of a sending domain: as it is asked for, and as it is shown."""

from api.v1.schemas import out
from api.v1.schemas.api_keys import Host, SenderText
from api.v1.schemas.fields import In, Text
from api.v1.schemas.out import told
from common.domain.domain_records import PURPOSES
from common.domain.domain_records import STATES as RECORD_STATES
from common.domain.domain_states import STATES

_SENDER = "Example <hello@mail.example.com>"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?"


class DomainIn(In):
    name = Host(253, required=True, metadata=told("The domain after the @ of senders.", "mail.example.com"))
    default_sender = SenderText(
        metadata=told("The sender of messages that name none, when neither key nor account has one.", _SENDER)
    )
    return_path = Text(32, pattern=_LABEL, metadata=told("The label of the host that takes bounces.", "bounce"))


class DomainChangeIn(In):
    default_sender = SenderText(metadata=told("The sender of messages that name none; null takes it back.", _SENDER))
    return_path = Text(32, pattern=_LABEL, metadata=told("The label of the host that takes bounces.", "bounce"))


DOMAIN_IN, DOMAIN_CHANGE_IN = DomainIn(), DomainChangeIn()


class RecordOut(out.Out):
    """One DNS record to publish, and what was found in its place."""

    purpose = out.text(f"What it is for: {', '.join(PURPOSES)}.", "dkim")
    type = out.text("TXT or CNAME.", "TXT")
    host = out.text("Its name as most providers want it typed: without the domain.", "sx1-7x8y0a._domainkey")
    name = out.text("Its whole name.", "sx1-7x8y0a._domainkey.mail.example.com")
    value = out.text("What to publish.", "v=DKIM1; k=rsa; p=MIIB…")
    required = out.flag("Whether the domain is not verified without it.")
    why = out.text("What it is good for.")
    state = out.text(f"What was found: {', '.join(RECORD_STATES)}.", "found")
    diagnosis = out.text("What that means, in a sentence.")
    fix = out.text("What to do about it; empty when nothing.")
    found = out.listed(out.text("A value."), "What DNS holds there.")


class DomainOut(out.Out):
    """A domain, what to publish for it, and what was last found."""

    id = out.ident("dom", "Its id.")
    name = out.text("The domain.", "mail.example.com")
    state = out.text(f"{', '.join(STATES)}; a degraded one still sends, for three days.", "verified")
    default_sender = out.text(
        "The sender of messages that name none, when neither key nor account has one.", _SENDER, null=True
    )
    return_path = out.text("The label of the host that takes bounces.", "bounce")
    records = out.listed(RecordOut, "What to publish, the required ones first.")
    findings = out.listed(out.mapped("purpose, state, diagnosis, fix"), "What else was looked at: SPF and MX.")
    created_at = out.moment("When it was added.")
    verified_at = out.moment("When it was first verified.", null=True)
    checked_at = out.moment("When DNS was last asked.", null=True)
    next_check_at = out.moment("When it is asked again.", null=True)
