"""The shapes of a webhook subscription: as it is asked for, and as it is shown."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields, validates_schema

from api.v1.schemas import out
from api.v1.schemas.api_keys import Host
from api.v1.schemas.fields import Choice, Coded, In, Moment, Note, Text, Whole, YesNo, each_of, wrong
from api.v1.schemas.lists import Listed
from api.v1.schemas.out import told
from common.domain.egress import Refused, to_ascii_host
from common.domain.events import EVENT_TYPES, WILDCARDS
from common.domain.webhooks import (
    HEADER_NAME,
    MOST_ATTEMPTS,
    MOST_HEADERS,
    MOST_IN_FLIGHT,
    MOST_OVERLAP_SECONDS,
    ORDERINGS,
    RECOVERIES,
    USUAL_OVERLAP_SECONDS,
    is_header_taken,
)

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_PORT = r"[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
_REST = r"[/?](?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*"
_URL = rf"https?://(?:{_LABEL}(?:\.{_LABEL}){{0,10}}\.?|\[[0-9A-Fa-f:.]{{2,45}}\])(?::(?:{_PORT}))?(?:{_REST})?"
# Without .internal, .local, .localhost and .onion.
_TLD = r"[A-Za-z]{2,3}|[A-HJKMNP-Za-hjkmnp-z][A-Za-z]{3,30}"
_PUBLIC_URL = rf"https://(?:{_LABEL}\.){{1,4}}(?:{_TLD})(?::(?:443|8443|[3-5][0-9]{{4}}))?(?:{_REST})?"
_TAG = r"[^, \x00-\x1f\x7f][^,\x00-\x1f\x7f]*"
ALL = "*"
TYPES = (*EVENT_TYPES, *WILDCARDS, ALL)


class Endpoint(Text):
    """An http or https URL with a host and without credentials."""

    def read(self, value: Any) -> str:
        try:
            text = super().read(to_ascii_host(value) if type(value) is str else value)
        except Refused as error:
            raise wrong("invalid_format", str(error)) from error
        try:
            parts = urlsplit(text)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
            good = good and (parts.port is None or parts.port > 0)
        except ValueError:
            good = False
        if not good:
            raise wrong("invalid_format", "must be an http or https URL without credentials")
        return text

    def describe(self) -> dict[str, Any]:
        """A public name and a usual port; what else is taken depends on the operator's own network."""
        return super().describe() | {"format": "uri", "pattern": f"^{_PUBLIC_URL}$"}


class EventTypes(Coded):
    """A list of event types, of nouns (`message.*`), or `*` for all."""

    def read(self, value: Any) -> list[str]:
        if type(value) is not list:
            raise wrong("invalid_type", "must be a list")
        if not 1 <= len(value) <= 50:
            raise wrong("too_many", "must name 1 to 50 event types; leave it out for all")
        found: list[str] = each_of(value, _event_type)
        return list(dict.fromkeys(found))

    def describe(self) -> dict[str, Any]:
        return {"type": "array", "minItems": 1, "maxItems": 50, "items": {"type": "string", "enum": list(TYPES)}}


def _event_type(item: Any) -> str:
    if type(item) is not str or item not in TYPES:
        raise wrong("not_in_enum", f"must be one of {', '.join(TYPES)}")
    return item


class CustomHeaders(Coded):
    """Headers of the owner's, by name."""

    def read(self, value: Any) -> dict[str, str]:
        if type(value) is not dict:
            raise wrong("invalid_type", "must be an object of names and values")
        if len(value) > MOST_HEADERS:
            raise wrong("too_many", f"has more than {MOST_HEADERS} headers")
        name, text = Text(64, pattern=HEADER_NAME), Text(2000, pattern=r"[!-~](?:[ -~]*[!-~])?")
        errors: dict[str, Any] = {}
        for key, item in value.items():
            try:
                if is_header_taken(name.read(key)):
                    raise wrong("forbidden_header", "is set by the service itself")
                text.read(item)
            except ValidationError as error:
                errors[key] = error.messages
        if errors:
            raise ValidationError(errors)
        return value

    def describe(self) -> dict[str, Any]:
        names = {"pattern": "^[Xx]-[A-EG-Za-eg-z][A-Za-z0-9-]{0,61}$"}
        values = {"type": "string", "minLength": 1, "maxLength": 2000, "pattern": "^[!-~]+$"}
        return {"type": "object", "maxProperties": MOST_HEADERS, "propertyNames": names, "additionalProperties": values}


_LIMITS: dict[str, Callable[[], Coded]] = {
    "event_types": lambda: EventTypes(
        metadata=told("Which events: names, `message.*` and the like, or `*`. All unless given.", ["message.delivered"])
    ),
    "tags": lambda: Listed(
        Text(100, line=True, pattern=_TAG),
        50,
        metadata=told("Only events of messages with one of these tags.", ["invoice"]),
    ),
    "domains": lambda: Listed(
        Host(253), 50, metadata=told("Only events of messages from these sender domains.", ["example.com"])
    ),
    "headers": lambda: CustomHeaders(
        metadata=told("Sent with every delivery; stored sealed, never shown.", {"X-Team": "billing"})
    ),
    "requests_per_second": lambda: Whole(
        1, 1000, metadata=told("Never more requests a second than this; no limit unless given.", 50)
    ),
    "description": lambda: Text(200, line=True, metadata=told("What it is for.", "billing service")),
    "ordering": lambda: Choice(
        ORDERINGS,
        metadata=told("`per_message` tells the next event of a message when the one before is over.", "none"),
    ),
    "max_in_flight": lambda: Whole(1, MOST_IN_FLIGHT, metadata=told("Requests at the same time; 10 unless given.", 10)),
    "max_attempts": lambda: Whole(1, MOST_ATTEMPTS, metadata=told("Attempts of one delivery; 12 unless given.", 12)),
}
CLEARABLE = tuple(_LIMITS)
"""What a PATCH may set to null: as if it had been left out."""


