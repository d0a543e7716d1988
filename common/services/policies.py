"""Policies as their owner manages them: read, draft, check, compare, publish, list, roll back.

`Owner` says whose: the account's, or with None the operator's defaults for the whole installation. A version
never changes; whatever comes into force is a new one. Never here: what a policy does (ruling.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.config import Settings
from common.db.keyset import Page, Turn, read_page_by_number
from common.db.session import as_json, rows, run
from common.domain import policy_checks, retry
from common.domain.errors import Conflict, InvalidFields, NotFound
from common.domain.ids import new_id
from common.domain.objectives import DEFAULTS
from common.domain.policy import Document, Layer
from common.domain.policy_effective import differences, effective, values_of
from common.domain.principals import Principal
from common.services import events, stamping
from common.services.events import NewEvent

FIRST = 1
_LOCK = 0x53445850


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose policy, and who asks (nobody when it is the scheduler). `account_id` is None for the installation's."""

    account_id: UUID | None
    principal: Principal | None = None

    @property
    def told(self) -> UUID:
        """The account whose stream hears of it."""
        if self.account_id is not None:
            return self.account_id
        assert self.principal is not None
        return self.principal.account_id

    @property
    def word(self) -> str:
        return "installation" if self.account_id is None else "account"


_VERSION = """
SELECT version, document, author, reason, restores, created_at FROM policies
 WHERE account_id IS NOT DISTINCT FROM %s AND version = %s
"""
_CURRENT = "SELECT policy_version, canary_version, created_at FROM accounts WHERE id = %s"
_LATEST = "SELECT coalesce(max(version), 0) AS version FROM policies WHERE account_id IS NOT DISTINCT FROM %s"


def current_version(connection: Connection, owner: Owner) -> int:
    """The number of the published version: 1 for an account that has published nothing, 0 for the operator."""
    if owner.account_id is None:
        return int(rows(connection, _LATEST, None)[0].version)
    return int(rows(connection, _CURRENT, owner.account_id)[0].policy_version)


def current(connection: Connection, owner: Owner) -> dict[str, Any]:
    """The published policy with who, why and when."""
    return get(connection, owner, current_version(connection, owner))


def get(connection: Connection, owner: Owner, version: int) -> dict[str, Any]:
    """One version. Raises NotFound. The first of an account is empty: nothing but automatic routing."""
    found = rows(connection, _VERSION, owner.account_id, version)
    now = current_version(connection, owner)
    if found:
        return _shown(owner, now, found[0])
    if version != (FIRST if owner.account_id is not None else 0):
        raise NotFound("The policy has no such version.")
    return {
        "version": version,
        "for": owner.word,
        "document": {},
        "is_published": version == now,
        "author": "",
        "reason": "Automatic routing: nothing was published.",
        "restores": None,
        "published_at": None,
    }


def _shown(owner: Owner, now: int, row: Any) -> dict[str, Any]:
    return {
        "version": row.version,
        "for": owner.word,
        "document": row.document,
        "is_published": row.version == now,
        "author": row.author,
        "reason": row.reason,
        "restores": row.restores,
        "published_at": rfc3339(row.created_at),
    }


_LIST = """
SELECT version, document, author, reason, restores, created_at FROM policies
 WHERE account_id IS NOT DISTINCT FROM %s
"""


def find(connection: Connection, owner: Owner, *, limit: int, turn: Turn | None = None) -> Page:
    """Versions, newest first."""
    now = current_version(connection, owner)
    show = partial(_shown, owner, now)
    return read_page_by_number(connection, _LIST, (owner.account_id,), show, limit=limit, turn=turn, column="version")


_DRAFT = "SELECT document, author, updated_at FROM policy_drafts WHERE account_id IS NOT DISTINCT FROM %s"
_KEEP = """
INSERT INTO policy_drafts (id, account_id, document, author) VALUES (%s, %s, %s, %s)
ON CONFLICT (account_id) DO UPDATE SET document = excluded.document, author = excluded.author, updated_at = now()
"""


