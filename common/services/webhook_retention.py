"""How long the log of webhooks is kept: 30 days after a delivery has ended, and of a removed webhook not at all.

All of it in bounded batches: a removal answers at once, and nothing that is accepted waits for it. What still waits or
is held is never pruned. Never here: what is posted or held.
"""

from uuid import UUID

from sqlalchemy import Connection

from common.db.session import rows, run

KEEP_DAYS = 30
BATCH = 2_000
MOST_BATCHES = 25
"""Batches of one pruning, each a transaction of its own: what is left is for the next, ten minutes later."""
LATE_MINUTES = 10
"""An event that was being written while its webhook was removed may still leave a delivery; it goes as well."""

_PRUNE = """
DELETE FROM webhook_deliveries WHERE id IN (
  SELECT id FROM webhook_deliveries
   WHERE id < uuidv7(make_interval(days => -%s)) AND state NOT IN ('waiting', 'held')
     AND ended_at < now() - make_interval(days => %s)
   ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
"""
"""Ids begin with the time they were made at, so the oldest are found by the primary key."""


def prune(connection: Connection, most: int = BATCH) -> int:
    """Forget deliveries that ended over 30 days ago, with their attempts; answers how many: at most `most`."""
    return run(connection, _PRUNE, KEEP_DAYS, KEEP_DAYS, most)


def remove(connection: Connection, webhook_id: UUID) -> None:
    """Remove a webhook with its secrets and health; its log is swept later."""
    run(connection, "INSERT INTO removed_webhooks (webhook_id) VALUES (%s) ON CONFLICT DO NOTHING", webhook_id)
    run(connection, "DELETE FROM webhooks WHERE id = %s", webhook_id)


_SWEEP = """
DELETE FROM webhook_deliveries WHERE id IN (
  SELECT d.id FROM removed_webhooks r CROSS JOIN LATERAL (
    SELECT id FROM webhook_deliveries WHERE webhook_id = r.webhook_id LIMIT %s FOR UPDATE SKIP LOCKED) d
   LIMIT %s)
"""
_DONE = """
DELETE FROM removed_webhooks r WHERE removed_at < now() - make_interval(mins => %s)
   AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.webhook_id = r.webhook_id)
"""


def sweep(connection: Connection, batch: int = BATCH) -> int:
    """Remove the next batch of what removed webhooks have left; answers how many deliveries."""
    if not rows(connection, "SELECT FROM removed_webhooks LIMIT 1"):
        return 0
    gone = run(connection, _SWEEP, batch, batch)
    if gone < batch:
        run(connection, _DONE, LATE_MINUTES)
    return gone