def _fields(required: bool) -> dict[str, fields.Field[Any]]:
    url = Endpoint(
        2048,
        line=True,
        pattern=_URL,
        required=required,
        metadata=told("Where events are posted.", "https://example.com/hooks/mail"),
    )
    return {"url": url, **{name: make() for name, make in _LIMITS.items()}}


WebhookIn = In.from_dict(
    _fields(True)
    | {"ed25519": YesNo(metadata=told("Whether an Ed25519 signature (`v1a`) is sent beside `v1`.", True))},
    name="WebhookIn",
)
WEBHOOK_IN = WebhookIn()
WebhookChangeIn = In.from_dict(_fields(False), name="WebhookChangeIn")
WEBHOOK_CHANGE_IN = WebhookChangeIn()


class SecretRotationIn(In):
    overlap_seconds = Whole(
        0,
        MOST_OVERLAP_SECONDS,
        metadata=told("How long the secret before signs as well; a day unless given.", USUAL_OVERLAP_SECONDS),
    )


SECRET_ROTATION_IN = SecretRotationIn()


class EnableIn(In):
    together = {
        "anyOf": [
            {
                "properties": {"recover": {"const": "since"}, "since": {"type": "string"}},
                "required": ["recover", "since"],
            },
            {"properties": {"recover": {"enum": ["all", "none", None]}, "since": {"type": "null"}}},
        ]
    }
    recover = Choice(
        RECOVERIES,
        metadata=told("What becomes of what was held: `all` of it is told, `since` a time, or `none`.", "all"),
    )
    since = Moment(metadata=told("With `since`: what was created at this time or later."))

    @validates_schema(skip_on_field_errors=True)
    def check_together(self, data: dict[str, Any], **_: Any) -> None:
        """`since` and its time belong together."""
        if (data.get("recover") == "since") != ("since" in data):
            raise ValidationError(
                {"since": [Note("conflict", 'belongs to "recover": "since", and the other way round')]}
            )


ENABLE_IN = EnableIn()


class SecretFactsOut(out.Out):
    """A secret that signs, without itself."""

    created_at = out.moment("When it was made.")
    expires_at = out.moment("Until when it signs; null is until it is rotated.", null=True)


class WebhookHealthOut(out.Out):
    """How an endpoint is doing."""

    breaker = out.text("`closed`: all is posted. `open`: nothing. `half_open`: one probe at a time.", "closed")
    open_until = out.moment("When an open breaker lets the next probe through.", null=True)
    failing_since = out.moment("Since when every attempt has failed.", null=True)
    typical_ms = out.whole("How long it takes to answer, in milliseconds.", 40, null=True)
    last_success_at = out.moment("Its last 2xx.", null=True)
    last_failure_at = out.moment("Its last failure.", null=True)
    last_error = out.text("What that was.", null=True)


def _texts(sentence: str, example: str) -> Any:
    return out.listed(out.text("One of them.", example), f"{sentence} Null is all.", null=True)


class WebhookOut(out.Out):
    """A subscription."""

    id = out.ident("whk", "Its id.")
    url = out.text("Where events are posted.", "https://example.com/hooks/mail")
    description = out.text("What it is for.", "billing service")
    event_types = _texts("What it is told.", "message.delivered")
    tags = _texts("Only messages with one of these tags.", "invoice")
    domains = _texts("Only messages from these domains.", "example.com")
    header_names = out.listed(out.text("A name.", "X-Team"), "The custom headers; their values are not shown.")
    ordering = out.text(f"{' or '.join(ORDERINGS)}.", "none")
    max_in_flight = out.whole("Requests at the same time.", 10)
    requests_per_second = out.number("Requests a second; null is no limit.", 50, null=True)
    max_attempts = out.whole("Attempts of one delivery.", 12)
    environment = out.text("`live` or `test`.", "live")
    state = out.text("`enabled`, or `disabled`: what it would be told is held.", "enabled")
    disabled_reason = out.text("`manual`, `failing`, `gone` (it answered 410) or `breaker`.", null=True)
    disabled_at = out.moment("Since when.", null=True)
    verified_at = out.moment("When this URL first answered 2xx.", null=True)
    public_key = out.text("Verifies `v1a` signatures (Ed25519), where they were asked for.", null=True)
    secrets = out.listed(SecretFactsOut, "The secrets that sign, newest first.")
    health = out.nested(WebhookHealthOut, "How it is doing.")
    created_at = out.moment("When it was made.")
    updated_at = out.moment("When it was last changed.")


class NewWebhookOut(WebhookOut):
    """A subscription with its secret, answered once."""

    secret = out.text("Signs its deliveries (Standard Webhooks); shown here only.", "whsec_c2VuZGFyaXg=")


class EnabledWebhookOut(WebhookOut):
    """A subscription that is on again."""

    recovered = out.whole("Held deliveries that are posted now.", 12)
    skipped = out.whole("Held deliveries that are not; they can be replayed.", 0)


class WebhookTestOut(out.Out):
    """A test event on its way."""

    event_id = out.ident("evt", "The event.")
    delivery_id = out.ident("whd", "Its delivery: look there for the answer.")