def draft(connection: Connection, owner: Owner) -> dict[str, Any]:
    """The draft; without one, what is published. `differs` says whether publishing it would change anything."""
    published = current(connection, owner)["document"]
    found = rows(connection, _DRAFT, owner.account_id)
    document = found[0].document if found else published
    return {
        "for": owner.word,
        "document": document,
        "differs": document != published,
        "author": found[0].author if found else "",
        "updated_at": rfc3339(found[0].updated_at) if found else None,
    }


def keep_draft(connection: Connection, owner: Owner, document: Document) -> dict[str, Any]:
    """Replace the draft. Whether it can be published is told by `check`."""
    run(connection, _KEEP, new_id(), owner.account_id, as_json(document), author_of(connection, owner))
    return draft(connection, owner)


def drop_draft(connection: Connection, owner: Owner) -> None:
    """Forget the draft; repeating it is harmless."""
    run(connection, "DELETE FROM policy_drafts WHERE account_id IS NOT DISTINCT FROM %s", owner.account_id)


def author_of(connection: Connection, owner: Owner) -> str:
    """The name of the key that asks."""
    key_id = owner.principal.key_id if owner.principal else None
    found = rows(connection, "SELECT name FROM api_keys WHERE id = %s", key_id)
    return (found[0].name if found else "") or "an unnamed key"


_SOURCES = """
SELECT name, kind, account_id FROM sources WHERE enabled AND (account_id IS NULL OR account_id = %s)
"""


def known_to(connection: Connection, owner: Owner) -> policy_checks.Known:
    """What a document of this owner may name: the operator's may name only what every account shares."""
    found = rows(connection, _SOURCES, owner.account_id)
    sources = {row.name: row.kind for row in found}
    if owner.account_id is None:
        # The account's own sink takes it, whatever its name.
        sinks = rows(connection, "SELECT 1 FROM sources WHERE kind = 'sink' LIMIT 1")
        return policy_checks.Known(sources | ({"\x00sink": "sink"} if sinks else {}))
    defaults = get(connection, Owner(None, owner.principal), current_version(connection, Owner(None, owner.principal)))
    own = any(row.account_id is not None and row.kind != "sink" for row in found)
    return policy_checks.Known(sources, tuple(defaults["document"].get("pools", {})), own)


def check(connection: Connection, owner: Owner, document: Document) -> dict[str, Any]:
    """{"valid", "errors", "warnings"} of a document as it could be published now."""
    found = policy_checks.faults(document, known_to(connection, owner))
    errors = [
        {"field": each.field, "pointer": each.pointer, "code": each.code, "message": each.message} for each in found
    ]
    return {"valid": not errors, "errors": errors, "warnings": policy_checks.warnings(document)}


def compare(connection: Connection, owner: Owner, before: int | None, after: int | None) -> dict[str, Any]:
    """What differs between two versions; by default between the published one and the draft. Raises NotFound."""
    old = get(connection, owner, before) if before is not None else current(connection, owner)
    new = get(connection, owner, after)["document"] if after is not None else draft(connection, owner)["document"]
    return {"from": old["version"], "to": after, "changes": differences(old["document"], new)}


