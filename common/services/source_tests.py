"""Tests of sources: asked for through the API, made by a delivery worker, read back. Never here: connecting."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.session import as_json, rows, run
from common.domain.errors import FieldError, InvalidFields, NotFound, RateLimited
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.queueing import publisher, queues, tasks
from common.services import source_editing

MOST_A_MINUTE = 20
KEPT = 20
"""Tests kept of one source; older ones go when a new one is asked for."""

PATIENCE_SECONDS = 120
"""After this a test that no worker has taken counts as failed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A test that a worker is to make."""

    id: UUID
    source_id: UUID
    recipient_domain: str | None


def ask(
    connection: Connection, principal: Principal, source_id: UUID, *, recipient_domain: str | None
) -> dict[str, Any]:
    """Write down that the source shall be tested; leave its ticket after the commit. {"id": "stt_…", …}

    `recipient_domain` counts for a direct source: it connects to that domain's mail hosts, or to those of
    the account's own first domain.
    Raises NotFound, InvalidFields, RateLimited: a test connects to where the caller says.
    """
    kind = source_editing.get(connection, principal, source_id)["kind"]
    domain = (recipient_domain or _own_domain(connection, principal)) if kind == "direct" else None
    lately = rows(
        connection,
        "SELECT count(*) AS n FROM source_tests t JOIN sources s ON s.id = t.source_id"
        " WHERE (s.account_id = %s OR s.id = %s) AND t.created_at > now() - interval '1 minute'",
        principal.account_id, source_id,
    )  # fmt: skip
    if lately[0].n >= MOST_A_MINUTE:
        raise RateLimited(f"At most {MOST_A_MINUTE} tests a minute.", retry_after=60)
    test_id = new_id()
    run(
        connection,
        "INSERT INTO source_tests (id, source_id, recipient_domain) VALUES (%s, %s, %s)",
        test_id, source_id, domain,
    )  # fmt: skip
    run(
        connection,
        "DELETE FROM source_tests WHERE source_id = %s AND created_at < now() - interval '1 minute' AND id NOT IN"
        " (SELECT id FROM source_tests WHERE source_id = %s ORDER BY created_at DESC LIMIT %s)",
        source_id, source_id, KEPT,
    )  # fmt: skip
    return get(connection, principal, source_id, test_id)


def _own_domain(connection: Connection, principal: Principal) -> str:
    """The account's first sending domain: mail to oneself is the politest test."""
    own = "SELECT name FROM domains WHERE account_id = %s AND state IN ('verified', 'degraded') ORDER BY id LIMIT 1"
    found = rows(connection, own, principal.account_id)
    if not found:
        text = "is required: a direct source connects to the mail hosts of a domain, and this account has none"
        raise InvalidFields([FieldError("recipient_domain", "required", text)])
    return str(found[0].name)


def leave(test_ids: Sequence[UUID]) -> None:
    """Tickets for tests; after the commit. A person waits for the answer, so they go first."""
    publisher.leave(tasks.TEST_SOURCES, queues.delivery_queue(0), test_ids)


def get(connection: Connection, principal: Principal, source_id: UUID, test_id: UUID) -> dict[str, Any]:
    """A test and, once it has ended, its report. Raises NotFound."""
    source_editing.get(connection, principal, source_id)
    found = rows(connection, f"{_SELECT} AND t.id = %s", PATIENCE_SECONDS, source_id, test_id)
    if not found:
        raise NotFound("There is no test of this source with this id.")
    return _shown(found[0])


def find(connection: Connection, principal: Principal, source_id: UUID) -> list[dict[str, Any]]:
    """The last tests of a source, newest first. Raises NotFound."""
    source_editing.get(connection, principal, source_id)
    select = f"{_SELECT} ORDER BY t.created_at DESC, t.id DESC LIMIT %s"
    return [_shown(row) for row in rows(connection, select, PATIENCE_SECONDS, source_id, KEPT)]


_SELECT = """
SELECT t.*, t.state = 'waiting' AND t.created_at < now() - make_interval(secs => %s) AS overdue
  FROM source_tests t WHERE t.source_id = %s
"""
_NOBODY: dict[str, Any] = {
    "stage": "waiting",
    "advice": "No delivery worker took the test: see whether one runs, and ask for it again.",
    "code": None,
    "reply": None,
    "host": None,
    "ip": None,
    "port": None,
    "tls": None,
    "tls_verified": None,
    "tls_reason": None,
    "offers": [],
    "duration_ms": None,
    "transcript": [],
}


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": encode("stt", row.id),
        "source_id": encode("src", row.source_id),
        "state": "failed" if row.overdue else row.state,
        "recipient_domain": row.recipient_domain,
        "report": _NOBODY if row.overdue else row.report,
        "created_at": rfc3339(row.created_at),
        "ended_at": rfc3339(row.ended_at) if row.ended_at else None,
    }


def claim(connection: Connection, test_ids: Sequence[UUID]) -> list[Asked]:
    """Those of `test_ids` that still wait. A ticket that comes twice makes the test twice: that harms nobody."""
    found = rows(
        connection,
        "SELECT id, source_id, recipient_domain FROM source_tests WHERE id = ANY(%s::uuid[]) AND state = 'waiting'",
        list(test_ids),
    )
    return [Asked(row.id, row.source_id, row.recipient_domain) for row in found]


def end(connection: Connection, test_id: UUID, *, passed: bool, report: dict[str, Any]) -> None:
    """Write down what came of a test."""
    run(
        connection,
        "UPDATE source_tests SET state = %s, report = %s, ended_at = now() WHERE id = %s AND state = 'waiting'",
        "passed" if passed else "failed", as_json(report), test_id,
    )  # fmt: skip
