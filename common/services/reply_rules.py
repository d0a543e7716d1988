"""Operators' rules about refusals: kept in their order, asked before the built-in ones by every worker.

They hold for the whole installation. Never here: matching (domain/reply_matching.py), or replies that no
rule knows (services/unknown_replies.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common.clock import rfc3339
from common.db.session import as_json, rows, run
from common.domain.category_effects import effects
from common.domain.errors import Conflict, NotFound
from common.domain.ids import encode, new_id
from common.domain.outcomes import Kind
from common.domain.replies import AFTER_OPENING, enhanced_of, judge
from common.domain.reply_matching import Facts, Rule
from common.domain.reply_rules import RULES
from common.domain.rule_sources import TABLES, source_of

MOST = 500
_FIELDS = ("category", "kind", "code_class", "provider", "source", "enabled")
_LISTS = ("says", "codes", "enhanced", "stages")
_BUILT_IN = {rule.name for rule in RULES} | TABLES.keys() | {"draft"}
_SELECT = "SELECT * FROM reply_rules"


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": encode("rul", row.id),
        "name": row.name,
        "origin": "operator",
        **{name: getattr(row, name) for name in (*_FIELDS, *_LISTS)},
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    }


def _built_in(rule: Rule) -> dict[str, Any]:
    return {
        "id": None,
        "name": rule.name,
        "origin": "built_in",
        "category": rule.category,
        "kind": rule.kind,
        "code_class": rule.code_class,
        "provider": rule.provider,
        "source": source_of(rule.name),
        "enabled": True,
        **{name: list(getattr(rule, name)) for name in _LISTS},
        "created_at": None,
        "updated_at": None,
    }


def find(connection: Connection, origins: Sequence[str] = ()) -> list[dict[str, Any]]:
    """All rules in the order in which they are asked; only of `origins` (operator, built_in) when given."""
    own = [] if origins and "operator" not in origins else rows(connection, f"{_SELECT} ORDER BY position")
    rest = [] if origins and "built_in" not in origins else RULES
    return [_shown(row) for row in own] + [_built_in(rule) for rule in rest]


def load(connection: Connection) -> tuple[Rule, ...]:
    """The enabled rules of operators, in order, as matching takes them."""
    found = rows(connection, f"{_SELECT} WHERE enabled ORDER BY position")
    return tuple(_rule({name: getattr(row, name) for name in ("name", *_FIELDS, *_LISTS)}) for row in found)


def _rule(fields: Mapping[str, Any]) -> Rule:
    return Rule(
        fields["name"],
        fields["category"],
        tuple(fields.get("says") or ()),
        fields.get("code_class"),
        tuple(fields.get("codes") or ()),
        tuple(fields.get("enhanced") or ()),
        tuple(fields.get("stages") or ()),
        fields.get("provider"),
        fields.get("kind"),
    )


def get(connection: Connection, rule_id: UUID) -> dict[str, Any]:
    """One rule of an operator. Raises NotFound."""
    return _shown(_row(connection, rule_id))


def _row(connection: Connection, rule_id: UUID) -> Any:
    found = rows(connection, f"{_SELECT} WHERE id = %s", rule_id)
    if not found:
        raise NotFound("There is no reply rule with this id.")
    return found[0]


def create(connection: Connection, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A new rule, asked after the operators' others unless `position` (1 is first) says otherwise. Raises Conflict."""
    _refuse_name(fields["name"])
    listed = rows(connection, "SELECT count(*) AS n FROM reply_rules")[0].n
    if listed >= MOST:
        raise Conflict(f"There are {MOST} rules: delete what is no longer needed.")
    rule_id = new_id()
    made = rows(
        connection,
        "INSERT INTO reply_rules (id, position, name, category, kind, code_class, provider, source, enabled, says,"
        " codes, enhanced, stages) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (name) DO NOTHING RETURNING id",
        rule_id, listed + 1, fields["name"],
        *(fields.get(name) if name != "enabled" else fields.get(name, True) for name in _FIELDS),
        *(list(fields.get(name) or ()) for name in _LISTS),
    )  # fmt: skip
    if not made:
        raise Conflict(f"There is a rule named {fields['name']} already.")
    _place(connection, rule_id, fields.get("position"))
    return get(connection, rule_id)


def _refuse_name(name: str) -> None:
    if name in _BUILT_IN:
        raise Conflict(f"{name} is the name of a built-in rule: take another, so that attempts tell them apart.")


