"""DANE for SMTP (RFC 7672): whether a server's certificates match its TLSA records. Pure: bytes in, a verdict out."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from common import clock
from workers.delivery.smtp.target import Tlsa

TRUST_ANCHOR, END_ENTITY = 2, 3


def usable(record: Tlsa) -> bool:
    """Whether RFC 7672 lets SMTP use this record: DANE-TA or DANE-EE with a selector and digest that are known."""
    sizes = {1: 32, 2: 64}
    sized = record.matching == 0 or sizes.get(record.matching) == len(record.data)
    return record.usage in (TRUST_ANCHOR, END_ENTITY) and record.selector in (0, 1) and sized and bool(record.data)


def matches(chain: Sequence[bytes], records: Sequence[Tlsa], names: Sequence[str]) -> str | None:
    """None when the chain is vouched for, else why not.

    DANE-EE binds the key alone: neither its names nor its dates count (RFC 7672 3.1.1). DANE-TA needs a
    chain of signatures up to the anchor, valid now and bearing one of `names`.
    """
    if not chain:
        return "the server showed no certificate"
    for record in records:
        if record.usage == END_ENTITY and _is(chain[0], record):
            return None
    problem = "no certificate of the server matches its TLSA records"
    for record in records:
        if record.usage != TRUST_ANCHOR:
            continue
        for depth, certificate in enumerate(chain):
            if depth and _is(certificate, record):
                found = _leads_to(chain[: depth + 1], names, clock.now())
                if found is None:
                    return None
                problem = found
    return problem


def _is(certificate: bytes, record: Tlsa) -> bool:
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        held = certificate
        if record.selector == 1:
            held = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except ValueError:
        return False
    if record.matching:
        held = hashlib.new("sha256" if record.matching == 1 else "sha512", held).digest()
    return held == record.data


def _leads_to(chain: Sequence[bytes], names: Sequence[str], now: datetime) -> str | None:
    """Whether the first certificate is signed, link by link, up to the last, and is for one of `names`."""
    parsed = [x509.load_der_x509_certificate(each) for each in chain]
    for each, issuer in zip(parsed, parsed[1:], strict=False):
        try:
            each.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            return "the server's certificates do not lead to the trust anchor"
    if any(not each.not_valid_before_utc <= now <= each.not_valid_after_utc for each in parsed[:-1]):
        return "a certificate of the server has expired"
    try:
        extension = parsed[0].extensions.get_extension_for_class(x509.SubjectAlternativeName)
        borne = extension.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        borne = []
    if not any(_names(pattern, name) for pattern in borne for name in names):
        return f"the server's certificate is not for {names[0]}"
    return None


def _names(pattern: str, name: str) -> bool:
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return pattern == name
