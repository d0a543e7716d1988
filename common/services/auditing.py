"""watching(...): every change of an act is recorded with its author, in the transaction that makes it; and reading.

The first transaction of the act that writes anything takes the entry with it: what is rolled back was never recorded,
and what changed nothing is no entry. Never here: what may be told of a change (domain/auditing.py).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.config import current_settings
from common.db.keyset import Page, Turn, read_page
from common.db.session import as_json, before_commit, run
from common.domain.errors import Forbidden
from common.domain.ids import encode, new_id
from common.domain.principals import Principal


@dataclass(slots=True)
class Act:
    """One request or command. `author` is told where no key or user is; `changes` is asked at the writing.

    `object_id` may become known while it runs (`about`).
    """

    action: str
    route: str
    changes: Callable[[], dict[str, Any]]
    account_id: UUID | None = None
    environment: str | None = None
    key_id: UUID | None = None
    user_id: UUID | None = None
    author: str = ""
    object_id: str | None = None
    request_id: str | None = None
    made: str | None = None
    done: bool = False


@contextmanager
def watching(act: Act) -> Iterator[None]:
    """What this thread commits inside is this act's."""
    token = before_commit.set(_Recorder(act))
    try:
        yield
    finally:
        before_commit.reset(token)


def about(object_id: str) -> None:
    """Name what the current act is about, or beside that what it has made; call it in the transaction of the change."""
    recorder = before_commit.get()
    if isinstance(recorder, _Recorder):
        act = recorder.act
        if act.object_id is None:
            act.object_id = object_id
        elif act.object_id != object_id:
            act.made = object_id


def forget() -> None:
    """The current act changes nothing: it only gets an earlier answer again."""
    recorder = before_commit.get()
    if isinstance(recorder, _Recorder):
        recorder.act.done = True


_RECORD = """
INSERT INTO audit_entries (id, account_id, environment, author_kind, author, key_id, user_id, action, route, object_id,
                           request_id, changes)
SELECT x.id, coalesce(x.account_id, u.account_id), x.environment,
       CASE WHEN u.id IS NOT NULL THEN 'person' WHEN x.key_id IS NOT NULL THEN 'key' ELSE 'command' END,
       coalesce(u.email, nullif(k.name, ''), x.author), x.key_id, u.id, x.action, x.route, x.object_id, x.request_id,
       x.changes
  FROM json_to_record(%s) AS x(id uuid, account_id uuid, environment text, author text, key_id uuid, user_id uuid,
                               action text, route text, object_id text, request_id text, changes jsonb)
  LEFT JOIN api_keys k ON k.id = x.key_id
  LEFT JOIN users u ON u.id = coalesce(x.user_id, k.user_id)
 WHERE pg_current_xact_id_if_assigned() IS NOT NULL
"""


class _Recorder:
    """Asked before each commit; writes once, with the first transaction that has written something itself."""

    def __init__(self, act: Act) -> None:
        self.act = act

    def __call__(self, connection: Connection) -> None:
        act = self.act
        if act.done:
            return
        names = (
            "account_id",
            "environment",
            "author",
            "key_id",
            "user_id",
            "action",
            "route",
            "object_id",
            "request_id",
        )
        told = {name: getattr(act, name) for name in names}
        changes = act.changes() | {"made": act.made}
        act.done = run(connection, _RECORD, as_json(told | {"id": new_id(), "changes": changes})) == 1


_SELECT = "SELECT * FROM audit_entries WHERE (%s OR account_id = %s) AND (%s OR environment = 'test')"


def find(
    connection: Connection,
    principal: Principal,
    *,
    everywhere: bool,
    limit: int,
    author: tuple[str, UUID] | None = None,
    object_id: str | None = None,
    action: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    turn: Turn | None = None,
) -> Page:
    """Entries of the account, newest first; `everywhere` of the whole installation. A test key sees what was done in
    the test environment, a live one all. `author` is ("key" or "usr", id).

    Raises Forbidden when somebody else than the operator asks for all.
    """
    if everywhere and not principal.may("admin"):
        raise Forbidden("The changes of all accounts need the scope admin.", code="insufficient_scope")
    where, parameters = [_SELECT], [everywhere, principal.account_id, principal.environment == "live"]
    given: list[tuple[str, Any]] = [
        ("user_id = %s" if author and author[0] == "usr" else "key_id = %s", author and author[1]),
        ("object_id = %s", object_id),
        ("action = %s", action),
        ("created_at >= %s", created_after),
        ("created_at < %s", created_before),
    ]
    for condition, value in given:
        if value is not None:
            where.append(condition)
            parameters.append(value)
    return read_page(connection, " AND ".join(where), parameters, _shown, limit=limit, turn=turn)


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": encode("aud", row.id),
        "created_at": rfc3339(row.created_at),
        "author": {
            "kind": row.author_kind,
            "name": row.author,
            "key_id": encode("key", row.key_id) if row.key_id else None,
            "user_id": encode("usr", row.user_id) if row.user_id else None,
        },
        "action": row.action,
        "object_id": row.object_id,
        "route": row.route,
        "request_id": row.request_id,
        "account_id": encode("acc", row.account_id) if row.account_id else None,
        "environment": row.environment,
        "changes": row.changes,
    }


_PRUNE = """
DELETE FROM audit_entries WHERE id IN (
  SELECT id FROM audit_entries WHERE created_at < now() - make_interval(days => %s) ORDER BY created_at LIMIT 50000)
"""


def prune(connection: Connection) -> int:
    """Forget entries that are older than the settings say; answers how many went. 0 days: keep them for ever."""
    days = current_settings().audit_days
    if days == 0:
        return 0
    return run(connection, _PRUNE, days)
