"""Who a message is from: what the request names, or the first default that it may use; and whether it may.

The order is in docs/senders.md. What an account may send as is remembered for 5 s. Never here: rows, shapes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from common.caching import Remembered
from common.config import Settings
from common.db.session import transaction
from common.domain.addresses import Address, AddressError, parse_address, split_display_name
from common.domain.errors import FieldError, Forbidden
from common.domain.principals import Principal
from common.domain.templates import Template
from common.services import senders
from common.services.senders import Known

_known: Remembered[UUID, Known] = Remembered()

_NONE = "is required: neither the template, the key, the account nor one of its verified domains has a default sender"


@dataclass(frozen=True, slots=True)
class Identity:
    """`sender` is email and name as the row keeps them; `reply_to` that of the sender resource, if it has one."""

    address: Address
    sender: dict[str, str | None]
    reply_to: dict[str, str | None] | None = None


def forget() -> None:
    """Drop what is remembered; for a process that has just changed a domain or a sender."""
    _known.forget()


def _of(account_id: UUID) -> Known:
    def load() -> Known:
        with transaction() as connection:
            return senders.known(connection, account_id)

    return _known.get(account_id, load)


def choose(
    principal: Principal, fields: dict[str, Any], template: Template | None, errors: list[FieldError]
) -> Identity | None:
    """The identity of a message; None with one more error when there is none.

    An address that is a sender of the account takes its name, unless the request gives one. What was built
    elsewhere (`mime`) says by itself who it is from.
    """
    given = fields.get("from") or _default(principal, template)
    if given is None:
        errors.append(FieldError("from", "required", _NONE))
        return None
    try:
        address = parse_address(given["email"] or "")
    except AddressError as error:
        errors.append(FieldError("from", "invalid_email", str(error)))
        return None
    kept = (_of(principal.account_id).senders or {}).get(address.key)
    if kept is None or "mime" in fields:
        return Identity(address, {"email": address.email, "name": given.get("name")})
    name, reply_to = kept
    sender = {"email": address.email, "name": given.get("name") or name}
    return Identity(address, sender, _mailbox(reply_to) if reply_to else None)


def _default(principal: Principal, template: Template | None) -> dict[str, str | None] | None:
    first = None
    for text in _defaults(principal, template):
        found = _mailbox(text)
        if first is None:
            first = found
        host = (found["email"] or "").rpartition("@")[2].lower()
        if principal.sender_domains is None or host in principal.sender_domains:
            return found
    return first  # refused later, with the reason


def _defaults(principal: Principal, template: Template | None) -> Iterator[str]:
    if template is not None and template.sender:
        yield template.sender
        return
    if principal.default_sender:
        yield principal.default_sender
    yield from _of(principal.account_id).defaults


def _mailbox(text: str) -> dict[str, str | None]:
    name, email = split_display_name(text)
    return {"email": email, "name": name}


def check_sender(settings: Settings, principal: Principal, address: Address) -> None:
    """Whether the key may send from an address. Raises Forbidden (domain_not_allowed, sender_not_verified)."""
    allowed = principal.sender_domains
    if allowed is not None and address.domain not in allowed:
        raise Forbidden(
            f"This key may not send from {address.domain}.",
            code="domain_not_allowed",
            errors=[FieldError("from", "unverified_domain", "use a domain this key is allowed to send from")],
        )
    if principal.environment == "test" or settings.sender_verification != "required":
        return
    if address.domain not in _of(principal.account_id).domains:
        raise Forbidden(
            f"The domain {address.domain} is not verified for this account.",
            code="sender_not_verified",
            errors=[FieldError("from", "unverified_domain", "verify the domain first, or send from a verified one")],
        )
