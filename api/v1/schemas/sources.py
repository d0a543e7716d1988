"""The shapes of a source, its tests, and what is known of relays: as they are asked for, and as they are shown."""

import ipaddress
from typing import Any

from api.v1.schemas import out
from api.v1.schemas.api_keys import Host
from api.v1.schemas.fields import Choice, Coded, In, Text, Whole, YesNo, wrong
from api.v1.schemas.messages_out import TranscriptLineOut
from api.v1.schemas.out import told
from common.domain.profiles import PROFILES
from common.domain.source_rules import KINDS, SECRET_LEVELS, TLS_LEVELS

_NAME = r"[a-z0-9][a-z0-9_.-]{0,62}"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_SERVER = rf"(?:{_LABEL}\.){{0,8}}[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?"


class Server(Text):
    """A host name or an IP address."""

    def read(self, value: Any) -> str:
        try:
            return str(ipaddress.ip_address(value.strip("[]"))) if type(value) is str else super().read(value)
        except ValueError:
            return super().read(value).lower()


class LocalAddress(Coded):
    """An IP address of one family."""

    def __init__(self, version: int, **options: Any) -> None:
        super().__init__(**options)
        self._version = version

    def read(self, value: Any) -> str:
        if type(value) is not str:
            raise wrong("invalid_type", "must be a string")
        try:
            found = ipaddress.ip_address(value)
        except ValueError:
            found = None
        if found is None or found.version != self._version:
            raise wrong("invalid_format", f"must be an IPv{self._version} address of this machine")
        return str(found)

    def describe(self) -> dict[str, Any]:
        octet = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
        pattern = rf"^{octet}(?:\.{octet}){{3}}$" if self._version == 4 else r"^(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}$"
        return {"type": "string", "pattern": pattern}


def _wire() -> dict[str, Coded]:
    """What a PATCH may change as well."""
    return {
        "host": Server(253, pattern=_SERVER, metadata=told("Of a relay: its host.", "smtp.example.com")),
        "port": Whole(1, 65_535, metadata=told("Of a relay: its port.", 587)),
        "tls": Choice(
            TLS_LEVELS,
            metadata=told(
                "`required`: STARTTLS with a verified certificate. `implicit`: the same from the first byte. "
                "`encrypted`: any certificate. `opportunistic`: if the server offers it. `none`: in clear.",
                "required",
            ),
        ),
        "username": Text(200, least=1, line=True, metadata=told("Of a relay: who logs in.", "apikey")),
        "password": Text(
            1000, least=1, line=True, metadata=told("Of a relay; kept sealed, never shown again.", "s3cret")
        ),
        "ehlo_name": Host(253, metadata=told("The name to say in EHLO.", "mail.example.com")),
        "bind_ipv4": LocalAddress(4, metadata=told("The local IPv4 address to send from.", "203.0.113.7")),
        "bind_ipv6": LocalAddress(6, metadata=told("The local IPv6 address to send from.", "2001:db8:0:0:0:0:0:7")),
        "messages_per_connection": Whole(1, 10_000, metadata=told("After so many a connection is replaced.", 100)),
        "enabled": YesNo(metadata=told("Whether mail may leave this way; true unless given.", True)),
        "is_default": YesNo(metadata=told("Whether the account's mail leaves this way.", True)),
    }


CLEARABLE = (
    "username", "password", "ehlo_name", "bind_ipv4", "bind_ipv6", "messages_per_connection",
)  # fmt: skip
"""What a PATCH may set to null."""

_NOT_RELAY = {name: {"type": "null"} for name in ("host", "port", "username", "password", "profile")}
_NOT_SINK = {name: {"type": "null"} for name in ("tls", "ehlo_name", "bind_ipv4", "bind_ipv6")}
_TOGETHER: dict[str, Any] = {
    "anyOf": [
        {
            "properties": {
                "kind": {"enum": ["sink"]},
                **_NOT_RELAY,
                **_NOT_SINK,
                "messages_per_connection": {"type": "null"},
            }
        },
        {"properties": {"kind": {"enum": ["direct"]}, **_NOT_RELAY, "tls": {"enum": [*TLS_LEVELS[:4], None]}}},
        {
            "properties": {
                "kind": {"enum": ["relay"]},
                "host": {"type": "string"},
                "username": {"type": "null"},
                "password": {"type": "null"},
            },
            "required": ["host"],
        },
        {
            "properties": {
                "kind": {"enum": ["relay"]},
                "host": {"type": "string"},
                "username": {"type": "string"},
                "password": {"type": "string"},
                "tls": {"enum": [*SECRET_LEVELS, None]},
            },
            "required": ["host", "username", "password"],
        },
    ]
}


class _Source(In):
    together = _TOGETHER
    samples = {
        "relay": {"name": "sendgrid", "kind": "relay", "profile": "sendgrid", "host": "smtp.sendgrid.net",
                  "username": "apikey", "password": "SG.s3cret"},
        "own_relay": {
            "name": "postfix", "kind": "relay", "host": "smtp.example.com", "port": 587, "tls": "required",
            "username": "sendarix", "password": "s3cret",
        },
        "sink": {"name": "staging", "kind": "sink"},
    }  # fmt: skip


