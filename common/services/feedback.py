"""unsubscribe, opt_out, opt_in, prefer, complain: what recipients say back. Event and suppression are one transaction.

Called by whoever heard it: the one-click page, the inbound port, the simulator. Never here: how it was heard.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.db.session import as_json, rows
from common.domain.ids import encode, new_id
from common.domain.suppressions import ALL, UNSUBSCRIBED
from common.domain.unsubscribe_tokens import Unsubscription
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


def unsubscribe_once(connection: Connection, message_id: UUID, scope: str, *, source: str) -> bool:
    """`unsubscribe`, unless the address is stopped already in this scope: a wish repeated is told once."""
    stopped = rows(
        connection,
        "SELECT 1 FROM messages m JOIN suppressions s ON s.account_id = m.account_id AND s.environment = m.environment"
        " AND s.recipient_key = m.recipient_key AND s.scope IN (%s, %s)"
        " AND (s.expires_at IS NULL OR s.expires_at > now()) WHERE m.id = %s",
        scope, ALL, message_id,
    )  # fmt: skip
    return not stopped and bool(unsubscribe(connection, [message_id], source=source, scope=scope))


_STANDING = """
SELECT a.name AS account, m.environment, c.locale, c.sender,
       array(SELECT s.scope FROM suppressions s
              WHERE s.account_id = a.id AND s.environment = coalesce(m.environment, 'live') AND s.recipient_key = %s
                AND (s.expires_at IS NULL OR s.expires_at > now())) AS scopes,
       array(SELECT DISTINCT n.topic FROM (
               SELECT t.topic, t.environment FROM messages t WHERE t.account_id = a.id AND t.recipient_key = %s
                ORDER BY t.created_at DESC LIMIT %s) n
              WHERE n.topic IS NOT NULL AND n.environment = coalesce(m.environment, 'live')) AS topics
  FROM accounts a LEFT JOIN messages m ON m.id = %s AND m.account_id = a.id
  LEFT JOIN message_contents c ON c.message_id = m.id
 WHERE a.id = %s
"""


TOPICS_OF = 500
"""So many of the newest mails to a recipient say which topics there are."""

_TOPIC = "topic:"


@dataclass(frozen=True, slots=True)
class Standing:
    """Who writes to the holder of an unsubscribe link, in what language, and what they have stopped already.

    `known` says whether the message still exists; `scopes` are those of the recipient's suppressions, `topics` those of
    the newest mails to them and those they have stopped, by name.
    """

    sender: str
    environment: str
    locale: str | None
    scopes: frozenset[str]
    known: bool
    topics: tuple[str, ...] = ()


def standing(connection: Connection, what: Unsubscription) -> Standing | None:
    """What a link is about now, or None when its account is gone."""
    found = rows(connection, _STANDING, what.recipient, what.recipient, TOPICS_OF, what.message_id, what.account_id)
    if not found:
        return None
    row = found[0]
    sender = row.sender or {}
    name = sender.get("name") or sender.get("email") or row.account
    scopes = frozenset(row.scopes)
    stopped = {scope.removeprefix(_TOPIC) for scope in scopes if scope.startswith(_TOPIC)}
    topics = tuple(sorted({*row.topics, *stopped}))
    return Standing(name, row.environment or "live", row.locale, scopes, row.environment is not None, topics)


def opt_out(connection: Connection, what: Unsubscription, scope: str, *, source: str) -> bool:
    """Stop `scope` for the recipient of a link; works after the message is gone. False when it was stopped already."""
    now = standing(connection, what)
    if now is None or now.scopes & {scope, ALL}:
        return False
    if now.known:
        unsubscribe(connection, [what.message_id], source=source, scope=scope)
        return True
    made = rows(
        connection,
        "INSERT INTO suppressions (id, account_id, environment, recipient, recipient_key, reason, scope)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (account_id, environment, recipient_key, scope) DO UPDATE"
        " SET reason = excluded.reason, expires_at = NULL WHERE suppressions.expires_at IS NOT NULL"
        " RETURNING id, recipient, reason, scope",
        new_id(), what.account_id, now.environment, what.recipient, what.recipient, UNSUBSCRIBED, scope,
    )  # fmt: skip
    events.record(connection, [_listed("suppression.created", what, now, row) for row in made])
    return True


def opt_in(connection: Connection, what: Unsubscription, scopes: Sequence[str] | None = None) -> None:
    """Take back what the recipient of a link stopped, or only these scopes; bounces, complaints and the account's own
    entries stay."""
    now = standing(connection, what)
    if now is None:
        return
    gone = rows(
        connection,
        "DELETE FROM suppressions WHERE account_id = %s AND environment = %s AND recipient_key = %s AND reason = %s"
        " AND scope = ANY(%s) RETURNING id, recipient, reason, scope",
        what.account_id, now.environment, what.recipient, UNSUBSCRIBED,
        [what.scope, ALL] if scopes is None else list(scopes),
    )  # fmt: skip
    events.record(connection, [_listed("suppression.deleted", what, now, row) for row in gone])


def prefer(connection: Connection, what: Unsubscription, wanted: Collection[str], *, source: str) -> None:
    """Of the topics there are the recipient of a link wants these and no others; what is no topic of theirs is left."""
    now = standing(connection, what)
    if now is None:
        return
    for topic in now.topics:
        if topic not in wanted:
            opt_out(connection, what, _TOPIC + topic, source=source)
    opt_in(connection, what, [_TOPIC + topic for topic in now.topics if topic in wanted])


def _listed(name: str, what: Unsubscription, now: Standing, row: Any) -> NewEvent:
    data = {"suppression_id": encode("sup", row.id), "recipient": row.recipient, "reason": row.reason}
    return NewEvent(what.account_id, name, data | {"scope": row.scope}, now.environment)


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
