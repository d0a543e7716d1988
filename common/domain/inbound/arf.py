"""Feedback reports (RFC 5965) and the older letters of complaint: who complained, about what.

Never here: whether the report may be believed.
"""

from dataclasses import dataclass

from common.domain.inbound.dsn import read_fields
from common.domain.inbound.mails import Mail, addresses, decoded

_COMPLAINTS = ("abuse", "fraud", "virus", "other", "miscategorized", "")
_LETTERS = ("complaint about message from", "email feedback report for ip", "spam report", "[feedback]")
_RECIPIENT_HEADERS = ("x-hmxmroriginalrecipient", "x-original-to", "delivered-to", "to")


@dataclass(frozen=True, slots=True)
class Feedback:
    """`kind` is complaint, unsubscribe or unknown; `recipients` may be empty when the report hides them."""

    kind: str
    recipients: tuple[str, ...]


def find(mail: Mail) -> Feedback | None:
    """The feedback this mail carries, or None when it is none."""
    reports = mail.of_kind("message/feedback-report")
    declared = str(mail.head.get_param("report-type") or "").lower() == "feedback-report"
    if not reports and not declared and not _is_letter(mail):
        return None
    fields = read_fields(reports[0].text.replace("\n\n", "\n")) if reports else {}
    said = fields.get("feedback-type", "").lower().strip()
    named = addresses(fields.get("original-rcpt-to", "")) or addresses(fields.get("removal-recipient", ""))
    return Feedback(_kind(said), tuple(named or _original_recipients(mail)))


def _kind(said: str) -> str:
    if said.startswith("opt-out"):
        return "unsubscribe"
    return "complaint" if said in _COMPLAINTS else "unknown"


def _is_letter(mail: Mail) -> bool:
    """Reports from before the standard: a returned mail under a subject of complaint."""
    subject = mail.header("subject").lower()
    return mail.original is not None and subject.startswith(_LETTERS)


def _original_recipients(mail: Mail) -> list[str]:
    if mail.original is None:
        return []
    for name in _RECIPIENT_HEADERS:
        found = addresses(" ".join(decoded(each) for each in mail.original.get_all(name, [])))
        if found:
            return found
    return []
