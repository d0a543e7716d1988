"""take_turns, withdraw: a message with a supersede key withdraws the older ones with it that still wait.

In the transaction that accepts it, so that whoever reads the new one finds the old one cancelled. What is being sent
already is left alone. Never here: accepting (writing.py).
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import as_json, rows, run
from common.domain.ids import encode
from common.services import lifecycle
from common.services.composing import Draft
from common.services.lifecycle import Applied, Change

_TURN = """
SELECT pg_advisory_xact_lock(k.lock) FROM (
  SELECT DISTINCT hashtextextended(concat_ws(' ', account_id, environment, recipient_key, supersede_key), 0) AS lock
    FROM json_to_recordset(%s) AS x(account_id uuid, environment text, recipient_key text, supersede_key text)
   ORDER BY 1) k
"""


def keyed(drafts: Sequence[Draft]) -> list[Draft]:
    """Those with a supersede key."""
    return [draft for draft in drafts if draft.row.get("supersede_key") is not None]


def take_turns(connection: Connection, drafts: Sequence[Draft]) -> None:
    """Before drafts with keys are written: requests with the same key follow one another; the later one wins."""
    names = ("account_id", "environment", "recipient_key", "supersede_key")
    run(connection, _TURN, as_json([{name: draft.row[name] for name in names} for draft in drafts]))


# Waits for whoever is just claiming one of them: afterwards it is being sent, or it is withdrawn.
_OLDER = """
WITH newest AS (
  SELECT DISTINCT ON (account_id, environment, recipient_key, supersede_key)
         id, account_id, environment, recipient_key, supersede_key, queue_position
    FROM messages WHERE id = ANY(%s::uuid[])
   ORDER BY account_id, environment, recipient_key, supersede_key, queue_position DESC)
SELECT m.id, n.id AS by FROM messages m JOIN newest n USING (account_id, environment, recipient_key, supersede_key)
 WHERE m.supersede_key IS NOT NULL AND m.status IN ('scheduled', 'queued', 'accepted', 'deferred')
   AND m.lease_until IS NULL AND m.queue_position < n.queue_position
 ORDER BY m.id FOR UPDATE OF m
"""

_NOTE = """
UPDATE messages m SET superseded_by = x.by FROM json_to_recordset(%s) AS x(id uuid, by uuid) WHERE m.id = x.id
"""


def withdraw(connection: Connection, written: Sequence[UUID]) -> list[tuple[UUID, Applied]]:
    """Cancel what is older and waits; answers each withdrawn one behind the id of what took its place."""
    found: dict[UUID, Any] = {row.id: row.by for row in rows(connection, _OLDER, list(written))}
    if not found:
        return []
    run(connection, _NOTE, as_json([{"id": each, "by": by} for each, by in found.items()]))
    changes = [
        Change(each, "cancel", data={"reason": "superseded", "superseded_by": encode("msg", by)})
        for each, by in found.items()
    ]
    return [(found[done.message_id], done) for done in lifecycle.apply(connection, changes)]
