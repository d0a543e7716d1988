"""The shapes of a sending domain: as it is asked for, and as it is shown."""

import re
from typing import Any

from api.v1.schemas import out
from api.v1.schemas.api_keys import Host, SenderText
from api.v1.schemas.coded import Coded, wrong
from api.v1.schemas.fields import In, Text
from api.v1.schemas.out import told
from common.domain.domain_records import PURPOSES
from common.domain.domain_records import STATES as RECORD_STATES
from common.domain.domain_states import STATES
from common.domain.readiness import CHECKS, PROVIDERS
from common.domain.readiness import STATES as READINESS
from common.domain.suppressions import SCOPE, STREAM, is_scope

_SENDER = "Example <hello@mail.example.com>"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?"


_STREAM = re.compile(rf"(?:\*|{STREAM})\Z")
_STREAMS = "Which streams offer one-click unsubscribing, by name; `*` is every other one. Replaces all that were set."
_A_STREAM = {"newsletter": {"unsubscribe": True, "scope": "stream:newsletter"}}


class Streams(Coded):
    """What each stream does, by its name."""

    def read(self, value: Any) -> dict[str, dict[str, Any]]:
        if type(value) is not dict:
            raise wrong("invalid_type", "must be an object of streams by name")
        if len(value) > 100:
            raise wrong("too_many", "has more than 100 streams")
        return {name: self._stream(name, what) for name, what in value.items()}

    def _stream(self, name: str, what: Any) -> dict[str, Any]:
        if not _STREAM.match(name):
            raise wrong("invalid_format", f"has {name[:40]!r}, which is no name of a stream")
        if type(what) is not dict or type(what.get("unsubscribe")) is not bool:
            raise wrong("invalid_type", f"needs unsubscribe, true or false, for {name}")
        unknown = [each for each in what if each not in ("unsubscribe", "scope")]
        if unknown:
            raise wrong("unknown_field", f"has an unknown field {unknown[0][:40]!r}; known are unsubscribe and scope")
        scope = what.get("scope")
        if scope is not None and (type(scope) is not str or not is_scope(scope)):
            raise wrong("invalid_format", f"has a scope for {name} that is not all, stream:<name> or topic:<name>")
        return {"unsubscribe": what["unsubscribe"]} | ({"scope": scope} if scope is not None else {})

    def describe(self) -> dict[str, Any]:
        scope = {"type": ["string", "null"], "pattern": f"^(?:{SCOPE})$", "maxLength": 80}
        fields = {"unsubscribe": {"type": "boolean"}, "scope": scope}
        stream = {"type": "object", "properties": fields, "required": ["unsubscribe"], "additionalProperties": False}
        names = {"pattern": rf"^(?:\*|{STREAM})$", "maxLength": 63}
        return {"type": "object", "maxProperties": 100, "propertyNames": names, "additionalProperties": stream}


class DomainIn(In):
    name = Host(253, required=True, metadata=told("The domain after the @ of senders.", "mail.example.com"))
    default_sender = SenderText(
        metadata=told("The sender of messages that name none, when neither key nor account has one.", _SENDER)
    )
    return_path = Text(32, pattern=_LABEL, metadata=told("The label of the host that takes bounces.", "bounce"))
    streams = Streams(metadata=told(_STREAMS, _A_STREAM))


class DomainChangeIn(In):
    default_sender = SenderText(metadata=told("The sender of messages that name none; null takes it back.", _SENDER))
    return_path = Text(32, pattern=_LABEL, metadata=told("The label of the host that takes bounces.", "bounce"))
    streams = Streams(metadata=told(_STREAMS, _A_STREAM))


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
    streams = out.mapped("Which streams offer one-click unsubscribing, and what it then stops.", _A_STREAM)
    records = out.listed(RecordOut, "What to publish, the required ones first.")
    findings = out.listed(out.mapped("purpose, state, diagnosis, fix"), "What else was looked at: SPF and MX.")
    created_at = out.moment("When it was added.")
    verified_at = out.moment("When it was first verified.", null=True)
    checked_at = out.moment("When DNS was last asked.", null=True)
    next_check_at = out.moment("When it is asked again.", null=True)


class ReadinessCheckOut(out.Out):
    """One rule of the large providers."""

    check = out.text(f"What it is about: {', '.join(CHECKS)}.", "dmarc")
    state = out.text(f"{', '.join(READINESS)}.", "ok")
    asked_by = out.listed(out.text("A provider."), f"Who asks for it, of {', '.join(PROVIDERS)}.")
    found = out.text("What is there, in a sentence.")
    fix = out.text("What to do; empty when nothing.")


class ReadinessOut(out.Out):
    """Whether a domain does what Gmail, Yahoo and Microsoft ask of bulk senders."""

    domain_id = out.ident("dom", "The domain.")
    domain = out.text("Its name.", "mail.example.com")
    state = out.text("The worst state of all checks.", "warning")
    providers = out.mapped("The worst state of each provider's checks.", {name: "ok" for name in PROVIDERS})
    bulk = out.flag("Whether one day had 5,000 live mails or more, so that the rules bind.")
    most_a_day = out.whole("The most live mails of one day, of the newest 20,000 within 30 days.", 1200)
    checks = out.listed(ReadinessCheckOut, "Every rule.")
    checked_at = out.moment("When DNS was last asked.", null=True)
