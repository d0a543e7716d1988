"""index(...): what search and filters look in, written behind the mail in the order of the stream.

Accepting and delivering pay nothing; in the background a message costs about 70 microseconds of PostgreSQL.
Never here: looking (listing.py).
"""

from sqlalchemy import Connection

from common.services.following import MOST_EVENTS, PART, Followed, follow, moved, step_by_step

_INDEXING_LOCK = 0x53445849

# OFFSET keeps the lookups lookups: as joins they read all messages there are for a thousand events.
_INDEX = f"""
WITH {PART}, entered AS (
  INSERT INTO search_entries (message_id, seq, account_id, words, facets)
  SELECT p.message_id, p.seq, p.account_id,
         CASE p.seq WHEN 1 THEN concat_ws(E'\\n', m.recipient_key, CASE WHEN NOT c.sensitive THEN c.subject END)
                    ELSE p.data #>> '{{smtp,reply}}' END,
         CASE p.seq WHEN 1 THEN
           (SELECT array_agg('tag:' || tag) FROM unnest(c.tags) AS tag)
           || (SELECT array_agg('metadata:' || pair.key || '=' || pair.value) FROM jsonb_each_text(c.metadata) AS pair)
           || array_remove(ARRAY['template:' || c.template_slug, 'stream:' || m.stream,
                                 'idempotency:' || c.idempotency_key], NULL) END
    FROM part p
    CROSS JOIN LATERAL (SELECT recipient_key, stream FROM messages WHERE id = p.message_id OFFSET 0) m
    CROSS JOIN LATERAL (SELECT * FROM message_contents WHERE message_id = p.message_id OFFSET 0) c
   WHERE p.seq = 1 OR p.data #>> '{{smtp,reply}}' IS NOT NULL
  ON CONFLICT DO NOTHING
), {moved("search_cursors", "indexed_until")}
SELECT count(*) AS n FROM part
"""


def index(connection: Connection, *, most: int = MOST_EVENTS) -> Followed:
    """Enter what every stream holds below the horizon, `most` events of each, in the caller's transaction.

    The subject of sensitive mail is not entered. While another process is at it, nothing is left to do.
    """
    return follow(connection, _INDEX, cursors="search_cursors", until="indexed_until", lock=_INDEXING_LOCK, most=most)


def index_all(*, seconds: float) -> int:
    """Index, one transaction after the other, until nothing waits or the time is over; answers how many events."""
    return step_by_step(index, seconds=seconds)
