"""Refusals that no rule knows, counted by their normal form, so that operators can write the rule that is missing.

Never here: matching.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.keyset import Page, Turn, read_page
from common.db.session import as_json, rows, run
from common.domain.errors import NotFound
from common.domain.ids import encode, new_id

KEPT = 10_000
"""Forms that are kept; those not seen for longest go first."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """One form. `example` is its text as it was last said, without addresses; `category` what a table made of it."""

    form: str
    example: str
    stage: str
    code: int | None
    enhanced: str | None
    provider: str | None
    category: str

    @property
    def key(self) -> str:
        """Equal for what counts as one, in hexadecimal."""
        facts = (self.form, self.stage, self.code, self.enhanced, self.provider)
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


_COUNT = """
INSERT INTO unknown_replies AS u (key, form, example, stage, code, enhanced, provider, category, count, id)
SELECT decode(key, 'hex'), form, example, stage, code, enhanced, provider, category, count, id
  FROM json_to_recordset(%s) AS x(key text, form text, example text, stage text, code integer, enhanced text,
       provider text, category text, count bigint, id uuid)
 ORDER BY key
ON CONFLICT (key) DO UPDATE SET count = u.count + excluded.count, example = excluded.example,
   category = excluded.category, last_seen_at = now()
"""


def count(connection: Connection, seen: Sequence[tuple[Unknown, int]]) -> None:
    """Add so many of each; one statement."""
    names = ("key", "form", "example", "stage", "code", "enhanced", "provider", "category")
    listed = [
        {name: getattr(each, name) for name in names} | {"count": number, "id": new_id()} for each, number in seen
    ]
    run(connection, _COUNT, as_json(listed))


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": encode("unk", row.id),
        "form": row.form,
        "example": row.example,
        "stage": row.stage,
        "code": row.code,
        "enhanced": row.enhanced,
        "provider": row.provider,
        "category": row.category,
        "count": row.count,
        "first_seen_at": rfc3339(row.first_seen_at),
        "last_seen_at": rfc3339(row.last_seen_at),
    }


def find(
    connection: Connection, *, categories: list[str], providers: list[str], limit: int, turn: Turn | None = None
) -> Page:
    """Forms, the last seen first; only of `categories` and `providers` when given."""
    select = (
        "SELECT * FROM unknown_replies WHERE (%s::text[] = '{}' OR category = ANY(%s))"
        " AND (%s::text[] = '{}' OR provider = ANY(%s))"
    )
    parameters = (categories, categories, providers, providers)
    return read_page(connection, select, parameters, _shown, limit=limit, turn=turn, order=("last_seen_at", "id"))


def get(connection: Connection, unknown_id: UUID) -> dict[str, Any]:
    """One form. Raises NotFound."""
    found = rows(connection, "SELECT * FROM unknown_replies WHERE id = %s", unknown_id)
    if not found:
        raise NotFound("There is no unknown reply with this id.")
    return _shown(found[0])


def forget(connection: Connection, unknown_id: UUID) -> None:
    """Remove a form, say because there is a rule now. Raises NotFound."""
    if not run(connection, "DELETE FROM unknown_replies WHERE id = %s", unknown_id):
        raise NotFound("There is no unknown reply with this id.")


def prune(connection: Connection) -> int:
    """Remove all but the newest forms; answers how many."""
    return run(
        connection,
        "DELETE FROM unknown_replies WHERE key IN"
        " (SELECT key FROM unknown_replies ORDER BY last_seen_at DESC, id DESC OFFSET %s)",
        KEPT,
    )
