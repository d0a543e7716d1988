"""The terms of a rule: what each asks of a message, and which one fails. One function per term, one table.

Delivery asks `fits`; explain asks `failing` for the same answer with its reason. Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from common.domain.policy import Rule, share_of
from common.domain.tiers import TIERS


class Message(Protocol):
    """What rules may ask of a message. `provider` and `hosts` are None and empty where they are not known."""

    @property
    def message_id(self) -> UUID: ...
    @property
    def tags(self) -> Sequence[str]: ...
    @property
    def template(self) -> str | None: ...
    @property
    def stream(self) -> str | None: ...
    @property
    def tier(self) -> int: ...
    @property
    def sender_domain(self) -> str: ...
    @property
    def recipient_domain(self) -> str: ...
    @property
    def provider(self) -> str | None: ...
    @property
    def hosts(self) -> Sequence[str]: ...
    @property
    def size(self) -> int: ...
    @property
    def starts(self) -> datetime | None: ...
    @property
    def now(self) -> datetime | None: ...


Term = Callable[[Any, Message, str], bool]


def _tag(wanted: Any, message: Message, _: str) -> bool:
    return any(each in message.tags for each in wanted)


def _template(wanted: Any, message: Message, _: str) -> bool:
    return message.template in wanted


def _stream(wanted: Any, message: Message, _: str) -> bool:
    return message.stream in wanted


def _tier(wanted: Any, message: Message, _: str) -> bool:
    return TIERS[message.tier] in wanted


def _sender_domain(wanted: Any, message: Message, _: str) -> bool:
    return _is_among(message.sender_domain, wanted)


def _recipient_domain(wanted: Any, message: Message, _: str) -> bool:
    return _is_among(message.recipient_domain, wanted)


def _is_among(domain: str, wanted: Sequence[str]) -> bool:
    return any(domain.endswith(each[1:]) if each.startswith("*.") else domain == each for each in wanted)


def _provider(wanted: Any, message: Message, _: str) -> bool:
    return message.provider in wanted


def _mx_suffix(wanted: Any, message: Message, _: str) -> bool:
    hosts = [f".{host}" for host in message.hosts]
    return bool(hosts) and any(all(host.endswith(f".{each.lstrip('.')}") for host in hosts) for each in wanted)


def _size(wanted: Any, message: Message, _: str) -> bool:
    least, most = wanted.get("at_least", 0), wanted.get("at_most")
    return bool(least <= message.size and (most is None or message.size <= most))


def _percentage(wanted: Any, message: Message, name: str) -> bool:
    return bool(share_of(message.message_id, name) * 100 < wanted)


TERMS: dict[str, Term] = {
    "tag": _tag,
    "template": _template,
    "stream": _stream,
    "tier": _tier,
    "sender_domain": _sender_domain,
    "recipient_domain": _recipient_domain,
    "provider": _provider,
    "mx_suffix": _mx_suffix,
    "size": _size,
    "percentage": _percentage,
}


def failing(rule: Rule, message: Message) -> str | None:
    """The first term that does not hold, or None when the rule fits."""
    for name, wanted in rule.when.items():
        if not TERMS[name](wanted, message, rule.name):
            return name
    return _ended(rule, message)


def _ended(rule: Rule, message: Message) -> str | None:
    """A hold whose time has come is asked no more: `until` or `duration`."""
    over = rule.over(message.starts)
    if over is None or message.now is None or message.now < over:
        return None
    return "until" if rule.duration is None else "duration"


def wanted_of(name: str, rule: Rule) -> Any:
    """What a rule asks for where a term does not hold, for people."""
    if name in ("until", "duration"):
        return rule.duration if name == "duration" else rule.until and rule.until.isoformat()
    return rule.when[name]


def found_of(name: str, message: Message, rule: Rule) -> Any:
    """What the message has where a term asks, for people."""
    values: Mapping[str, Any] = {
        "tag": list(message.tags),
        "tier": TIERS[message.tier],
        "mx_suffix": list(message.hosts),
        "until": message.now and message.now.isoformat(),
        "duration": message.now and message.starts and (message.now - message.starts).total_seconds(),
        "percentage": round(share_of(message.message_id, rule.name) * 100, 3),
    }
    return values[name] if name in values else getattr(message, name)