def change(connection: Connection, rule_id: UUID, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Change what is named; None clears. Workers follow within seconds. Raises NotFound, Conflict."""
    row = _row(connection, rule_id)
    if "name" in fields:
        _refuse_name(fields["name"])
        if rows(connection, "SELECT 1 FROM reply_rules WHERE name = %s AND id <> %s", fields["name"], rule_id):
            raise Conflict(f"There is a rule named {fields['name']} already.")
    whole = {name: getattr(row, name) for name in ("name", *_FIELDS, *_LISTS)} | dict(fields)
    fault = lacking(whole)
    if fault:
        raise Conflict(f"Changed like this the rule {fault}.")
    run(
        connection,
        "UPDATE reply_rules SET name = %s, category = %s, kind = %s, code_class = %s, provider = %s, source = %s,"
        " enabled = %s, says = %s, codes = %s, enhanced = %s, stages = %s, updated_at = now() WHERE id = %s",
        whole["name"], *(whole[name] for name in _FIELDS), *(list(whole[name] or ()) for name in _LISTS), rule_id,
    )  # fmt: skip
    _place(connection, rule_id, fields.get("position"))
    return get(connection, rule_id)


def lacking(fields: Mapping[str, Any]) -> str | None:
    """What a rule must have and has not, as the end of a sentence."""
    words = fields.get("says") or fields.get("enhanced")
    if not words and not fields.get("codes"):
        return "fits every reply: give it `says`, `enhanced` or `codes`"
    speaks_of_address = fields["category"] in AGAINST_ADDRESSES
    return "would suppress by a code alone: give it `says` or `enhanced`" if speaks_of_address and not words else None


AGAINST_ADDRESSES = ("invalid_recipient", "mailbox_disabled", "bad_domain", "recipient_filtered")
"""Categories that end in suppressions: a code alone is too little to say that of an address."""


def remove(connection: Connection, rule_id: UUID) -> None:
    """Remove a rule. Raises NotFound."""
    if not run(connection, "DELETE FROM reply_rules WHERE id = %s", rule_id):
        raise NotFound("There is no reply rule with this id.")
    _renumber(connection)


def order(connection: Connection, rule_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Ask the operators' rules in this order. Raises Conflict unless it names each of them exactly once."""
    known = {row.id for row in rows(connection, "SELECT id FROM reply_rules FOR UPDATE")}
    if known != set(rule_ids) or len(known) != len(rule_ids):
        raise Conflict(f"Name each of the {len(known)} rules of operators exactly once: read them, and try again.")
    places = as_json([{"id": rule_id, "position": at} for at, rule_id in enumerate(rule_ids, 1)])
    run(
        connection,
        "UPDATE reply_rules r SET position = x.position FROM json_to_recordset(%s) AS x(id uuid, position integer)"
        " WHERE r.id = x.id",
        places,
    )
    return find(connection, ("operator",))


def _place(connection: Connection, rule_id: UUID, position: int | None) -> None:
    if position is not None:
        others = "SELECT id FROM reply_rules WHERE id <> %s ORDER BY position"
        ids = [row.id for row in rows(connection, others, rule_id)]
        ids.insert(position - 1, rule_id)
        order(connection, ids)


def _renumber(connection: Connection) -> None:
    run(
        connection,
        "UPDATE reply_rules r SET position = x.n FROM"
        " (SELECT id, row_number() OVER (ORDER BY position) AS n FROM reply_rules) x WHERE r.id = x.id",
    )


def try_out(
    connection: Connection, *, code: int, text: str, stage: str, provider: str | None, draft: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What a reply would mean now: the rule that fits, and what follows. A `draft` is asked before all others."""
    own = ((_rule({**draft, "name": DRAFT}),) if draft else ()) + load(connection)
    verdict = judge(Facts(text, code, enhanced_of(code, text), stage, provider), (*own, *RULES))
    kind: Kind = verdict.kind if stage in AFTER_OPENING else "deferred"
    told = effects(kind, verdict.category)
    return {
        "kind": kind,
        "category": verdict.category,
        "enhanced": verdict.enhanced,
        "rule": _origin(connection, verdict.rule),
        "consequences": {"message": told.message, "path": told.path, "address": told.address},
    }


DRAFT = "draft"


def _origin(connection: Connection, name: str) -> dict[str, Any]:
    if name == DRAFT:
        return {"id": None, "name": name, "origin": "draft", "source": "this request"}
    if name in _BUILT_IN:
        origin = "table" if name in TABLES else "built_in"
        return {"id": None, "name": name, "origin": origin, "source": source_of(name)}
    row = rows(connection, f"{_SELECT} WHERE name = %s", name)[0]
    return {"id": encode("rul", row.id), "name": name, "origin": "operator", "source": row.source}
