"""The DNS records that a sender domain shall have, and what was found: values only.

Never here: asking DNS, or judging the answers (domain_checks.py).
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from common.domain.dkim import REVOKED_RECORD, RSA, record

FOUND, MISSING, WRONG, PARTIAL, UNCLEAR, UNCHECKED = "found", "missing", "wrong", "partial", "unclear", "unchecked"
STATES = (FOUND, MISSING, WRONG, PARTIAL, UNCLEAR, UNCHECKED)
PURPOSES = ("dkim", "dkim_retired", "return_path", "dmarc", "tracking")


class Key(Protocol):
    """What is needed of a DKIM key."""

    selector: str
    algorithm: str
    public_key: str
    state: str


@dataclass(frozen=True, slots=True)
class Expected:
    """One record to publish. `required`: without it the domain is not verified. `host` is `name` as most
    providers want it typed: without the domain."""

    purpose: str
    type: str
    host: str
    domain: str
    value: str
    required: bool
    why: str

    @property
    def name(self) -> str:
        return f"{self.host}.{self.domain}" if self.host else self.domain


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found where a record, or an answer, was expected. `diagnosis` is a sentence; so is `fix`, or "".

    `via` is `authoritative` when the zone's own servers were asked, `resolver` when they could not be.
    """

    purpose: str
    type: str
    name: str
    state: str
    diagnosis: str
    fix: str = ""
    expected: str | None = None
    found: tuple[str, ...] = ()
    via: str = "authoritative"

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"found": list(self.found)}


def expected_records(
    name: str, keys: Iterable[Key], *, return_path: str, bounce_domain: str, tracking_domain: str
) -> list[Expected]:
    """Every record for the domain `name`, the required ones first. `return_path` is a label such as `bounce`."""
    records = [_dkim(name, key) for key in keys]
    if bounce_domain:
        why = "Bounces come back here, and SPF passes for your own domain."
        records.append(Expected("return_path", "CNAME", return_path, name, bounce_domain, False, why))
    why = "Gmail, Yahoo and Microsoft ask bulk senders for a DMARC policy; p=none only watches."
    records.append(Expected("dmarc", "TXT", "_dmarc", name, "v=DMARC1; p=none", False, why))
    if tracking_domain:
        records.append(Expected("tracking", "CNAME", "links", name, tracking_domain, False, "Links carry your name."))
    return sorted(records, key=lambda each: (not each.required, each.purpose == "dkim_retired"))


def _dkim(name: str, key: Key) -> Expected:
    host = f"{key.selector}._domainkey"
    if key.state == "retired":
        why = "This key signs no more; an empty p= says so to whoever still asks."
        return Expected("dkim_retired", "TXT", host, name, REVOKED_RECORD, False, why)
    value = record(key.algorithm, key.public_key)
    if key.algorithm == RSA and key.state != "retiring":
        return Expected("dkim", "TXT", host, name, value, True, "Proves that the domain is yours, and signs your mail.")
    if key.state == "retiring":
        why = "Signed what is still under way: keep it for a week after the rotation."
        return Expected("dkim", "TXT", host, name, value, False, why)
    return Expected(
        "dkim", "TXT", host, name, value, False, "A second, shorter signature for receivers that know Ed25519."
    )


def txt_strings(value: str) -> list[str]:
    """A TXT value in strings of at most 255 octets, as a zone file wants it."""
    return [value[at : at + 255] for at in range(0, len(value), 255)]