_PUBLISH = """
INSERT INTO policies (id, account_id, version, document, author, key_id, reason, restores)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""


def lock(connection: Connection, owner: Owner) -> None:
    """Publications of one owner one after the other."""
    if owner.account_id is None:
        run(connection, "SELECT pg_advisory_xact_lock(%s)", _LOCK)
    else:
        rows(connection, "SELECT 1 FROM accounts WHERE id = %s FOR UPDATE", owner.account_id)


def add_version(
    connection: Connection, owner: Owner, document: Document, *, reason: str, restores: int | None = None
) -> int:
    """One more version, not in force yet; answers its number. The owner is locked."""
    version = (
        max(int(rows(connection, _LATEST, owner.account_id)[0].version), 0 if owner.account_id is None else FIRST) + 1
    )
    run(
        connection, _PUBLISH, new_id(), owner.account_id, version, as_json(document), author_of(connection, owner),
        owner.principal.key_id if owner.principal else None, reason, restores,
    )  # fmt: skip
    return version


def publish(connection: Connection, owner: Owner, *, reason: str) -> dict[str, Any]:
    """The draft comes into force as a new version. Raises Conflict when it is what is published already, and
    InvalidFields with everything that keeps it from being published."""
    lock(connection, owner)
    document = checked_draft(connection, owner)
    version = add_version(connection, owner, document, reason=reason)
    drop_draft(connection, owner)
    return enforce(connection, owner, version)


def checked_draft(connection: Connection, owner: Owner) -> Document:
    """The draft, when it can be published. Raises Conflict, InvalidFields."""
    found = draft(connection, owner)
    if not found["differs"]:
        raise Conflict("The draft is what is published already: PUT another one first.")
    faults = policy_checks.faults(found["document"], known_to(connection, owner))
    if faults:
        raise InvalidFields(faults)
    document: Document = found["document"]
    return document


def roll_back(connection: Connection, owner: Owner, version: int, *, reason: str) -> dict[str, Any]:
    """A new version equal to an old one comes into force; the draft stays. Raises NotFound, Conflict, InvalidFields."""
    lock(connection, owner)
    old = get(connection, owner, version)
    if old["document"] == current(connection, owner)["document"]:
        raise Conflict(f"Version {version} says what is in force already.")
    faults = policy_checks.faults(old["document"], known_to(connection, owner))
    if faults:
        raise InvalidFields(faults)
    made = add_version(connection, owner, old["document"], reason=reason, restores=version)
    return enforce(connection, owner, made)


def enforce(connection: Connection, owner: Owner, version: int, *, canary: str | None = None) -> dict[str, Any]:
    """From now on this version rules; what policies hold is routed anew, and `policy.published` is told."""
    previous = current_version(connection, owner)
    if owner.account_id is not None:
        run(connection, "DELETE FROM policy_canaries WHERE account_id = %s", owner.account_id)
        run(
            connection,
            "UPDATE accounts SET policy_version = %s, canary_version = NULL, canary_percent = NULL WHERE id = %s",
            version, owner.account_id,
        )  # fmt: skip
    else:
        previous = version - 1
    stamping.release(connection, owner.account_id)
    made = get(connection, owner, version)
    told = {name: made[name] for name in ("version", "restores", "reason", "author", "for")}
    data = told | {"previous": previous, "canary": canary}
    events.record(connection, [NewEvent(owner.told, "policy.published", data)])
    return made


def layers(connection: Connection, owner: Owner, document: Document | None = None) -> list[Layer]:
    """What rules now, the strongest first; with `document` in place of the published one."""
    operator = Owner(None, owner.principal)
    defaults = current(connection, operator)
    found = [Layer("operator", defaults["version"], defaults["document"])]
    if owner.account_id is None:
        return found if document is None else [Layer("operator", defaults["version"], document)]
    own = current(connection, owner)
    return [Layer("account", own["version"], own["document"] if document is None else document), *found]


def in_force(connection: Connection, settings: Settings, owner: Owner) -> list[dict[str, Any]]:
    """Every value with its origin."""
    return effective(layers(connection, owner), built_in(settings))


def built_in(settings: Settings) -> Mapping[str, Any]:
    """What holds when no document says anything."""
    steps: Sequence[float] = retry.PRESETS[settings.retry_preset]
    return {
        "retry": settings.retry_preset,
        "retry.seconds": list(steps),
        "guarantee": settings.delivery_guarantee,
        **values_of({"objectives": {tier: asdict(each) for tier, each in DEFAULTS.items()}}),
    }