SourceIn = _Source.from_dict(
    {
        "name": Text(
            63, required=True, pattern=_NAME, metadata=told("Its name, unique in the account; kept for good.", "ses-eu")
        ),
        "kind": Choice(
            KINDS,
            required=True,
            metadata=told("`relay` hands mail to a smarthost, `direct` to the recipients' servers, `sink` keeps it."),
        ),
        "profile": Choice(
            tuple(PROFILES), metadata=told("Of a relay: whose it is; fills what is left out. `generic` unless given.")
        ),
        **_wire(),
        "shared": YesNo(metadata=told("Whether every account may use it; for the operator.", False)),
    },
    name="SourceIn",
)
SOURCE_IN = SourceIn()
SourceChangeIn = In.from_dict(dict(_wire()), name="SourceChangeIn")
SOURCE_CHANGE_IN = SourceChangeIn()


class SourceTestIn(In):
    recipient_domain = Host(
        253, metadata=told("Of a direct source: whose mail hosts to connect to; your first domain's.", "example.com")
    )


SOURCE_TEST_IN = SourceTestIn()


class SourceOut(out.Out):
    """A way out, without its password."""

    id = out.ident("src", "Its id.")
    name = out.text("Its name.", "ses-eu")
    kind = out.text("`direct`, `relay` or `sink`.", "relay")
    profile = out.text("Of a relay: whose it is.", "ses", null=True)
    host = out.text("Of a relay: its host.", "email-smtp.eu-west-1.amazonaws.com", null=True)
    port = out.whole("Of a relay: its port.", 587, null=True)
    tls = out.text(f"{', '.join(TLS_LEVELS)}.", "required")
    username = out.text("Of a relay: who logs in.", "AKIA…", null=True)
    ehlo_name = out.text("The name said in EHLO; null for the installation's.", "mail.example.com", null=True)
    bind_ipv4 = out.text("The local IPv4 address it sends from.", "203.0.113.7", null=True)
    bind_ipv6 = out.text("The local IPv6 address it sends from.", null=True)
    messages_per_connection = out.whole("After so many a connection is replaced.", 100, null=True)
    has_password = out.flag("Whether a password is kept.")
    enabled = out.flag("Whether mail may leave this way.")
    is_default = out.flag("Whether the account's mail leaves this way.")
    shared = out.flag("Whether it is the operator's: then host, user name and addresses are shown to an operator only.")
    created_at = out.moment("When it was made.")
    updated_at = out.moment("When it was last changed.")


class SourceTestReportOut(out.Out):
    """What came of a test."""

    stage = out.text("`ready`, or where it ended: waiting, dns, connect, banner, ehlo, tls, auth.", "ready")
    advice = out.text("What it means and what to do.", "It works: mail can leave this way.")
    code = out.whole("The code of the reply that refused.", 535, null=True)
    reply = out.text("What refused, in the server's words or ours.", null=True)
    host = out.text("The host.", "smtp.example.com", null=True)
    ip = out.text("The address that was reached.", "192.0.2.25", null=True)
    port = out.whole("The port.", 587, null=True)
    tls = out.text("The protocol that was agreed on; null in clear.", "TLSv1.3", null=True)
    tls_verified = out.flag("Whether the server proved who it is.", null=True)
    tls_reason = out.text("Why TLS is as it is.", null=True)
    offers = out.listed(out.text("An extension.", "PIPELINING"), "What the server offers.")
    duration_ms = out.whole("How long it took.", 120, null=True)
    transcript = out.listed(TranscriptLineOut, "The conversation.")


class SourceTestOut(out.Out):
    """A test of a source."""

    id = out.ident("stt", "Its id.")
    source_id = out.ident("src", "The source.")
    state = out.text("`waiting`, `passed` or `failed`.", "passed")
    recipient_domain = out.text("Whose mail hosts were asked.", "example.com", null=True)
    report = out.nested(SourceTestReportOut, "What came of it; null while it waits.", null=True)
    created_at = out.moment("When it was asked for.")
    ended_at = out.moment("When it ended.", null=True)


class SourceProfileOut(out.Out):
    """What is known of a relay provider."""

    name = out.text("Its name, for `profile`.", "ses")
    title = out.text("Whose relay it is.", "Amazon SES")
    host = out.text("Its host; null when yours is different.", "smtp.sendgrid.net", null=True)
    port = out.whole("Its port.", 587)
    tls = out.text("`required` or `implicit`.", "required")
    username = out.text("What its user name is.", "the word apikey")
    password = out.text("What its password is.", "an API key with the permission Mail Send")
    fixed_username = out.text("The user name, where everybody has the same.", "apikey", null=True)
    messages_per_second = out.number("Its published limit; null when it publishes none.", 0.5, null=True)
    messages_per_day = out.whole("Its published limit; null when it publishes none.", 500, null=True)
    messages_per_connection = out.whole("After so many a connection is replaced.", 100)
    rewrites_sender = out.flag("Whether it takes mail only from the account's own addresses.")
    signs = out.text("Whose DKIM signature counts: `relay` or `both`.", "both")
    note = out.text("What else to know.", null=True)
    guide = out.text("The step-by-step page.", "/docs/sources/ses")


class SourceProfilesOut(out.Out):
    """All of them."""

    data = out.listed(SourceProfileOut, "The profiles.")
