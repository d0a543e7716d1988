"""Signing: a finished mail and keys to the same mail with its DKIM-Signature fields (RFC 6376, 8463).

relaxed/relaxed, no `l=`, `t=` from the row: the same mail and keys give the same bytes at every try.
Never here: where keys come from, databases.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from common.domain.dkim import ED25519, RSA, PrivateKey

OVERSIGNED = ("from", "to", "cc", "subject", "date", "reply-to", "message-id", "content-type", "mime-version")
"""Named once more than they occur, so that nobody can add one to a signed mail."""

SIGNED = (
    "From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
    "Content-Transfer-Encoding", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Feedback-ID",
    "CFBL-Address", "In-Reply-To", "References", "Auto-Submitted",
)  # fmt: skip
"""Never Received, Return-Path or Bcc: they change on the way."""

_PADDING, _SHA256 = PKCS1v15(), SHA256()
_BLANKS, _BLANKS_AT_END = re.compile(rb"[ \t]+"), re.compile(rb"[ \t]+\r\n")
_LINE = 74


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Whose signature, under which selector, with which key."""

    domain: str
    selector: str
    key: PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        return ED25519 if isinstance(self.key, Ed25519PrivateKey) else RSA


def sign(content: bytes, keys: Sequence[SigningKey], at: int) -> bytes:
    """`content` with one signature per key in front; `at` is Unix seconds for `t=`.

    `content` has CRLF line ends, and a blank line after its header.
    """
    if not keys:
        return content
    head, blank, body = content.partition(b"\r\n\r\n")
    if not blank:
        raise ValueError("the mail has no end of its header")
    digest = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest()).decode()
    names, covered = _covered(head)
    return b"".join(_signature(key, names, covered, digest, at) for key in keys) + content


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376 3.4.4. Most bodies hold nothing to relax, and finding that out is one search each."""
    if b" \r\n" in body or b"\t\r\n" in body:
        body = _BLANKS_AT_END.sub(b"\r\n", body)
    if b"  " in body or b"\t" in body:
        body = _BLANKS.sub(b" ", body)
    if body.endswith(b"\r\n\r\n") or body == b"\r\n":
        body = body.rstrip(b"\r\n")
        return body + b"\r\n" if body else b""
    return body if not body or body.endswith(b"\r\n") else body + b"\r\n"


def _covered(head: bytes) -> tuple[list[str], bytes]:
    """The names for `h=` and the canonical header fields that they stand for, in that order."""
    fields: dict[str, list[bytes]] = {}
    for line in head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n"):
        title, _, value = line.partition(b":")
        lowered = title.decode("ascii", "replace").strip().lower()
        fields.setdefault(lowered, []).append(b" ".join(value.split()))
    names: list[str] = []
    parts: list[bytes] = []
    for name in SIGNED:
        lowered = name.lower()
        found = fields.get(lowered, [])
        names += [name] * (len(found) + (lowered in OVERSIGNED))
        # Fields of one name are taken from the last to the first (5.4.2).
        parts += [lowered.encode() + b":" + value + b"\r\n" for value in reversed(found)]
    return names, b"".join(parts)


def _signature(key: SigningKey, names: Sequence[str], covered: bytes, digest: str, at: int) -> bytes:
    algorithm = key.algorithm
    unsigned = "\r\n\t".join(
        [
            f"DKIM-Signature: v=1; a={algorithm}; c=relaxed/relaxed; d={key.domain};",
            f"s={key.selector}; t={at};",
            *_folded_names(names),
            f"bh={digest};",
            "b=",
        ]
    )
    hashed = covered + b"dkim-signature:" + " ".join(unsigned.partition(":")[2].split()).encode()
    if algorithm == RSA:
        signed = key.key.sign(hashed, _PADDING, _SHA256)  # type: ignore[call-arg]
    else:
        signed = key.key.sign(hashlib.sha256(hashed).digest())  # type: ignore[call-arg]
    text = base64.b64encode(signed).decode()
    return (unsigned + "\r\n\t".join(_pieces(text)) + "\r\n").encode()


def _folded_names(names: Sequence[str]) -> Iterable[str]:
    current = "h=" + names[0]
    for name in names[1:]:
        if len(current) + len(name) + 2 > _LINE:
            yield current + ":"
            current = name
        else:
            current = f"{current}:{name}"
    yield current + ";"


def _pieces(text: str) -> list[str]:
    """The first shorter: it stands behind `b=`."""
    return [text[: _LINE - 4], *(text[at : at + _LINE] for at in range(_LINE - 4, len(text), _LINE))]
