"""read(raw): a submitted mail to what is accepted: message fields, and the mail as it will leave.

Kept as it was built: only options, Bcc and trace that is ours are taken out, and what every mail must have is
added (delivery.md 7). Never here: recipients, which the envelope names; who may send it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, getaddresses
from typing import Any

from common.domain.submissions import bodies, options
from common.domain.submissions.head import Field, join, normalize, split, values
from common.domain.submissions.options import OptionError

_DROPPED = frozenset(("bcc", "resent-bcc", "return-path", "x-sendarix-message-id"))
_SIGNATURES = frozenset(("dkim-signature", "domainkey-signature"))
MOST_HOPS = 25
MOST_FIELDS = 500
MOST_SUBJECT = 998


@dataclass(frozen=True, slots=True)
class Submission:
    """`fields` as the accept verb takes them, without recipient; `mime` is None when a template replaces it."""

    fields: dict[str, Any]
    mime: bytes | None
    idempotency_key: str | None


def read(raw: bytes, *, now: datetime, received: str, identifier: str) -> Submission:
    """Read one mail. `received` is the text of our Received field; `identifier` makes a missing Message-ID.

    Raises OptionError, which names the header.
    """
    fields, body = split(normalize(raw))
    if len(fields) > MOST_FIELDS:
        raise OptionError("header", f"has more than {MOST_FIELDS} fields")
    if sum(each.name == "received" for each in fields) > MOST_HOPS:
        raise OptionError("received", f"comes more than {MOST_HOPS} times: the mail goes in a circle")
    taken, kept = options.take(fields)
    key = taken.pop("idempotency_key", None)
    taken["from"] = _sender(kept)
    subject = (values(kept, "subject") or [""])[0]
    taken["subject"] = _fit(subject)
    if "template" in taken:
        if not taken["subject"]:
            del taken["subject"]
        return Submission(taken, None, key)
    mime = _complete(kept, body, now, received, identifier)
    return Submission(taken | {"content": bodies.digest(mime)}, mime, key)


def _fit(subject: str) -> str:
    return subject.replace("\x00", "").encode("utf-8", "replace")[:MOST_SUBJECT].decode("utf-8", "ignore")


def _sender(fields: list[Field]) -> dict[str, Any]:
    found = [(name, email) for name, email in getaddresses(values(fields, "from")) if "@" in email]
    if len(found) != 1:
        raise OptionError("from", "must hold exactly one address")
    name, email = found[0]
    return {"email": email, "name": "".join(c for c in name if c.isprintable())[:200] or None}


def _complete(fields: list[Field], body: bytes, now: datetime, received: str, identifier: str) -> bytes:
    kept = [each for each in fields if each.name not in _DROPPED]
    names = {each.name for each in kept}
    if bodies.needs_encoding(body):
        plain = [each for each in kept if each.name not in _SIGNATURES]  # they spoke of another body
        kept, body = split(bodies.encode(join(plain, body)))
    added = [Field("received", f"Received: {received}\r\n".encode())]
    if "date" not in names:
        added.append(Field("date", f"Date: {format_datetime(now.astimezone(UTC))}\r\n".encode()))
    if "message-id" not in names:
        added.append(Field("message-id", f"Message-ID: <{identifier}>\r\n".encode()))
    return join([*added, *kept], body)
