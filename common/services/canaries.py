"""begin, current, stop, check: a version that rules a share of an account's mail until it has proved itself.

The share goes by a hash of the message's id. The scheduler checks every few seconds: a version that defers or bounces
more than the rest allows is taken back, one whose time passes is published. Never here: the verdict
(domain/canaries.py).
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.config import current_settings
from common.db.session import as_json, rows, run
from common.domain.canaries import Counts, Guardrails, judge
from common.domain.errors import Conflict, FieldError, InvalidFields, NotFound
from common.services import events, policies, stamping
from common.services.events import NewEvent
from common.services.policies import Owner

MINUTES = 30

_BEGIN = """
INSERT INTO policy_canaries (account_id, version, percent, guardrails, ends_at)
VALUES (%s, %s, %s, %s, now() + make_interval(secs => %s)) ON CONFLICT DO NOTHING
"""
_MARK = "UPDATE accounts SET canary_version = %s, canary_percent = %s WHERE id = %s"


def begin(connection: Connection, owner: Owner, *, reason: str, canary: Mapping[str, Any]) -> dict[str, Any]:
    """The draft becomes a version that rules `percent` of the mail. Raises as publishing does."""
    if owner.account_id is None:
        told = "is for an account's policy: the installation's defaults are published at once"
        raise InvalidFields([FieldError("canary", "conflict", told)])
    policies.lock(connection, owner)
    document = policies.checked_draft(connection, owner)
    if rows(connection, "SELECT 1 FROM policy_canaries WHERE account_id = %s", owner.account_id):
        raise Conflict("A canary is running: let it end, or DELETE /v1/policy/canary.")
    version = policies.add_version(connection, owner, document, reason=reason)
    policies.drop_draft(connection, owner)
    names = Guardrails.__dataclass_fields__
    rails = asdict(Guardrails(**{name: canary[name] for name in names if name in canary}))
    seconds = canary.get("minutes", MINUTES) * 60 / current_settings().time_scale
    run(connection, _BEGIN, owner.account_id, version, canary["percent"], as_json(rails), seconds)
    run(connection, _MARK, version, canary["percent"], owner.account_id)
    _tell(connection, owner.account_id, version, "started", reason)
    return policies.get(connection, owner, version)


_CURRENT = "SELECT * FROM policy_canaries WHERE account_id = %s"


def current(connection: Connection, owner: Owner) -> dict[str, Any]:
    """The canary with what was counted so far. Raises NotFound."""
    found = rows(connection, _CURRENT, owner.account_id)
    if not found:
        raise NotFound("No canary is running.")
    row = found[0]
    canary, base = _counts(connection, row)
    verdict, why = judge(canary, base, Guardrails(**row.guardrails), over=False)
    return {
        "version": row.version,
        "percent": row.percent,
        "guardrails": row.guardrails,
        "started_at": rfc3339(row.started_at),
        "ends_at": rfc3339(row.ends_at),
        "verdict": verdict,
        "detail": why,
        "canary": canary.shown(),
        "base": base.shown(),
    }


def stop(connection: Connection, owner: Owner) -> None:
    """End it without publishing; repeating it is harmless."""
    policies.lock(connection, owner)
    found = rows(connection, _CURRENT, owner.account_id)
    if found and owner.account_id is not None:
        _roll_back(connection, found[0], "stopped")


_ALL = "SELECT c.*, c.ends_at <= now() AS over FROM policy_canaries c"


def check(connection: Connection) -> list[tuple[UUID, str]]:
    """Judge every canary; answers the accounts whose has ended with the verdict."""
    ended: list[tuple[UUID, str]] = []
    for row in rows(connection, _ALL):
        canary, base = _counts(connection, row)
        verdict, why = judge(canary, base, Guardrails(**row.guardrails), over=row.over)
        if verdict != "go_on" and _end(connection, row, verdict, why):
            ended.append((row.account_id, verdict))
    return ended


def _end(connection: Connection, row: Any, verdict: str, why: str) -> bool:
    """Whether it was still there to be ended: its owner may have been faster."""
    owner = Owner(row.account_id)
    policies.lock(connection, owner)
    if not rows(connection, f"{_CURRENT} AND version = %s", row.account_id, row.version):
        return False
    if verdict == "roll_back":
        _roll_back(connection, row, why)
    else:
        _tell(connection, row.account_id, row.version, "promoted", why)
        policies.enforce(connection, owner, row.version, canary="promoted")
    return True


def _roll_back(connection: Connection, row: Any, why: str) -> None:
    """From now on nothing more is routed by it; what it held goes by what is published."""
    run(connection, "DELETE FROM policy_canaries WHERE account_id = %s", row.account_id)
    run(connection, _MARK, None, None, row.account_id)
    stamping.release(connection, row.account_id)
    _tell(connection, row.account_id, row.version, "rolled_back", why)


def _tell(connection: Connection, account_id: UUID, version: int, state: str, why: str) -> None:
    data = {"version": version, "state": state, "reason": why}
    events.record(connection, [NewEvent(account_id, "policy.canary", data)])


_COUNT = """
SELECT m.policy_version = %s AS canary, count(*) AS messages,
       count(*) FILTER (WHERE m.attempt_no > 1 OR m.status = 'deferred') AS deferred,
       count(*) FILTER (WHERE m.status = 'bounced') AS bounced
  FROM messages m WHERE m.account_id = %s AND m.environment = 'live' AND m.created_at >= %s AND m.attempt_no > 0
 GROUP BY 1
"""


def _counts(connection: Connection, row: Any) -> tuple[Counts, Counts]:
    """Of mail that was accepted since it began: the canary's, and all other."""
    found = {
        each.canary: Counts(each.messages, each.deferred, each.bounced)
        for each in rows(connection, _COUNT, row.version, row.account_id, row.started_at)
    }
    return found.get(True, Counts()), found.get(False, Counts())
