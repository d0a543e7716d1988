"""What came of one try at one server: a value, never an exception."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["delivered", "deferred", "bounced", "unknown", "untried"]

Line = tuple[int, str, str]
"""Milliseconds since the start, `C`, `S` or `*` (ours, theirs, a remark), and the line without content."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`unknown`: cut after the final dot. `untried`: nothing of this message counts; the number stays.

    `provider` and `site` are whose servers these are (domain/providers.py); `tls_reason` says why the mail
    travelled encrypted, verified or in clear. `wait_seconds`: how long to leave an untried mail alone.
    `rule` names what told the category of a server's refusal; None when the words are our own.
    """

    kind: Kind
    stage: str
    code: int | None
    enhanced: str | None
    reply: str
    category: str
    mx: str | None = None
    ip: str | None = None
    tls: str | None = None
    duration_ms: int = 0
    transcript: tuple[Line, ...] = ()
    provider: str | None = None
    tls_reason: str | None = None
    site: str | None = None
    wait_seconds: float | None = None
    rule: str | None = None
