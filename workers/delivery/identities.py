"""Who a message speaks for: its sender domain's keys, return path and stream. Looked up now and then, not each time.

Never here: sockets, MIME.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.caching import Remembered
from common.config import Settings
from common.db.session import transaction
from common.domain import return_paths
from common.domain.addresses import parse_address
from common.domain.bulk_headers import feedback_id, list_unsubscribe
from common.domain.dkim import PrivateKey
from common.domain.ids import encode
from common.domain.unsubscribe_tokens import Unsubscription, write_token
from common.sealing import CannotOpen
from common.services import domain_keys, sources
from common.services.delivery import Claimed
from common.services.domain_keys import SigningDomain, StoredKey
from common.services.keys import server_secret
from workers.delivery.dkim import SigningKey

Place = tuple[UUID, str]
EVERY_STREAM = "*"
"""The name of the stream whose settings count for messages that name no stream of their own."""

_domains: Remembered[Place, SigningDomain | None] = Remembered(seconds=30.0)
_keys: Remembered[UUID, PrivateKey] = Remembered(seconds=3600.0)
_kinds: Remembered[UUID, str] = Remembered(seconds=30.0)


class Unsignable(Exception):
    """A message that may leave only signed has no key that can be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a message is sent as."""

    keys: tuple[SigningKey, ...]
    envelope_sender: str
    headers: dict[str, str]


def look_up(window: Sequence[Claimed]) -> dict[Place, SigningDomain | None]:
    """The sender domain of every message, by account and name; at most one query."""

    def load(places: list[Place]) -> dict[Place, SigningDomain | None]:
        with transaction() as connection:
            return domain_keys.signing(connection, places)

    return _domains.get_many((place_of(claimed) for claimed in window), load)


def place_of(claimed: Claimed) -> Place:
    """The account and the sender's domain as an A-label."""
    email: str = claimed.row.sender["email"]
    name = email.rpartition("@")[2]
    return claimed.row.account_id, name.lower() if name.isascii() else parse_address(email).domain


def identify(settings: Settings, claimed: Claimed, domain: SigningDomain | None) -> Identity:
    """Keys, envelope sender and headers of one message. Raises Unsignable."""
    kind = _kind(claimed.row.source_id)
    keys = tuple(_signing_keys(settings, claimed, domain)) if domain else ()
    if not keys and kind == "direct" and settings.sender_verification == "required":
        name = place_of(claimed)[1]
        raise Unsignable(f"{name} has no DKIM key in DNS: publish the records of GET /v1/domains, then it is sent")
    host = (domain.return_path if domain else None) or settings.bounce_domain
    bounces = bool(host) and kind != "relay"  # a relay brings its own return path, and may refuse another
    secret = server_secret(settings)
    sender: str = claimed.row.sender["email"]
    if bounces:
        sender = f"{return_paths.write_local_part(secret, return_paths.BOUNCE, claimed.id)}@{host}"
    headers = _headers(settings, claimed, domain, secret, host if bounces else "")
    return Identity(keys, sender, headers)


def _signing_keys(settings: Settings, claimed: Claimed, domain: SigningDomain) -> list[SigningKey]:
    return [
        SigningKey(domain.name, key.selector, _load(settings, key))
        for key in domain_keys.choose(domain, claimed.row.created_at)
    ]


def _load(settings: Settings, key: StoredKey) -> PrivateKey:
    try:
        return _keys.get(key.id, lambda: domain_keys.load(settings, key))
    except CannotOpen as error:
        raise Unsignable(f"the DKIM key {key.selector} cannot be opened: {error}") from error


def _headers(
    settings: Settings, claimed: Claimed, domain: SigningDomain | None, secret: bytes, host: str
) -> dict[str, str]:
    row = claimed.row
    tags: list[str] = list(row.tags or ())
    found: dict[str, str] = {}
    if settings.feedback_sender_id:
        account = encode("acc", row.account_id)[-10:]
        parts = (tags[0] if tags else None, row.template_slug, account)
        found["Feedback-ID"] = feedback_id(parts, settings.feedback_sender_id)
    if settings.cfbl_address:
        found["CFBL-Address"] = f"{settings.cfbl_address}; report=arf"
    name, stream = _stream(row.stream, domain)
    if stream.get("unsubscribe"):
        scope = stream.get("scope") or ("all" if name == EVERY_STREAM else f"stream:{name}")
        url = None
        if settings.public_url:
            what = Unsubscription(row.account_id, claimed.id, parse_address(row.recipient).key, scope)
            url = f"{settings.public_url.rstrip('/')}/u/{write_token(secret, what)}"
        mail = f"{return_paths.write_local_part(secret, return_paths.UNSUBSCRIBE, claimed.id)}@{host}" if host else None
        found |= list_unsubscribe(url, mail)
    return found


def _stream(named: str | None, domain: SigningDomain | None) -> tuple[str, dict[str, Any]]:
    streams = domain.streams if domain else {}
    for name in (named, EVERY_STREAM):
        if name is not None and name in streams:
            return name, streams[name]
    return EVERY_STREAM, {}


def _kind(source_id: UUID | None) -> str:
    """direct, relay or sink; a source that is gone counts as direct, where delivery defers anyway."""
    if source_id is None:
        return "direct"

    def load() -> str:
        with transaction() as connection:
            return sources.kind_of(connection, source_id) or "direct"

    return _kinds.get(source_id, load)


def forget() -> None:
    """Drop what is remembered; for tests that change a domain."""
    _domains.forget()
    _kinds.forget()
