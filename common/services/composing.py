"""compose(...): a validated request becomes a Draft, the row to be. Sender, template proof, tier and times.

Reads templates (remembered for 5 s); writes nothing. Never here: who it is from (identities.py), shapes (the
API's schemas) and the transaction (accepting.py).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from common.caching import Remembered
from common.config import Settings
from common.db.session import transaction
from common.domain import tiers
from common.domain.addresses import parse_address
from common.domain.errors import FieldError, InvalidFields
from common.domain.fingerprints import fingerprint
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.domain.restrictions import check_restrictions
from common.domain.templates import RenderError, Template
from common.services import identities, templates
from common.services.identities import Identity
from common.services.rendering import render

PAST_TOLERANCE = timedelta(minutes=5)
MAX_SUBJECT_OCTETS = 998


@dataclass(frozen=True, slots=True)
class Draft:
    """A message ready to be written. `row` is what the accept statement takes; `public` the answer's fields."""

    id: UUID
    row: dict[str, Any]
    public: dict[str, Any]
    tier: int
    scheduled: bool
    idempotency_key: str | None
    fingerprint: str
    size: int = 0
    """Characters of its texts and encoded files."""


_templates: Remembered[tuple[UUID, str], Template] = Remembered()


def _load_template(account_id: UUID, slug: str) -> Template | None:
    def load() -> Template:
        with transaction() as connection:
            found = templates.published(connection, account_id, slug)
        if found is None:
            raise LookupError(slug)  # not remembered: it may be published the next moment
        return found

    try:
        return _templates.get((account_id, slug), load)
    except LookupError:
        return None


def forget() -> None:
    """Drop what is remembered; for a process that has just changed a template, a domain or a sender."""
    _templates.forget()
    identities.forget()


def compose(
    settings: Settings,
    principal: Principal,
    fields: dict[str, Any],
    idempotency_key: str | None,
    request_id: str,
    now: datetime,
) -> Draft:
    """Check what needs the account's own facts, and build the row.

    Raises InvalidFields with every wrong field, or Forbidden. See requirements S6 to S9.
    """
    errors: list[FieldError] = []
    stream = check_restrictions(principal, fields)
    template = _find_template(principal, fields, errors)
    identity = identities.choose(principal, fields, template, errors)
    subject = _prove_rendering(fields, template, errors)
    starts, expires = _find_times(settings, fields, now, errors)
    if errors or identity is None:
        raise InvalidFields(errors)
    identities.check_sender(settings, principal, identity.address)
    draft = _draft(
        settings,
        principal,
        fields,
        template,
        identity,
        subject,
        starts,
        expires,
        idempotency_key,
        request_id,
        now,
    )
    draft.row["stream"] = stream  # what the key adds is no part of the request's fingerprint
    return draft


def _find_template(principal: Principal, fields: dict[str, Any], errors: list[FieldError]) -> Template | None:
    slug = fields.get("template")
    if slug is None:
        return None
    template = _load_template(principal.account_id, slug)
    if template is None:
        errors.append(FieldError("template", "template_not_found", f"no published template is called {slug[:80]}"))
    return template


def _prove_rendering(fields: dict[str, Any], template: Template | None, errors: list[FieldError]) -> str:
    subject: str | None = fields.get("subject")
    if template is not None:
        try:
            subject = render(template, fields.get("template_data") or {}, subject, fields.get("locale")).subject
        except RenderError as error:
            errors.extend(error.errors)
            return ""
    if "mime" in fields:
        return subject or ""  # a mail that was built elsewhere may lack one
    if not subject and "template" not in fields:
        errors.append(FieldError("subject", "required", "is required: give one, or use a template that has one"))
    elif not subject and template is not None:
        errors.append(FieldError("subject", "required", f"template {template.slug} rendered an empty subject"))
    if subject and len(subject.encode()) > MAX_SUBJECT_OCTETS:
        errors.append(FieldError("subject", "too_long", f"is over {MAX_SUBJECT_OCTETS} octets"))
    return subject or ""


