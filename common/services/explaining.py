"""explain, explain_message: the whole decision about a mail that is not sent, or one that was, as one answer.

What decides here is what decides when mail is routed: the same statement's columns, the same policies, the same
function. Nothing is written. Never here: rules or shares (domain).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.config import Settings
from common.db.session import as_json, rows
from common.domain.errors import NotFound
from common.domain.explaining import rules_asked, terms_in_force, timetable
from common.domain.ids import encode
from common.domain.policy import Policy
from common.domain.principals import Principal
from common.domain.routing import Decision, Facts, World, decide
from common.domain.tiers import TIERS
from common.pacing import Paces
from common.services import path_limits, routing, ruling
from common.services.composing import Draft
from common.services.standing import stand

_OF_DRAFT = f"""{routing.COLUMNS}
  FROM json_to_recordset(%s) AS m(id uuid, account_id uuid, environment text, recipient_domain text, tier smallint,
    recipient_key text, queue_position bigint, created_at timestamptz, scheduled_time timestamptz,
    expires_at timestamptz, stream text, topic text, policy_version integer) JOIN accounts a ON a.id = m.account_id
"""
_OF_MESSAGE = f"""{routing.COLUMNS}, m.status, m.decision, m.attempt_no, m.next_attempt_at, m.retry_preset AS own_retry,
       m.delivery_guarantee, m.path, m.source_id, m.accepted_at, m.ended_at, m.recipient, s.name AS source_name
  FROM messages m JOIN accounts a ON a.id = m.account_id LEFT JOIN sources s ON s.id = m.source_id
 WHERE m.id = %s AND m.account_id = %s AND m.environment = %s
