"""held_by, keep_back: how routing and claiming meet holds.

A hold counts from its commit: both ask for it in their own statements, which costs one look at an empty index while
there is none. Never here: making and releasing holds (holds.py), or marking what waits already (settling.py).
"""

from typing import Any

from sqlalchemy import Connection

from common.db.session import as_json, run

SAME_MAIL = """
  (h.tier IS NULL OR h.tier = m.tier)
  AND (h.recipient_domain IS NULL OR h.recipient_domain = m.recipient_domain)
  AND (h.tag IS NULL AND h.template IS NULL AND h.key_id IS NULL OR EXISTS (
    SELECT FROM message_contents hc WHERE hc.message_id = m.id
       AND (h.tag IS NULL OR h.tag = ANY(hc.tags)) AND (h.template IS NULL OR h.template = hc.template_slug)
       AND (h.key_id IS NULL OR h.key_id = hc.key_id)))"""
"""Whether what `h` asks for is true of the message `m`."""

COVERS = f"""
  (h.account_id IS NULL OR h.account_id = m.account_id) AND (h.environment IS NULL OR h.environment = m.environment)
  AND (h.after_position IS NULL OR m.queue_position > h.after_position) AND {SAME_MAIL}"""
"""Whether the hold `h` is about the message `m`, at whatever stage."""


def held_by(stage: str | None) -> str:
    """SQL: the oldest hold in force that keeps back the message `m` at this stage, None is any stage, or NULL."""
    at_stage = f"AND (h.stage IS NULL OR h.stage = '{stage}')" if stage else ""
    return f"""
      CASE WHEN EXISTS (SELECT FROM holds WHERE released_at IS NULL) THEN (
        SELECT h.id FROM holds h WHERE h.released_at IS NULL AND h.expires_at > now()
           {at_stage} AND {COVERS} ORDER BY h.created_at, h.id LIMIT 1) END"""


# The lock on the hold orders this with its release: whoever comes second sees what the first has done.
_KEEP = """
WITH x AS (SELECT * FROM json_to_recordset(%s) AS x(id uuid, hold uuid)),
active AS (SELECT id FROM holds WHERE id IN (SELECT hold FROM x) AND released_at IS NULL FOR SHARE)
UPDATE messages m SET held = a.id IS NOT NULL, hold_id = a.id, held_at = clock_timestamp(), ticket_at = NULL
  FROM x LEFT JOIN active a ON a.id = x.hold WHERE m.id = x.id
"""


def keep_back(connection: Connection, found: list[Any]) -> list[Any]:
    """Mark those of the locked rows whose `hold` is not None as held; answers the others."""
    kept = [row for row in found if row.hold is not None and row.suppressed is None]
    if not kept:
        return found
    run(connection, _KEEP, as_json([{"id": row.id, "hold": row.hold} for row in kept]))
    return [row for row in found if row.hold is None or row.suppressed is not None]