def _find_times(
    settings: Settings, fields: dict[str, Any], now: datetime, errors: list[FieldError]
) -> tuple[datetime | None, datetime | None]:
    scheduled = future(settings, fields.get("scheduled_time"), now, errors)
    expires: datetime | None = fields.get("expires_at")
    if fields.get("ttl") is not None:
        expires = (scheduled or now) + timedelta(seconds=fields["ttl"])
    if expires is not None and expires <= (scheduled or now):
        errors.append(FieldError("expires_at", "in_past", "lies before the message could be sent"))
    return scheduled, expires


def future(settings: Settings, scheduled: datetime | None, now: datetime, errors: list[FieldError]) -> datetime | None:
    """A time to send at; None means now, and so does what passed within the last minutes."""
    if scheduled is None:
        return None
    if scheduled < now - PAST_TOLERANCE:
        errors.append(FieldError("scheduled_time", "in_past", "lies in the past: leave it out to send now"))
    if scheduled > now + timedelta(days=settings.schedule_horizon_days):
        days = settings.schedule_horizon_days
        errors.append(FieldError("scheduled_time", "too_far", f"is more than {days} days ahead"))
    return scheduled if scheduled > now else None


def _draft(
    settings: Settings,
    principal: Principal,
    fields: dict[str, Any],
    template: Template | None,
    identity: Identity,
    subject: str,
    starts: datetime | None,
    expires: datetime | None,
    idempotency_key: str | None,
    request_id: str,
    now: datetime,
) -> Draft:
    message_id, event_id = new_id(), new_id()
    public_id = encode("msg", message_id)
    recipient = parse_address(fields["recipient"]["email"])
    tier = tiers.NUMBERS[fields.get("priority") or (template.tier if template else None) or tiers.DEFAULT]
    status = "scheduled" if starts else "queued"
    attachments = fields.get("attachments")
    row = {
        "id": message_id,
        "public_id": public_id,
        "event_id": event_id,
        "event_public_id": encode("evt", event_id),
        "account_id": principal.account_id,
        "environment": principal.environment,
        "status": status,
        "tier": tier,
        "created_at": now,
        "starts": starts or now,
        "scheduled_time": starts,
        "expires_at": expires,
        "recipient": recipient.email,
        "recipient_key": recipient.key,
        "recipient_domain": recipient.domain,
        "recipient_name": fields["recipient"].get("name"),
        "sender": identity.sender,
        "subject": subject,
        "html": fields.get("html"),
        "text": fields.get("text"),
        "template_id": template.id if template else None,
        "template_slug": template.slug if template else None,
        "template_version": template.version if template else None,
        "template_data": fields.get("template_data"),
        "locale": fields.get("locale"),
        "cc": fields.get("cc"),
        "bcc": fields.get("bcc"),
        "reply_to": fields.get("reply_to") or ([identity.reply_to] if identity.reply_to else None),
        "headers": fields.get("headers"),
        "attachments": attachments,
        "mime": fields.get("mime"),
        "channel": fields.get("channel"),
        "metadata": fields.get("metadata"),
        "tags": fields.get("tags"),
        "sensitive": bool(fields.get("sensitive")),
        "key_id": principal.key_id,
        "request_id": request_id,
        "idempotency_key": idempotency_key,
        "stream": None,
        "topic": fields.get("topic"),
        "supersede_key": fields.get("supersede_key"),
    }
    public: dict[str, Any] = {
        "message_id": public_id,
        "status": status,
        "recipient": recipient.email,
        "created_at": _instant(now),
    }
    if starts:
        public["scheduled_time"] = _instant(starts)
    encoded = sum(len(each["content"]) for each in attachments or ())
    size = encoded * 3 // 4
    if size > settings.large_message_bytes:
        public["warnings"] = [
            {
                "code": "large_message",
                "message": f"Attachments decode to {size} bytes; many servers refuse more than 25 MB. "
                "Host the file and send a signed link instead.",
            }
        ]
    # Of a mail that was built elsewhere `content` counts: its date and boundaries change from try to try.
    print_of = fingerprint({k: v for k, v in fields.items() if k != "mime"}) if idempotency_key else ""
    whole = encoded + sum(len(fields.get(name) or "") for name in ("html", "text", "mime"))
    return Draft(message_id, row, public, tier, starts is not None, idempotency_key, print_of, whole)


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