"""
_COLUMNS = (
    "id", "account_id", "environment", "recipient_domain", "tier", "recipient_key", "created_at", "scheduled_time",
    "expires_at", "stream", "topic",
)  # fmt: skip


_EVERYTHING = ruling.Asking(frozenset({"content", "size", "place"}))
"""Explaining tells every fact, whether a rule asks for it or not."""


@dataclass(frozen=True, slots=True)
class _Content:
    tags: list[str]
    template_slug: str | None
    sender_domain: str
    size: int


def explain(connection: Connection, settings: Settings, paces: Paces, draft: Draft) -> dict[str, Any]:
    """What would become of a composed message now."""
    row = rows(connection, _OF_DRAFT, as_json([{name: draft.row[name] for name in _COLUMNS}]))[0]
    policy = _policy_of(connection, ruling.key_of(row))
    facts = ruling.facts_of(connection, [(row, _EVERYTHING)], {row.id: _content_of(draft)})[row.id]
    made = _decided(connection, row, facts, policy)
    start = max(clock.now(), draft.row["scheduled_time"] or clock.now())
    plan = _Plan(start, made.retry or row.retry_preset or settings.retry_preset, made.expires)
    about = {"message_id": None, "recipient": draft.row["recipient"], "canary": row.canary_version == policy.version}
    told = _told(settings, row, facts, policy, made, plan, about)
    return told | {"pacing": _pacing(connection, paces, _source_of(made), facts)}


def explain_message(
    connection: Connection, settings: Settings, paces: Paces, principal: Principal, message_id: UUID
) -> dict[str, Any]:
    """What was decided about a message, with the policy that ruled it. Raises NotFound."""
    found = rows(connection, _OF_MESSAGE, message_id, principal.account_id, principal.environment)
    if not found:
        raise NotFound("No such message.")
    row = found[0]
    routed = row.status not in ("scheduled", "queued")
    policy = _policy_of(connection, _stamped(row) if routed or row.decision else ruling.key_of(row))
    facts = ruling.facts_of(connection, [(row, _EVERYTHING)])[row.id]
    if row.accepted_at is not None:
        facts = replace(facts, now=row.accepted_at)  # a hold that has ended since was none when it was routed, or was
    made = _decided(connection, row, facts, policy)
    expires = row.expires_at if routed else made.expires
    retries = row.own_retry or made.retry or row.retry_preset or settings.retry_preset
    plan = None if row.ended_at else _Plan(row.next_attempt_at, retries, expires, row.attempt_no + 1)
    about = {"message_id": encode("msg", row.id), "recipient": row.recipient,
             "canary": row.canary_version == policy.version}  # fmt: skip
    answer = _told(settings, row, facts, policy, made, plan, about)
    chosen = None if row.ended_at else row.source_id or _source_of(made)
    return answer | {"decision": _recorded(row, made), "pacing": _pacing(connection, paces, chosen, facts)}


def _source_of(made: Decision) -> UUID | None:
    return made.route.source_id if made.route else None


def _pacing(connection: Connection, paces: Paces, source_id: UUID | None, facts: Facts) -> dict[str, Any] | None:
    return None if source_id is None else path_limits.limits_of(connection, paces, source_id, facts)


def _decided(connection: Connection, row: Any, facts: Facts, policy: Policy) -> Decision:
    sources = routing.sources_of(connection, [row.account_id])
    standings = stand(connection, [(facts, policy)], sources, hold=False)
    return decide(facts, policy, World(sources, standings.look if standings else None))


def _recorded(row: Any, made: Decision) -> dict[str, Any]:
    """What was written when it was routed; before that, what would be."""
    if row.decision:
        kept = {name: each for name, each in row.decision.items() if name in made.shown()}
        return {**made.shown(), **kept, "recorded_at": _instant(row.accepted_at)}
    shown = made.shown()
    if row.accepted_at is not None:
        shown |= {"source": row.source_name, "path": row.path}
    return shown | {"recorded_at": _instant(row.accepted_at)}


def _stamped(row: Any) -> ruling.Key:
    return row.account_id, row.policy_version, (row.decision or {}).get("defaults_version", 0)


def _policy_of(connection: Connection, key: ruling.Key | None) -> Policy:
    return Policy(1, 0) if key is None else ruling.policies(connection, [key])[key]


def _content_of(draft: Draft) -> _Content:
    row = draft.row
    texts = sum(len((row[name] or "").encode()) for name in ("html", "text"))
    encoded = sum(len(each["content"]) * 3 // 4 for each in row["attachments"] or ())
    size = texts + encoded + len(row["mime"] or "") * 3 // 4
    return _Content(row["tags"] or [], row["template_slug"], row["sender"]["email"].rpartition("@")[2], size)


@dataclass(frozen=True, slots=True)
class _Plan:
    start: datetime
    retries: str
    expires: datetime | None
    first: int = 1


def _told(
    settings: Settings,
    row: Any,
    facts: Facts,
    policy: Policy,
    made: Decision,
    plan: _Plan | None,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    own = {"retry": row.retry_preset, "guarantee": None}
    built_in = {"retry": settings.retry_preset, "guarantee": settings.delivery_guarantee}
    terms = terms_in_force(made, facts, policy, built_in, own)
    return {
        "message_id": about["message_id"],
        "recipient": about["recipient"],
        "recipient_domain": facts.recipient_domain,
        "provider": facts.provider,
        "mail_hosts": list(facts.hosts),
        "environment": facts.environment,
        "priority": TIERS[facts.tier],
        "suppression": row.suppressed,
        "suppression_passed": row.suppressed is not None and ruling.is_let_through(row, policy),
        "hold": encode("hld", row.hold) if row.hold else None,
        "policy_version": policy.version,
        "defaults_version": policy.defaults_version,
        "canary": about["canary"],
        "decision": made.shown() | {"recorded_at": None},
        "rules": rules_asked(policy, facts),
        "terms": [each | {"value": _plain(each["value"])} for each in terms],
        "attempts": _attempts(settings, row, made, plan) if ruling.is_let_through(row, policy) else [],
        "expires_at": _instant(plan.expires if plan else row.expires_at),
    }


def _attempts(settings: Settings, row: Any, made: Decision, plan: _Plan | None) -> list[dict[str, Any]]:
    """The timetable, where there will be one."""
    if plan is None or row.hold or made.act not in ("send", "wait"):
        return []
    found = timetable(plan.start, plan.retries, plan.expires, first=plan.first, scale=settings.time_scale)
    return [each | {"at": _instant(each["at"])} for each in found]


def _plain(value: Any) -> Any:
    return _instant(value) if isinstance(value, datetime) else value


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else clock.rfc3339(moment)
