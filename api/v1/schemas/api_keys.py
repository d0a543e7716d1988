"""The shapes of an API key: as it is asked for, and as it is shown."""

import ipaddress
from collections.abc import Callable
from typing import Any

from marshmallow import fields

from api.v1.schemas import out
from api.v1.schemas.fields import MAILBOX, Choice, Coded, In, Mailbox, Moment, Text, Whole, YesNo, wrong
from api.v1.schemas.lists import Listed
from api.v1.schemas.out import told
from common.domain.addresses import AddressError, parse_address
from common.domain.principals import SCOPES
from common.domain.suppressions import STREAM
from common.services.issuing import MAX_OVERLAP_SECONDS, STATES

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"


class Host(Text):
    """A domain name, as A-labels in lower case."""

    def read(self, value: Any) -> str:
        try:
            return parse_address(f"x@{super().read(value)}").domain
        except AddressError as error:
            raise wrong("invalid_format", "must be a domain such as mail.example.com") from error

    def describe(self) -> dict[str, Any]:
        return super().describe() | {"pattern": f"^{_HOST}$", "maxLength": 200}


class SenderText(Mailbox):
    """An address as it is kept: `Name <a@b>` or `a@b`."""

    def read(self, value: Any) -> Any:
        found = super().read(value)
        name = found["name"]
        if name and any(each in name for each in '<>"'):
            raise wrong("invalid_format", "has a name with <, > or a quotation mark: leave those out")
        return f"{name} <{found['email']}>" if name else found["email"]

    def describe(self) -> dict[str, Any]:
        plain, named = MAILBOX["anyOf"][:2]
        return {"anyOf": [plain, named]}


class Network(Coded):
    """An IPv4 or IPv6 network, or one address."""

    def read(self, value: Any) -> str:
        if type(value) is not str:
            raise wrong("invalid_type", "must be a string such as 192.0.2.0/24")
        try:
            return str(ipaddress.ip_network(value, strict=False))
        except ValueError as error:
            raise wrong("invalid_format", "must be a network such as 192.0.2.0/24 or 2001:db8::/32") from error

    def describe(self) -> dict[str, Any]:
        octet = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
        four = rf"{octet}(?:\.{octet}){{3}}(?:/(?:3[0-2]|[12]?[0-9]))?"
        six = r"(?:[0-9a-f]{1,4}:){1,7}:(?:/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9]))?"
        return {"type": "string", "pattern": f"^(?:{four}|{six})$"}


_RESTRICTIONS: dict[str, Callable[[], Coded]] = {
    "sender_domains": lambda: Listed(Host(253), 100, metadata=told("Only from these domains.", ["example.com"])),
    "templates": lambda: Listed(
        Text(64, pattern=r"[a-z0-9][a-z0-9_-]*"), 100, metadata=told("Only these templates.", ["otp-code"])
    ),
    "streams": lambda: Listed(
        Text(63, pattern=STREAM), 100, metadata=told("Only in these streams; a single one is the default.", ["billing"])
    ),
    "tags": lambda: Listed(
        Text(100, line=True, pattern=r"[^, \x00-\x1f\x7f][^,\x00-\x1f\x7f]*"),
        100,
        metadata=told("Only with these tags.", ["invoice"]),
    ),
    "cidrs": lambda: Listed(Network(), 100, metadata=told("Only from these networks.", ["192.0.2.0/24"])),
    "default_sender": lambda: SenderText(
        metadata=told("The sender of a message that names none.", "Example <hello@example.com>")
    ),
    "requests_per_minute": lambda: Whole(1, 1_000_000, metadata=told("A limit of its own, inside the account's.", 100)),
    "require_idempotency": lambda: YesNo(metadata=told("Whether a send must carry an Idempotency-Key.", True)),
    "expires_at": lambda: Moment(metadata=told("When it ends by itself; never unless given.", "2035-01-01T00:00:00Z")),
}
CLEARABLE = tuple(name for name in _RESTRICTIONS if name != "require_idempotency")
"""What a PATCH may set to null: the restriction is lifted."""


def _fields(required: bool) -> dict[str, fields.Field[Any]]:
    return {
        "name": Text(100, line=True, metadata=told("What it is for.", "billing service")),
        "scopes": Listed(
            Choice(SCOPES), len(SCOPES), required=required, metadata=told("What it may do.", ["messages:send"])
        ),
        **{name: make() for name, make in _RESTRICTIONS.items()},
    }


ApiKeyIn = In.from_dict(
    {
        **_fields(True),
        "environment": Choice(("live", "test"), metadata=told("As of the key that makes it, unless an operator does.")),
    },
    name="ApiKeyIn",
)
API_KEY_IN = ApiKeyIn()
ApiKeyChangeIn = In.from_dict(_fields(False), name="ApiKeyChangeIn")
API_KEY_CHANGE_IN = ApiKeyChangeIn()


class RotationIn(In):
    overlap_seconds = Whole(
        0,
        MAX_OVERLAP_SECONDS,
        metadata=told("How long the secret before still counts; none unless given, at most seven days.", 86_400),
    )


ROTATION_IN = RotationIn()


def _texts(sentence: str, example: str) -> Any:
    return out.listed(out.text("One of them.", example), f"{sentence} Null allows all.", null=True)


class ApiKeyOut(out.Out):
    """A key, without its secret."""

    id = out.ident("key", "Its id.")
    name = out.text("What it is for.", "billing service")
    prefix = out.text("How its secret begins: enough to recognize it.", "sk_live_sdx_4f9Qz1Lm")
    environment = out.text("`live` or `test`.", "live")
    state = out.text(f"{', '.join(STATES)}.", "active")
    scopes = out.listed(out.text("A scope.", "messages:send"), "What it may do.")
    sender_domains = _texts("From which domains it may send.", "example.com")
    templates = _texts("Which templates it may use.", "otp-code")
    streams = _texts("In which streams it may send.", "billing")
    tags = _texts("With which tags it may send.", "invoice")
    cidrs = _texts("From which networks it may be used.", "192.0.2.0/24")
    default_sender = out.text("The sender of a message that names none.", "Example <hello@example.com>", null=True)
    requests_per_minute = out.whole("Its own limit, inside the account's.", 100, null=True)
    require_idempotency = out.flag("Whether a send must carry an Idempotency-Key.")
    created_at = out.moment("When it was made.")
    created_by = out.ident("key", "The key that made it; null for an operator.", null=True)
    expires_at = out.moment("When it ends by itself.", null=True)
    revoked_at = out.moment("When it was revoked.", null=True)
    previous_until = out.moment("Until when the secret before the last rotation counts.", null=True)
    last_used_at = out.moment("When it was last used, to the minute.", null=True)
    last_used_ip = out.text("From which address.", "192.0.2.7", null=True)


class NewApiKeyOut(ApiKeyOut):
    """A key with its secret, answered once."""

    secret = out.text("Send it as `Authorization: Bearer …`. Shown here only.", "sk_live_sdx_…")
