"""E-mail addresses: parse, normalise, key and domain. Refuses what it cannot carry; never truncates."""

import re
from dataclasses import dataclass
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

_PLAIN = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})+\Z")
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_DOTTED = "|".join(
    rf"{_ATEXT}{{1,{most}}}(?:\.{_ATEXT}{{1,{most}}}){{{dots}}}" for dots, most in ((0, 64), (1, 31), (2, 20), (3, 15))
)
PLAIN_ADDRESS = rf"(?:{_DOTTED})@(?:{_LABEL}\.){{1,8}}[A-Za-z]{{2,63}}"
"""What is certainly an address if it has at most 254 characters, for descriptions. Others are taken too: longer
dotted names, internationalized ones (RFC 6531)."""
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f<>()\[\],;:\\\"]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_TOO_LONG = "is too long: at most 64 octets before the @ and 254 in all"
_LEGACY_DOMAINS = ("docomo.ne.jp", "ezweb.ne.jp", "au.com")


class AddressError(ValueError):
    """Not an address; the text says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Address:
    """`email` as it is written on the wire, `key` for comparison (lower case, A-label), `domain` as A-label."""

    email: str
    key: str
    domain: str
    smtputf8: bool = False


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address:
    """One address without a display name. Raises AddressError.

    Limits are octets (RFC 5321 4.5.3.1): local part 64, whole address 254.
    """
    local, at, domain = text.rpartition("@")
    if not at or not local:
        raise AddressError("is not an address: write it as name@example.com")
    if _PLAIN.match(local) and _HOST.match(domain):
        if len(local) > 64 or len(text) > 254:
            raise AddressError(_TOO_LONG)
        if not domain.rpartition(".")[2].isdigit() and not domain.startswith("xn--") and ".xn--" not in domain:
            lowered = domain.lower()
            return Address(f"{local}@{lowered}", f"{local.lower()}@{lowered}", lowered)
    return _parse_unusual(text, local, domain.lower())


def _parse_unusual(text: str, local: str, domain: str) -> Address:
    if domain in _LEGACY_DOMAINS and len(local) > 2 and local[0] == local[-1] == '"':
        local = local[1:-1]  # our own wire form of such an address, read again
    if len(local.encode()) > 64 or len(text.encode()) > 254:
        raise AddressError(_TOO_LONG)
    if _FORBIDDEN.search(local):
        raise AddressError("contains a character that no mailbox name may contain")
    if domain in _LEGACY_DOMAINS and re.fullmatch(r"[A-Za-z0-9._-]{1,64}", local):
        return Address(f'"{local}"@{domain}', f"{local.lower()}@{domain}", domain)
    try:
        found = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise AddressError(f"is not a valid address: {error}") from error
    wire = found.normalized if found.smtputf8 else f"{found.ascii_local_part}@{found.ascii_domain}"
    key = f"{found.local_part.lower()}@{found.ascii_domain.lower()}"
    return Address(wire, key, found.ascii_domain.lower(), bool(found.smtputf8))


def split_display_name(text: str) -> tuple[str | None, str]:
    """`Anna <anna@example.com>` to its name and address; a bare address has no name.

    Deliberately not email.utils.parseaddr, which finds addresses where there are none (CVE-2023-27043).
    """
    stripped = text.strip(" ")
    if _CONTROLS.search(text):
        return None, text  # no address either
    if not stripped.endswith(">") or "<" not in stripped:
        return None, stripped
    name, _, rest = stripped[:-1].rpartition("<")
    if "<" in name or ">" in name:
        return None, stripped
    name = name.strip(" ")
    if len(name) >= 2 and name[0] == name[-1] == '"':
        name = name[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return name or None, rest.strip(" ")
