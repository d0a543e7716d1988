"""A body that some server would not take as it is (8 bits, very long lines), encoded anew. Others stay as they are.

Never here: headers of the mail itself.
"""

import email.generator
import email.message
import email.parser
import email.policy
import hashlib
import io
from email import encoders, quoprimime
from email.message import Message

from common.domain.submissions.head import normalize

LONGEST = 998
_POLICY = email.policy.compat32.clone(linesep="\r\n", max_line_length=0)


def needs_encoding(body: bytes) -> bool:
    """Whether a server without 8BITMIME, or with the line length of RFC 5321, would refuse it."""
    return not body.isascii() or (len(body) > LONGEST and max(map(len, body.split(b"\r\n"))) > LONGEST)


def encode(raw: bytes) -> bytes:
    """The whole mail with its offending parts in quoted-printable or base64."""
    parsed = _parse(raw)
    for part in parsed.walk():
        if not part.is_multipart():
            _encode_part(part)
    out = io.BytesIO()
    email.generator.BytesGenerator(out, mangle_from_=False, policy=_POLICY).flatten(parsed)
    return normalize(out.getvalue())


def _encode_part(part: "Message[str, str]") -> None:
    how = str(part.get("content-transfer-encoding", "7bit")).strip().lower()
    content = part.get_payload(decode=True)
    if (
        how not in ("7bit", "8bit", "binary")
        or not isinstance(content, bytes)
        or not needs_encoding(normalize(content))
    ):
        return
    del part["content-transfer-encoding"]
    if part.get_content_maintype() == "text":
        body = quoprimime.body_encode(content.decode("latin-1"), 76, "\r\n")
        part.set_payload(body)
        part["Content-Transfer-Encoding"] = "quoted-printable"
    else:
        part.set_payload(content)
        encoders.encode_base64(part)


def read_texts(raw: bytes) -> tuple[str | None, str | None]:
    """The HTML and the plain text a reader sees, as far as they can be read."""
    found: dict[str, str] = {}
    for part in _parse(raw).walk():
        kind = part.get_content_type()
        if kind in ("text/html", "text/plain") and kind not in found and not part.get_filename():
            found[kind] = _text(part)
    return found.get("text/html"), found.get("text/plain")


def _text(part: "Message[str, str]") -> str:
    content = part.get_payload(decode=True)
    raw = content if isinstance(content, bytes) else b""
    try:
        text = raw.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        text = raw.decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\x00", "")


def digest(raw: bytes) -> str:
    """The same for the same content: boundaries, Date and Message-ID do not count."""
    found = hashlib.sha256()
    for part in _parse(raw).walk():
        if not part.is_multipart():
            content = part.get_payload(decode=True)
            found.update(f"{part.get_content_type()} {part.get_filename()} ".encode("utf-8", "replace"))
            found.update(hashlib.sha256(content if isinstance(content, bytes) else b"").digest())
    return found.hexdigest()


def _parse(raw: bytes) -> "Message[str, str]":
    return email.parser.BytesParser(policy=_POLICY).parsebytes(raw)
