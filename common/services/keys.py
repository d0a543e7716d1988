"""API keys: what they look like, and proving one. A secret is seen once and kept only as HMAC-SHA-256 with a pepper.

Never here: HTTP, or making and changing them for a caller (services/issuing.py). What a key may do is
`domain/principals.py`.
"""

import hashlib
import hmac
import re
import secrets
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.config import Settings, current_settings
from common.db.session import as_json, rows, run, transaction
from common.domain.errors import FieldError, InvalidFields, Unauthenticated
from common.domain.ids import new_id
from common.domain.principals import SCOPES, Principal
from common.sealing import kept_secret

CACHE_SECONDS = 5.0
CACHE_SIZE = 4096
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TOKEN = re.compile(r"sk_(live|test)_sdx_([0-9A-Za-z]{8})([0-9A-Za-z]{40})([0-9A-Za-z]{6})\Z")
_NOBODY = bytes(32)

_SELECT = """
SELECT k.id, k.account_id, k.environment, k.secret_hash, k.previous_hash, k.previous_until, k.scopes,
       k.sender_domains, k.templates, k.streams, k.tags, k.cidrs,
       coalesce(k.default_sender, a.default_sender) AS default_sender,
       a.requests_per_minute, k.requests_per_minute AS key_requests_per_minute,
       k.require_idempotency, a.paused_at IS NOT NULL AS paused, k.expires_at
  FROM api_keys k JOIN accounts a ON a.id = k.account_id
 WHERE k.revoked_at IS NULL
"""
_FIND = f"{_SELECT} AND k.kid = %s"
_FIND_ID = f"{_SELECT} AND k.id = %s AND (k.expires_at IS NULL OR k.expires_at > now())"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. `token` is shown once and stored nowhere."""

    id: UUID
    kid: str
    token: str


@dataclass(frozen=True, slots=True)
class _Secrets:
    """What proves a key: its secret, and until `previous_until` the one before a rotation."""

    current: bytes = _NOBODY
    previous: bytes = _NOBODY
    previous_until: datetime | None = None

    def prove(self, given: bytes) -> bool:
        """Both are always compared, so that the time tells nothing."""
        first, second = hmac.compare_digest(self.current, given), hmac.compare_digest(self.previous, given)
        return first or (second and self.previous_until is not None and self.previous_until > clock.now())


@dataclass(frozen=True, slots=True)
class _Known:
    until: float
    secrets: _Secrets
    principal: Principal
    proofs: set[bytes] = field(default_factory=set)


_cache: dict[str, _Known] = {}
_proven: dict[bytes, _Known] = {}
_PROOF_KEY = secrets.token_bytes(32)
"""Tokens whose current secret this process has just proved, under a digest that only it can compute."""

_cache_lock = threading.Lock()
_used: dict[UUID, str] = {}


def _checksum(body: str) -> str:
    number, text = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, rest = divmod(number, 62)
        text = _BASE62[rest] + text
    return text


def _random(length: int) -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(length))


@lru_cache(maxsize=4)
def _pepper(configured: str, home: str) -> bytes:
    return configured.encode() if configured else kept_secret(home, "pepper")


def server_secret(settings: Settings | None = None) -> bytes:
    """The pepper of this installation, from the setting or from the home folder (made at the first use)."""
    settings = settings or current_settings()
    return _pepper(settings.key_pepper, settings.home)


def _hash(secret: str) -> bytes:
    return hmac.digest(server_secret(), secret.encode(), "sha256")


def looks_like_key(token: str) -> bool:
    """Whether the form and the checksum are right; no secret is looked up."""
    found = _TOKEN.match(token)
    return bool(found) and _checksum(token[:-6]) == token[-6:]


def authenticate(token: str, ip: str) -> Principal:
    """The principal of `token`, from this process's memory (5 s) or from the database.

    What the memory cannot prove costs one read, one HMAC and one comparison, whether the key is unknown,
    its secret wrong or just rotated elsewhere: the time an answer takes tells nobody which keys exist.
    Raises Unauthenticated (invalid_api_key, expired_api_key).
    """
    proof = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=32, key=_PROOF_KEY).digest()
    known = _proven.get(proof)
    if known is None or known.until <= clock.monotonic():
        known = _prove(token, proof)
    principal = known.principal
    if principal.expires_at is not None and principal.expires_at <= clock.now():
        raise Unauthenticated("The API key has expired.", code="expired_api_key")
    _used[principal.key_id] = ip
    return principal


def _prove(token: str, proof: bytes) -> _Known:
    found = _TOKEN.match(token)
    if found is None or _checksum(token[:-6]) != found[4]:
        raise Unauthenticated("This is not a Sendarix API key: check that it was copied whole.")
    kid, given = found[2], _hash(found[3])
    known = _cache.get(kid)
    if known is None or known.until <= clock.monotonic() or not known.secrets.prove(given):
        known = _look_up(kid, given)
    if known.principal.environment != found[1]:
        raise Unauthenticated("The API key is unknown or revoked.")
    if hmac.compare_digest(known.secrets.current, given):
        with _cache_lock:
            if _cache.get(kid) is known:
                _proven[proof] = known
                known.proofs.add(proof)
    return known


def _look_up(kid: str, given: bytes) -> _Known:
    asked = clock.monotonic()  # before the read: a revocation counts from its commit
    with transaction() as connection:
        found = rows(connection, _FIND, kid)
    secrets = _secrets(found[0]) if found else _Secrets()
    if not secrets.prove(given):
        raise Unauthenticated("The API key is unknown or revoked.")
    known = _Known(asked + CACHE_SECONDS, secrets, _principal(found[0]))
    with _cache_lock:
        _drop(kid)
        while len(_cache) >= CACHE_SIZE:
            _drop(next(iter(_cache)))
        _cache[kid] = known
    return known


def _drop(kid: str) -> None:
    """Forget a key and every proof of it. Under the lock."""
    known = _cache.pop(kid, None)
    for proof in known.proofs if known is not None else ():
        _proven.pop(proof, None)


def principal_of(connection: Connection, key_id: UUID | None) -> Principal | None:
    """What a key may do now, for work that goes on after its request; None once it was revoked or has expired."""
    found = rows(connection, _FIND_ID, key_id)
    return _principal(found[0]) if found else None


def _secrets(row: Any) -> _Secrets:
    previous = _NOBODY if row.previous_hash is None else bytes(row.previous_hash)
    return _Secrets(bytes(row.secret_hash), previous, row.previous_until)


def _principal(row: Any) -> Principal:
    limit = row.requests_per_minute
    return Principal(
        key_id=row.id,
        account_id=row.account_id,
        environment=row.environment,
        scopes=frozenset(row.scopes),
        sender_domains=None if row.sender_domains is None else frozenset(row.sender_domains),
        templates=None if row.templates is None else frozenset(row.templates),
        streams=None if row.streams is None else frozenset(row.streams),
        tags=None if row.tags is None else frozenset(row.tags),
        key_requests_per_minute=row.key_requests_per_minute,
        cidrs=None if row.cidrs is None else tuple(row.cidrs),
        default_sender=row.default_sender,
        requests_per_minute=current_settings().rate_limit_per_minute if limit is None else limit,
        require_idempotency=row.require_idempotency,
        paused=row.paused,
        expires_at=row.expires_at,
    )


def forget() -> None:
    """Empty this process's memory of keys."""
    with _cache_lock:
        _cache.clear()
        _proven.clear()


