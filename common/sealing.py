"""Secrets at rest: sealed by AES-256-GCM with a key that the database does not hold, bound to their owner.

A copy of the database alone opens nothing. Imports only `config`. Never here: hashes of API keys
(services/keys.py), which nobody needs to read back.
"""

import hashlib
import os
import secrets
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from common.config import Settings

_NONCE, _MARK = 12, 4


class CannotOpen(ValueError):
    """A sealed value was made with a key that is not here, or was changed or moved."""


def seal(settings: Settings, secret: bytes, owner: str) -> bytes:
    """`secret` as bytes to store. `owner` (say `dkim <id>`) must be named to open it: moved elsewhere it stays shut."""
    mark, key = _keys(settings.sealing_key, settings.home)[0]
    nonce = os.urandom(_NONCE)
    return mark + nonce + AESGCM(key).encrypt(nonce, secret, owner.encode())


def unseal(settings: Settings, sealed: bytes, owner: str) -> bytes:
    """The secret. Raises CannotOpen."""
    mark, nonce, rest = sealed[:_MARK], sealed[_MARK : _MARK + _NONCE], sealed[_MARK + _NONCE :]
    for known, key in _keys(settings.sealing_key, settings.home):
        if known == mark:
            try:
                return AESGCM(key).decrypt(nonce, rest, owner.encode())
            except InvalidTag as error:
                raise CannotOpen("a sealed secret was changed, or belongs to something else") from error
    raise CannotOpen("a secret was sealed with another key: add that key to SENDARIX_SEALING_KEY, behind a comma")


@lru_cache(maxsize=8)
def _keys(configured: str, home: str) -> tuple[tuple[bytes, bytes], ...]:
    """(mark, key) of every key; the first seals. A mark tells which key opens, and nothing about it."""
    texts = [each.strip().encode() for each in configured.split(",") if each.strip()]
    texts = texts or [kept_secret(home, "sealing_key")]
    keys = [hashlib.sha256(b"sendarix sealing" + text).digest() for text in texts]
    return tuple((hashlib.sha256(key).digest()[:_MARK], key) for key in keys)


def kept_secret(home: str, name: str) -> bytes:
    """The secret `name` of the home folder, 64 characters; made at the first use, readable by its owner only."""
    path = Path(home).absolute() / "secrets" / name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        draft = path.with_name(f"{name}.{os.getpid()}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32))
        try:  # a hard link, so that of two processes that start together only one wins, with a whole file
            os.link(draft, path)
        except FileExistsError:
            pass
        draft.unlink()
    return path.read_text().strip().encode()
