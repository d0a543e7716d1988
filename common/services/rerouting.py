"""After a reputation block: once, over another source of the same owner and kind, if there is one.

A block speaks against the address that mail came from, not against the recipient. Never here: which source
is best (routing.py decides that for new messages).
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.config import Settings
from common.db.session import rows
from common.domain import retry
from common.domain.routing import path_of
from common.services.lifecycle import Change

# A message that has already been tried over two sources stays where it is. Two sources that would show the
# same address to the receiver are one.
_OTHERS = """
SELECT m.id, m.recipient_domain, used.name AS used, other.id AS source_id, other.name, other.kind
  FROM messages m JOIN sources used ON used.id = m.source_id
  JOIN LATERAL (
    SELECT s.id, s.name, s.kind FROM sources s
     WHERE s.enabled AND s.kind = used.kind AND s.kind <> 'sink' AND s.account_id IS NOT DISTINCT FROM used.account_id
       AND (s.host, s.port, s.username, s.bind_ipv4, s.bind_ipv6)
           IS DISTINCT FROM (used.host, used.port, used.username, used.bind_ipv4, used.bind_ipv6)
     ORDER BY s.is_default DESC, s.name LIMIT 1) other ON true
 WHERE m.id = ANY(%s::uuid[])
   AND NOT EXISTS (SELECT FROM attempts a WHERE a.message_id = m.id AND a.source_id <> m.source_id)
"""


def instead_of_bounces(connection: Connection, settings: Settings, bounces: Sequence[Change]) -> dict[UUID, Change]:
    """Another attempt over another source, for those of the bounced messages that have one."""
    by_id = {bounce.message_id: bounce for bounce in bounces}
    return {row.id: _over(settings, row, by_id[row.id]) for row in rows(connection, _OTHERS, list(by_id))}


def _over(settings: Settings, row: Any, bounce: Change) -> Change:
    data = {name: value for name, value in bounce.data.items() if name != "bounce"}
    return Change(
        row.id,
        "defer",
        bounce.epoch,
        data | {"rerouted": {"from": row.used, "to": row.name}},
        delay=retry.REROUTE_SECONDS / settings.time_scale,
        armed=True,
        counts=True,
        source_id=row.source_id,
        path=path_of(row.name, row.kind, row.recipient_domain),
        attempt_state="deferred",
        outcome=bounce.outcome,
    )
