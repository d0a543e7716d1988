"""What tells one request's payload from another's under the same Idempotency-Key. Never here: keys or storage."""

import hashlib
from typing import Any

import orjson

_WRITTEN_OUT, _PIECE = 1 << 16, 1 << 20


def fingerprint(fields: dict[str, Any]) -> str:
    """SHA-256 of the request in canonical form, so that white space and key order do not matter.

    A large file stands in it by its own digest, so that it is not written out once more.
    """
    files = fields.get("attachments") or ()
    if any(len(each["content"]) > _WRITTEN_OUT for each in files):
        fields = fields | {"attachments": [each | {"content": _digest(each["content"])} for each in files]}
    return hashlib.sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _digest(text: str) -> str:
    found = hashlib.sha256()
    for start in range(0, len(text), _PIECE):
        found.update(text[start : start + _PIECE].encode())
    return found.hexdigest()
