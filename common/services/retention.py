"""purge_sensitive(...): what was sent as sensitive loses its content once its message has ended.

Never here: what a message is or how long facts are kept; ids, events and attempts stay.
"""

from uuid import UUID

from sqlalchemy import Connection

from common.db.session import rows
from common.domain.lifecycle import ENDED

BATCH = 2000

_PURGE = """
WITH ended AS (
  SELECT c.message_id FROM message_contents c JOIN messages m ON m.id = c.message_id
   WHERE c.sensitive AND c.purged_at IS NULL AND m.status = ANY(%s) LIMIT %s FOR UPDATE OF c SKIP LOCKED
)
UPDATE message_contents c SET purged_at = clock_timestamp(), html = NULL, text = NULL, template_data = NULL,
       attachments = NULL, headers = NULL, mime = NULL, subject = '' FROM ended WHERE c.message_id = ended.message_id
RETURNING c.message_id
"""


def purge_sensitive(connection: Connection) -> list[UUID]:
    """Remove the content of sensitive messages that have ended; answers their ids."""
    return [row.message_id for row in rows(connection, _PURGE, list(ENDED), BATCH)]
