"""DKIM keys of domains: make, rotate, switch, retire, and what delivery signs with.

A key is `pending` until its record is seen at every authoritative server, `active` while it signs,
`retiring` for a week after its successor took over, then `retired`: its private half is erased and its
record should say so. Never here: DNS, or signing (workers/delivery/dkim.py).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.config import Settings
from common.db.session import as_json, rows, run
from common.domain.dkim import ALGORITHMS, RSA, PrivateKey, load_private, make_pair
from common.domain.errors import Conflict
from common.domain.ids import encode, new_id
from common.sealing import seal, unseal

KEEP = timedelta(days=7)
"""How long an old key stays: the longest retry and what forwards take. A message is signed by the key of its time."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One key as delivery needs it, still sealed."""

    id: UUID
    selector: str
    algorithm: str
    sealed: bytes
    activated_at: datetime
    retiring_at: datetime | None


@dataclass(frozen=True, slots=True)
class SigningDomain:
    """A sender domain as delivery needs it. `return_path` is the host for bounces, once its record was seen."""

    name: str
    keys: tuple[StoredKey, ...]
    return_path: str | None
    streams: dict[str, Any]


def make(connection: Connection, settings: Settings, domain_id: UUID, slot: int, *, active: bool = False) -> None:
    """A new RSA and a new Ed25519 key under the selectors of `slot` (1 or 2)."""
    for algorithm in ALGORITHMS:
        pair, key_id = make_pair(algorithm), new_id()
        run(
            connection,
            "INSERT INTO domain_keys (id, domain_id, selector, algorithm, public_key, private_key, state, activated_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, CASE WHEN %s THEN now() END)",
            key_id, domain_id, selector(domain_id, algorithm, slot), algorithm, pair.public,
            seal(settings, pair.private, f"dkim {key_id}"), "active" if active else "pending", active,
        )  # fmt: skip


def selector(domain_id: UUID, algorithm: str, slot: int) -> str:
    """`sx1-…` for RSA, `sxe1-…` for Ed25519. The end is the domain's own, so that two accounts, or two
    installations, can sign for one name without sharing a key."""
    return f"{'sx' if algorithm == RSA else 'sxe'}{slot}-{encode('dom', domain_id)[-6:]}"


def load(settings: Settings, key: StoredKey) -> PrivateKey:
    """The key object. Raises ValueError when it cannot be opened or read."""
    return load_private(unseal(settings, key.sealed, f"dkim {key.id}"))


def find(connection: Connection, domain_ids: Collection[UUID]) -> dict[UUID, list[Any]]:
    """The keys of each domain, oldest first, without their private halves."""
    found: dict[UUID, list[Any]] = {domain_id: [] for domain_id in domain_ids}
    sql = (
        "SELECT domain_id, selector, algorithm, public_key, state, created_at, activated_at, retiring_at"
        " FROM domain_keys WHERE domain_id = ANY(%s::uuid[]) ORDER BY id"
    )
    for row in rows(connection, sql, list(domain_ids)):
        found[row.domain_id].append(row)
    return found


_SIGNING = """
SELECT x.account_id, x.name, d.id IS NOT NULL AS known, d.streams,
       CASE WHEN d.return_path_seen THEN d.return_path || '.' || d.name END AS return_path,
       k.id, k.selector, k.algorithm, k.private_key, k.activated_at, k.retiring_at
  FROM json_to_recordset(%s) AS x(account_id uuid, name text)
  LEFT JOIN domains d ON d.account_id = x.account_id AND d.name = x.name
  LEFT JOIN domain_keys k ON k.domain_id = d.id AND k.state IN ('active', 'retiring') AND k.private_key IS NOT NULL
 ORDER BY k.activated_at
"""


def signing(connection: Connection, wanted: Iterable[tuple[UUID, str]]) -> dict[tuple[UUID, str], SigningDomain | None]:
    """What mail of (account, domain name) is signed with; None for a domain that the account does not have."""
    asked = [{"account_id": account_id, "name": name} for account_id, name in wanted]
    gathered: dict[tuple[UUID, str], list[Any]] = {}
    for row in rows(connection, _SIGNING, as_json(asked)):
        gathered.setdefault((row.account_id, row.name), []).append(row)
    found: dict[tuple[UUID, str], SigningDomain | None] = {}
    for place, listed in gathered.items():
        first = listed[0]
        keys = tuple(
            StoredKey(
                each.id, each.selector, each.algorithm, bytes(each.private_key), each.activated_at, each.retiring_at
            )
            for each in listed
            if each.id is not None
        )
        domain = SigningDomain(place[1], keys, first.return_path, first.streams or {})
        found[place] = domain if first.known else None
    return found


def choose(domain: SigningDomain, created_at: datetime) -> list[StoredKey]:
    """One key per algorithm, RSA first: the one that was active when the message was created, so that a retry
    signs as its first try did; for a message older than every key, the first."""
    chosen = []
    for algorithm in ALGORITHMS:
        keys = [key for key in domain.keys if key.algorithm == algorithm]
        past = [key for key in keys if key.activated_at <= created_at]
        if keys:
            chosen.append(past[-1] if past else keys[0])
    return chosen


def rotate(connection: Connection, settings: Settings, domain_id: UUID) -> None:
    """Make successors; they take over once they are seen in DNS. Raises Conflict while a rotation is under way."""
    keys = find(connection, [domain_id])[domain_id]
    if any(key.state == "pending" and key.algorithm == RSA for key in keys):
        raise Conflict("Keys are waiting to be seen in DNS: publish their records first.")
    if any(key.state == "retiring" for key in keys):
        raise Conflict(f"The keys before these are kept for {KEEP.days} days after the last rotation: try again later.")
    taken = {key.selector for key in keys if key.state == "active"}
    slot = 2 if selector(domain_id, RSA, 1) in taken else 1
    names = [selector(domain_id, algorithm, slot) for algorithm in ALGORITHMS]
    stale = "DELETE FROM domain_keys WHERE domain_id = %s AND (state = 'pending' OR selector = ANY(%s))"
    run(connection, stale, domain_id, names)
    make(connection, settings, domain_id, slot)


_SWITCH = """
WITH seen AS (
  UPDATE domain_keys SET state = 'active', activated_at = now()
   WHERE domain_id = %s AND state = 'pending' AND selector = ANY(%s) RETURNING id, domain_id, algorithm)
UPDATE domain_keys k SET state = 'retiring', retiring_at = now() FROM seen s
 WHERE k.domain_id = s.domain_id AND k.algorithm = s.algorithm AND k.state = 'active' AND k.id <> s.id
"""

_RETIRE = """
UPDATE domain_keys SET state = 'retired', private_key = NULL
 WHERE state = 'retiring' AND retiring_at < now() - make_interval(secs => %s)
"""


def switch(connection: Connection, domain_id: UUID, seen: Collection[str]) -> None:
    """Pending keys whose selectors were seen in DNS sign from now on; those before them retire."""
    run(connection, _SWITCH, domain_id, list(seen))


def retire(connection: Connection, settings: Settings) -> int:
    """Erase the private halves of keys that retired a week ago; answers how many."""
    return run(connection, _RETIRE, KEEP.total_seconds() / settings.time_scale)
