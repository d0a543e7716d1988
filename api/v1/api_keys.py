"""API keys: make, list, restrict, rotate, revoke. A key manages those of its own account and environment.

A secret is answered once; a repeated request with the same Idempotency-Key gets it from an answer kept sealed.
"""

from typing import Any

from flask import Blueprint, Response, g

from api import query
from api.answers import json_answer, no_content
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.idempotency import answer_once
from api.lists import answer_list
from api.v1.schemas.api_keys import (
    API_KEY_CHANGE_IN,
    API_KEY_IN,
    CLEARABLE,
    ROTATION_IN,
    ApiKeyChangeIn,
    ApiKeyIn,
    ApiKeyOut,
    NewApiKeyOut,
    RotationIn,
)
from api.v1.schemas.fields import load
from api.v1.schemas.out import page_of
from common import clock
from common.db.session import transaction
from common.domain.errors import FieldError, InvalidFields
from common.services import issuing

blueprint = Blueprint("api_keys", __name__, url_prefix="/v1/api-keys")

LISTED = (
    query.choices_parameter("state", "Only keys in this state; all but revoked ones unless given.", issuing.STATES),
    *query.PAGED,
)


def read_key_fields() -> dict[str, Any]:
    """The fields of a new key. Raises InvalidFields."""
    fields = load(API_KEY_IN, read_object())
    refuse_past(fields)
    return fields


def refuse_past(fields: dict[str, Any]) -> None:
    """An end that has passed is a mistake, not a wish. Raises InvalidFields."""
    end = fields.get("expires_at")
    if end is not None and end <= clock.now():
        raise InvalidFields([FieldError("expires_at", "in_past", "lies in the past: revoke the key instead")])


@blueprint.post("")
@scope("keys:manage", idempotent=True)
@contract(takes=ApiKeyIn, answers={201: NewApiKeyOut}, errors=("cannot_grant",))
def create_api_key() -> Response:
    """Make a key. Its `secret` is in this answer only. Restrictions that are left out are those of your key."""
    fields = read_key_fields()
    return answer_once(fields, lambda connection: json_answer(issuing.create(connection, g.principal, fields), 201))


@blueprint.get("")
@scope("keys:manage")
@contract(answers={200: page_of(ApiKeyOut)}, query=LISTED, errors=("invalid_cursor",))
def list_api_keys() -> Response:
    """Keys of this environment, newest first, without their secrets."""
    query.only(*LISTED)
    return answer_list(issuing.find, g.principal, states=query.choices("state", issuing.STATES))


@blueprint.get("/<key_id>")
@scope("keys:manage")
@contract(answers={200: ApiKeyOut})
def read_api_key(key_id: str) -> Response:
    """One key, with when and from where it was last used."""
    query.only()
    which = query.path_id("key", key_id)
    with transaction() as connection:
        return json_answer(issuing.get(connection, g.principal, which))


@blueprint.patch("/<key_id>")
@scope("keys:manage", idempotent=False)
@contract(takes=ApiKeyChangeIn, answers={200: ApiKeyOut}, errors=("cannot_grant", "conflict"))
def change_api_key(key_id: str) -> Response:
    """Change name, scopes or restrictions; null lifts a restriction. In force everywhere within 5 seconds."""
    query.only()
    which, body = query.path_id("key", key_id), read_object()
    fields = load(API_KEY_CHANGE_IN, body) | {name: None for name in CLEARABLE if name in body and body[name] is None}
    refuse_past(fields)
    with transaction() as connection:
        return json_answer(issuing.change(connection, g.principal, which, fields))


@blueprint.post("/<key_id>/rotate")
@scope("keys:manage", idempotent=True)
@contract(takes=RotationIn, answers={200: NewApiKeyOut}, errors=("cannot_grant", "conflict"))
def rotate_api_key(key_id: str) -> Response:
    """Give a key a new secret. The one before counts for `overlap_seconds` more, so nothing has to stop."""
    query.only()
    which, fields = query.path_id("key", key_id), load(ROTATION_IN, read_object())
    overlap = fields.get("overlap_seconds", 0)
    return answer_once(
        fields,
        lambda connection: json_answer(
            issuing.rotate(connection, g.principal, which, overlap_seconds=overlap, now=clock.now())
        ),
    )


@blueprint.delete("/<key_id>")
@scope("keys:manage", idempotent=False)
@contract(answers={204: None})
def revoke_api_key(key_id: str) -> Response:
    """End a key for good, on every process within 5 seconds. Repeating it is harmless."""
    query.only()
    which = query.path_id("key", key_id)
    with transaction() as connection:
        issuing.revoke(connection, g.principal, which, now=clock.now())
    return no_content()
