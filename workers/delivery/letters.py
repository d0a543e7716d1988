"""From a claimed row to a mail: render the pinned template, assemble the MIME, sign it. The same bytes each time.

Never here: sockets.
"""

import binascii
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from common.caching import Remembered
from common.config import Settings
from common.db.session import transaction
from common.domain.headers import text_header
from common.domain.ids import encode
from common.domain.mime import Attachment, Letter, build
from common.domain.outcomes import Outcome
from common.domain.submissions.head import join, split
from common.domain.templates import Template
from common.services import templates
from common.services.delivery import Claimed
from common.services.rendering import render_again
from workers.delivery.dkim import sign
from workers.delivery.identities import Identity, Unsignable, identify, look_up, place_of
from workers.delivery.smtp import Mail

_pinned: Remembered[tuple[UUID, int], Template] = Remembered(seconds=3600.0, size=1024)


def compose(
    settings: Settings, window: Sequence[Claimed]
) -> tuple[list[tuple[Claimed, Mail]], list[tuple[Claimed, Outcome]]]:
    """Mails for what can be sent, and an outcome for what cannot be built, or not be signed for now."""
    mails: list[tuple[Claimed, Mail]] = []
    unsendable: list[tuple[Claimed, Outcome]] = []
    domains = look_up(window)
    for claimed in window:
        try:
            identity = identify(settings, claimed, domains.get(place_of(claimed)))
            mails.append((claimed, _mail(settings, claimed, identity)))
        except Unsignable as error:
            unsendable.append((claimed, Outcome("deferred", "sign", None, "4.7.20", str(error)[:500], "sender_auth")))
        except ValueError as error:
            outcome = Outcome("bounced", "render", None, None, str(error)[:500], "content")
            unsendable.append((claimed, outcome))
    return mails, unsendable


def _mail(settings: Settings, claimed: Claimed, identity: Identity) -> Mail:
    row = claimed.row
    if row.mime is not None:
        return _sent_on(claimed, identity)
    subject, html, text = row.subject, row.html, row.text
    if row.template_id is not None:
        pinned = _template(row.template_id, row.template_version)
        rendered = render_again(pinned, row.template_data or {}, subject, row.locale)
        html, text = rendered.html, rendered.text
    public_id = encode("msg", claimed.id)
    sender: str = row.sender["email"]
    letter = Letter(
        message_id=public_id,
        message_id_domain=settings.message_id_domain or place_of(claimed)[1],
        created_at=row.created_at,
        sender=(row.sender.get("name"), sender),
        recipient=(row.recipient_name, row.recipient),
        subject=subject,
        html=html,
        text=text,
        cc=_pairs(row.cc),
        reply_to=_pairs(row.reply_to),
        headers=_merge(identity.headers, row.headers),
        attachments=[_attachment(each) for each in row.attachments or ()],
    )
    content = sign(build(letter), identity.keys, int(row.created_at.timestamp()))
    recipients = (row.recipient, *_copies(row))
    # A body is always ASCII; a header is not when an address in it is not (RFC 6532).
    foreign = not (content.isascii() and sender.isascii() and all(map(str.isascii, recipients)))
    return Mail(public_id, identity.envelope_sender, recipients, content, smtputf8=foreign)


def _sent_on(claimed: Claimed, identity: Identity) -> Mail:
    """A mail that a customer's tool built: what every mail of ours has goes on top, where it is not there already."""
    row, public_id = claimed.row, encode("msg", claimed.id)
    fields, body = split(bytes(row.mime))
    names = {each.name for each in fields}
    missing = {name: value for name, value in identity.headers.items() if name.lower() not in names}
    added = [text_header(name, value) for name, value in {"X-Sendarix-Message-Id": public_id, **missing}.items()]
    head = "".join(f"{each}\r\n" for each in added).encode()
    content = sign(head + join(fields, body), identity.keys, int(row.created_at.timestamp()))
    foreign = not (content.isascii() and row.recipient.isascii())
    return Mail(public_id, identity.envelope_sender, (row.recipient,), content, smtputf8=foreign)


def _merge(automatic: dict[str, str], given: dict[str, str] | None) -> dict[str, str]:
    """The sender's own header wins over an automatic one of the same name, in any case."""
    if not given:
        return automatic
    taken = {name.lower() for name in given}
    return {name: value for name, value in automatic.items() if name.lower() not in taken} | given


def _copies(row: Any) -> list[str]:
    """Envelope recipients of cc and bcc, without suppressed ones. The message's outcome is its recipient's."""
    barred = set(row.copies_suppressed or ())
    emails = [email for _, email in _pairs(row.cc) + _pairs(row.bcc)]
    return [email for email in dict.fromkeys(emails) if email.lower() not in barred and email != row.recipient]


def _pairs(addresses: list[dict[str, Any]] | None) -> list[tuple[str | None, str]]:
    return [(each.get("name"), each["email"]) for each in addresses or ()]


def _attachment(given: dict[str, Any]) -> Attachment:
    content = binascii.a2b_base64(given["content"])
    kind = given.get("content_type") or "application/octet-stream"
    return Attachment(given["filename"], kind, content, given.get("content_id"))


def _template(template_id: UUID, version: int) -> Template:
    def load() -> Template:
        with transaction() as connection:
            return templates.pinned(connection, template_id, version)

    return _pinned.get((template_id, version), load)
