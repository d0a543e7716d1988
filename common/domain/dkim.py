"""DKIM keys and their DNS records: make a pair, write the record, read one back (RFC 6376, 8301, 8463).

Never here: signing (workers/delivery/dkim.py) or storing a private key in clear.
"""

import base64
import binascii
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

RSA, ED25519 = "rsa-sha256", "ed25519-sha256"
ALGORITHMS = (RSA, ED25519)
LEAST_RSA_BITS = 2048

PrivateKey = RSAPrivateKey | Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Pair:
    """A new key pair: the private half as PKCS #8 DER, the public half as the `p=` of its record."""

    algorithm: str
    private: bytes
    public: str


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """What a DKIM record says. `fault` is a sentence when no verifier will accept it; "" otherwise."""

    public: str = ""
    algorithm: str = RSA
    bits: int = 0
    revoked: bool = False
    testing: bool = False
    fault: str = ""


def make_pair(algorithm: str) -> Pair:
    """A fresh RSA-2048 or Ed25519 pair; about 0.1 s for RSA."""
    key: PrivateKey
    if algorithm == RSA:
        key = generate_private_key(65537, LEAST_RSA_BITS)
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return Pair(algorithm, private, base64.b64encode(public).decode())


def load_private(private: bytes) -> PrivateKey:
    """The key object of PKCS #8 DER. Raises ValueError, also for an RSA key under 2048 bits (RFC 8301)."""
    try:
        key = serialization.load_der_private_key(private, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("the DKIM key cannot be read") from error
    if isinstance(key, RSAPrivateKey):
        if key.key_size < LEAST_RSA_BITS:
            raise ValueError(f"an RSA key of {key.key_size} bits is too short: use {LEAST_RSA_BITS} or more")
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise ValueError("a DKIM key is RSA or Ed25519")


def record(algorithm: str, public: str) -> str:
    """The text of the TXT record at `<selector>._domainkey.<domain>`."""
    return f"v=DKIM1; k={'rsa' if algorithm == RSA else 'ed25519'}; p={public}"


REVOKED_RECORD = "v=DKIM1; p="
"""What to leave at a selector that is no longer in use (RFC 6376 3.6.1)."""


def parse_tags(text: str) -> dict[str, str]:
    """`a=b; c=d` as a dict; blanks around names and values are gone. Raises ValueError for a tag given twice."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        name = name.strip()
        if not name and not equals:
            continue
        if not equals or name in tags:
            raise ValueError(f"the tag {name[:20]!r} " + ("is given twice" if equals else "has no value"))
        tags[name] = value.strip()
    return tags


def read_record(text: str) -> PublishedKey:
    """What a verifier makes of the TXT record `text`."""
    try:
        tags = parse_tags(text)
    except ValueError as error:
        return PublishedKey(fault=f"it is no tag list: {error}")
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        return PublishedKey(fault="v=DKIM1 must stand first")
    if "p" not in tags:
        return PublishedKey(fault="it has no p= tag")
    kind = tags.get("k", "rsa")
    algorithm = {"rsa": RSA, "ed25519": ED25519}.get(kind, kind)
    public = "".join(tags["p"].split())
    testing = "y" in [flag.strip() for flag in tags.get("t", "").split(":")]
    if not public:
        return PublishedKey(algorithm=algorithm, revoked=True, testing=testing, fault="its p= is empty: a revoked key")
    bits, fault = _measure(algorithm, public)
    if "h" in tags and "sha256" not in [each.strip() for each in tags["h"].split(":")]:
        fault = "its h= forbids sha256"
    if "s" in tags and not {"*", "email"} & {each.strip() for each in tags["s"].split(":")}:
        fault = "its s= forbids e-mail"
    return PublishedKey(public, algorithm, bits, False, testing, fault)


def _measure(algorithm: str, public: str) -> tuple[int, str]:
    try:
        data = base64.b64decode(public, validate=True)
    except (binascii.Error, ValueError):
        return 0, "its p= is not base64: it was probably cut or wrapped on the way into DNS"
    if algorithm == ED25519:
        return 256, "" if len(data) == 32 else "its Ed25519 key is not 32 bytes long"
    if algorithm != RSA:
        return 0, f"its k={algorithm[:20]} is unknown"
    try:
        key = serialization.load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        return 0, "its p= is no RSA key: it was probably cut on the way into DNS"
    if not isinstance(key, RSAPublicKey):
        return 0, "its p= is no RSA key"
    if key.key_size < LEAST_RSA_BITS:
        return key.key_size, f"its key has only {key.key_size} bits; {LEAST_RSA_BITS} are needed"
    return key.key_size, ""