def create(
    connection: Connection,
    account_id: UUID,
    *,
    environment: str,
    scopes: Sequence[str],
    name: str = "",
    default_sender: str | None = None,
    requests_per_minute: int | None = None,
    expires_at: datetime | None = None,
) -> NewKey:
    """A new key. Raises InvalidFields for an unknown scope."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown:
        raise InvalidFields([FieldError("scopes", "not_in_enum", f"has no scope {each}") for each in unknown])
    (kid, token, secret_hash), key_id = draw(environment), new_id()
    run(
        connection,
        "INSERT INTO api_keys (id, account_id, kid, secret_hash, name, environment, scopes, default_sender,"
        " requests_per_minute, expires_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        key_id, account_id, kid, secret_hash, name, environment, list(scopes), default_sender,
        requests_per_minute, expires_at,
    )  # fmt: skip
    return NewKey(key_id, kid, token)


def draw(environment: str, kid: str | None = None) -> tuple[str, str, bytes]:
    """A new token with its public part (a new one unless given) and what is stored of it."""
    kid, secret = kid or _random(8), _random(40)
    body = f"sk_{environment}_sdx_{kid}{secret}"
    return kid, body + _checksum(body), _hash(secret)


def revoke(connection: Connection, kid: str, *, now: datetime) -> bool:
    """Revoke the key with this public part; in force everywhere within 5 s. False when it was not alive."""
    touched = run(connection, "UPDATE api_keys SET revoked_at = %s WHERE kid = %s AND revoked_at IS NULL", now, kid)
    forget_one(kid)
    return touched > 0


def forget_one(kid: str) -> None:
    """Drop one key from this process's memory, after it was changed here."""
    with _cache_lock:
        _drop(kid)


def is_alive(connection: Connection, token: str) -> bool:
    """Whether exactly this token is stored and not revoked; for the quickstart's kept keys."""
    found = _TOKEN.match(token)
    if found is None:
        return False
    known = rows(connection, _FIND, found[2])
    return bool(known) and _secrets(known[0]).prove(_hash(found[3]))


def note_usage(now: datetime) -> None:
    """Write when and from where keys were last used; called once a minute, off the request path."""
    used = [{"id": key_id, "ip": _used.pop(key_id)} for key_id in list(_used)]
    if not used:
        return
    with transaction() as connection:
        run(
            connection,
            "UPDATE api_keys k SET last_used_at = greatest(k.last_used_at, %s), last_used_ip = x.ip"
            " FROM json_to_recordset(%s) AS x(id uuid, ip text) WHERE k.id = x.id",
            now,
            as_json(used),
        )
