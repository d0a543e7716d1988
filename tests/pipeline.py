"""The whole pipeline in the test's own thread: route, deliver and retry whatever is due, until nothing is.

The workers' own code does the work; only the queues between are left out. Never here: what it should have done.
"""

from typing import Any

from common.db.session import rows, transaction
from common.services import due, routing
from workers.delivery import tasks as delivery

_WAITING = """
SELECT id, status FROM messages WHERE status = ANY(%s) AND NOT held AND lease_until IS NULL AND next_attempt_at <= now()
 ORDER BY tier, queue_position
"""


def work_off(*, retries: int = 0) -> None:
    """Take every due message as far as it goes; then let the wait of deferred ones be over, `retries` times."""
    for round_number in range(retries + 1):
        if round_number:
            end_waits()
        with transaction() as connection:
            due.expire(connection)
            due.release_scheduled(connection)
            routing.route(connection, [row.id for row in waiting(connection, "queued")])
        with transaction() as connection:
            ids = [str(row.id) for row in waiting(connection, "accepted", "deferred")]
        delivery.deliver_messages.run(ids)


def waiting(connection: Any, *statuses: str) -> list[Any]:
    """Messages that may move now."""
    return rows(connection, _WAITING, list(statuses))


def end_waits() -> None:
    """Let the time of every deferred message come."""
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE messages SET next_attempt_at = now() WHERE status = 'deferred'")
