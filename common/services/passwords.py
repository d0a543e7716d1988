"""Passwords of people: hashed with Argon2id, compared at the same cost whether the person exists or not.

Never here: who they are. At most two hashes are computed at once, for each takes 64 MiB.
"""

import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LEAST, MOST = 12, 200
"""Characters of a password."""

_hasher = PasswordHasher()
_turns = threading.BoundedSemaphore(2)


def digest(password: str) -> str:
    """What is kept of a password."""
    with _turns:
        return _hasher.hash(password)


@cache
def _nobodys() -> str:
    return _hasher.hash("nobody has this password")


def prove(kept: str | None, given: str) -> bool:
    """Whether `given` is the password kept as `kept`; None never is, after the same work."""
    with _turns:
        try:
            return _hasher.verify(kept or _nobodys(), given) and kept is not None
        except (VerificationError, InvalidHashError):
            return False
