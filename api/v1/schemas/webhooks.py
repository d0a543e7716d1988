"""The shape of a webhook subscription as it is sent in."""

from typing import Any
from urllib.parse import urlsplit

from api.v1.schemas import out
from api.v1.schemas.fields import Coded, In, Text, each_of, wrong
from api.v1.schemas.out import told
from common.domain.events import EVENT_TYPES

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_PORT = r"[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
_REST = r"[/?](?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*"
_URL = rf"https?://(?:{_HOST}(?:\.{_HOST}){{0,10}}\.?|\[[0-9A-Fa-f:.]{{2,45}}\])(?::(?:{_PORT}))?(?:{_REST})?"


class Endpoint(Text):
    """An http or https URL with a host and without credentials."""

    def read(self, value: Any) -> str:
        text = super().read(value)
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
        return super().describe() | {"format": "uri"}


class EventTypes(Coded):
    """A list of event types; `message.*` is not offered, leave the field out for all."""

    def read(self, value: Any) -> list[str]:
        if type(value) is not list:
            raise wrong("invalid_type", "must be a list")
        if not 1 <= len(value) <= 50:
            raise wrong("too_many", "must name 1 to 50 event types; leave it out for all")
        found: list[str] = each_of(value, _event_type)
        return list(dict.fromkeys(found))

    def describe(self) -> dict[str, Any]:
        return {"type": "array", "minItems": 1, "maxItems": 50, "items": {"type": "string", "enum": list(EVENT_TYPES)}}


def _event_type(item: Any) -> str:
    if type(item) is not str or item not in EVENT_TYPES:
        raise wrong("not_in_enum", f"must be one of {', '.join(EVENT_TYPES)}")
    return item


class WebhookIn(In):
    url = Endpoint(
        2048,
        line=True,
        pattern=_URL,
        required=True,
        metadata=told("Where events are posted.", "https://example.com/hooks/mail"),
    )
    event_types = EventTypes(metadata=told("Which events; leave it out for all.", ["message.delivered"]))


WEBHOOK_IN = WebhookIn()


class WebhookOut(out.Out):
    """A subscription."""

    id = out.ident("whk", "Its id.")
    url = out.text("Where events are posted.", "https://example.com/hooks/mail")
    event_types = out.listed(
        out.text("An event type.", "message.delivered"), "What it is told; null means all.", null=True
    )
    environment = out.text("`live` or `test`.", "live")
    state = out.text("Whether it is used: `enabled` or why not.", "enabled")
    created_at = out.moment("When it was made.")


class NewWebhookOut(WebhookOut):
    """A subscription as it is answered once."""

    secret = out.text("Signs its deliveries (Standard Webhooks); shown here only.", "whsec_c2VuZGFyaXg=")
