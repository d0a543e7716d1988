"""Events: told in the transaction of what they tell, and fanned out to webhooks in the same statement.

`record` tells what has no message (a suppression, a domain, a webhook); `tell` what happened to a
message without moving it. Status changes tell their event in lifecycle.py and writing.py, with
the same `fan_out`. Never here: reading the stream (stream.py) or posting (webhooks.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import as_json, rows
from common.domain.events import API_VERSION
from common.domain.ids import encode, new_id

MOST_BYTES = 20_000
"""Of a body, as Standard Webhooks advise; above it `metadata` is left out and named in `omitted`."""


def fan_out(about: str) -> str:
    """The CTE `fanned`: the webhook deliveries of the events in the CTE `told`.

    `told` has (id, message_id, account_id, environment, seq, type, timestamp, data); `about` is a SELECT that
    refers to it as `t` and answers event_public_id, message_public_id, tags, metadata, domain (of the sender),
    target (the only webhook that is told, or null) and armed (whether the caller leaves a ticket).
    It takes one parameter, API_VERSION, and answers id, message_id and state.
    """
    return f"""
fanned AS (
  INSERT INTO webhook_deliveries (id, webhook_id, account_id, event_id, message_id, seq, type, payload, state,
                                  next_attempt_at, ticket_at, created_at)
  SELECT uuidv7(), w.id, t.account_id, t.id, t.message_id, t.seq, t.type,
         CASE WHEN octet_length(p.body) <= {MOST_BYTES} THEN p.body
              ELSE jsonb_set(p.body::jsonb #- '{{data,metadata}}', '{{data,omitted}}', '["metadata"]')::text END,
         CASE w.state WHEN 'enabled' THEN 'waiting' ELSE 'held' END,
         t.timestamp, CASE WHEN a.armed THEN t.timestamp END, t.timestamp
    FROM told t
    JOIN webhooks w ON w.account_id = t.account_id AND w.environment = t.environment
    CROSS JOIN LATERAL ({about}) a
    CROSS JOIN LATERAL (
      SELECT json_build_object('id', a.event_public_id, 'type', t.type, 'timestamp',
               to_char(t.timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
               'api_version', %s::text, 'environment', t.environment,
               'data', CASE WHEN t.message_id IS NULL THEN t.data ELSE
                 jsonb_build_object('message_id', a.message_public_id, 'seq', t.seq, 'tags', a.tags,
                                    'metadata', a.metadata) || t.data END)::text AS body OFFSET 0) p
   WHERE CASE WHEN a.target IS NOT NULL THEN w.id = a.target
              ELSE (w.event_types IS NULL OR t.type = ANY(w.event_types)
                    OR split_part(t.type, '.', 1) || '.*' = ANY(w.event_types))
               AND (w.tags IS NULL OR a.tags && w.tags)
               AND (w.domains IS NULL OR a.domain = ANY(w.domains)) END
  RETURNING id, message_id, state
)"""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event without a message. `data` is its own fields; `target` names the only webhook that hears of it."""

    account_id: UUID
    type: str
    data: dict[str, Any]
    environment: str = "live"
    target: UUID | None = None
    id: UUID = field(default_factory=new_id)


_OF_NOTHING = """
SELECT x.public_id AS event_public_id, NULL AS message_public_id, NULL::text[] AS tags,
       NULL::jsonb AS metadata, NULL AS domain, x.target, false AS armed FROM x WHERE x.id = t.id
"""

_RECORD = f"""
WITH x AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%s) AS x(
    id uuid, public_id text, account_id uuid, environment text, type text, data jsonb, target uuid)
), told AS (
  INSERT INTO events (id, message_id, account_id, environment, seq, type, timestamp, data)
  SELECT id, NULL, account_id, environment, NULL, type, clock_timestamp(), data FROM x
  RETURNING id, message_id, account_id, environment, seq, type, timestamp, data
), {fan_out(_OF_NOTHING)}
SELECT id FROM fanned WHERE state = 'waiting'
"""


def record(connection: Connection, events: Sequence[NewEvent]) -> list[UUID]:
    """Tell events in the caller's transaction, which must be that of what they tell.

    Answers the webhook deliveries. Nobody needs to leave tickets for them: the scheduler does within a second;
    who cannot wait calls `webhook_due.leave` with them after the commit.
    """
    if not events:
        return []
    parameter = [
        {
            "id": each.id,
            "public_id": encode("evt", each.id),
            "account_id": each.account_id,
            "environment": each.environment,
            "type": each.type,
            "data": each.data,
            "target": each.target,
        }
        for each in events
    ]
    return [row.id for row in rows(connection, _RECORD, as_json(parameter), API_VERSION)]


_OF_MESSAGE = """
SELECT x.event_public_id, x.public_id AS message_public_id, c.tags, c.metadata,
       split_part(c.sender ->> 'email', '@', 2) AS domain, NULL::uuid AS target, false AS armed
       FROM x JOIN message_contents c ON c.message_id = x.id WHERE x.event_id = t.id
"""

_TELL = f"""
WITH x AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%s) AS x(
    id uuid, public_id text, event_id uuid, event_public_id text, type text, data jsonb)
), moved AS (
  UPDATE messages m SET event_seq = m.event_seq + 1, updated_at = clock_timestamp() FROM x WHERE m.id = x.id
  RETURNING m.id, m.account_id, m.environment, m.event_seq, m.status, m.recipient, m.updated_at
), told AS (
  INSERT INTO events (id, message_id, account_id, environment, seq, type, timestamp, data)
  SELECT x.event_id, d.id, d.account_id, d.environment, d.event_seq, x.type, d.updated_at,
         jsonb_build_object('recipient', d.recipient, 'status', d.status) || x.data
    FROM moved d JOIN x ON x.id = d.id
  RETURNING id, message_id, account_id, environment, seq, type, timestamp, data
), {fan_out(_OF_MESSAGE)}
SELECT (SELECT array_agg(id) FROM moved) AS told, (SELECT array_agg(id) FROM fanned WHERE state = 'waiting') AS left
"""


def tell(connection: Connection, about: Sequence[tuple[UUID, str, dict[str, Any]]]) -> list[UUID]:
    """Events of messages that change no status: (message id, type, own fields), at most one for a message.

    Numbered after the message's others, under its row lock. Answers the messages that exist.
    """
    if not about:
        return []
    parameter = []
    for message_id, name, data in about:
        event_id = new_id()
        parameter.append(
            {
                "id": message_id,
                "public_id": encode("msg", message_id),
                "event_id": event_id,
                "event_public_id": encode("evt", event_id),
                "type": name,
                "data": data,
            }
        )
    return list(rows(connection, _TELL, as_json(parameter), API_VERSION)[0].told or ())
