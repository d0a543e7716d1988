"""unsubscribe, complain: what recipients say back. Event and suppression are one transaction.

Called by whoever heard it: the one-click page, the inbound port, the simulator. Never here: how it was heard.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import as_json, rows
from common.domain.ids import encode, new_id
from common.domain.suppressions import ALL, UNSUBSCRIBED
from common.services import events, lifecycle
from common.services.events import NewEvent
from common.services.lifecycle import Applied, Change

_SUPPRESS = """
WITH x AS (SELECT * FROM json_to_recordset(%s) AS x(message_id uuid, id uuid)), listed AS (
  INSERT INTO suppressions (id, account_id, environment, recipient, recipient_key, reason, scope, source_message_id)
  SELECT DISTINCT ON (m.account_id, m.environment, m.recipient_key)
         x.id, m.account_id, m.environment, m.recipient, m.recipient_key, %s, %s, m.id
    FROM x JOIN messages m ON m.id = x.message_id
  ON CONFLICT (account_id, environment, recipient_key, scope) DO UPDATE
     SET id = excluded.id, reason = excluded.reason, source_message_id = excluded.source_message_id,
         expires_at = NULL
   WHERE suppressions.expires_at IS NOT NULL
  RETURNING id, account_id, environment, recipient, reason, scope, source_message_id)
SELECT * FROM listed
"""


def unsubscribe(connection: Connection, ids: Sequence[UUID], *, source: str, scope: str = ALL) -> list[UUID]:
    """The recipients of these messages want nothing more of `scope`; `source` is how they said it (`one_click`).

    Tells message.unsubscribed for each and suppresses the addresses; one that is suppressed already stays so.
    Answers the messages that exist.
    """
    unique = sorted(set(ids))
    told = events.tell(
        connection, [(each, "message.unsubscribed", {"source": source, "scope": scope}) for each in unique]
    )
    pairs = [{"message_id": each, "id": new_id()} for each in told]
    listed = rows(connection, _SUPPRESS, as_json(pairs), UNSUBSCRIBED, scope) if pairs else []
    events.record(connection, [_created(row) for row in listed])
    return told


def complain(connection: Connection, ids: Sequence[UUID], *, data: dict[str, Any] | None = None) -> list[Applied]:
    """The recipients of these delivered messages reported them as spam (T15); the addresses are suppressed."""
    changes = [Change(each, "complain", data=data or {}, suppress_reason="complaint") for each in sorted(set(ids))]
    return lifecycle.apply(connection, changes)


def _created(row: Any) -> NewEvent:
    data = {
        "suppression_id": encode("sup", row.id),
        "recipient": row.recipient,
        "reason": row.reason,
        "scope": row.scope,
        "message_id": encode("msg", row.source_message_id),
    }
    return NewEvent(row.account_id, "suppression.created", data, row.environment)
