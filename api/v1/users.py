"""People who sign in to the dashboard: invite, list, change, sign out, remove. They belong to an account.

An invitation's address is answered once; a repeated request with the same Idempotency-Key gets it again.
"""

from typing import Any

from flask import Blueprint, Response, current_app, g, request

from api import query
from api.answers import json_answer, no_content
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.idempotency import answer_once
from api.lists import answer_list
from api.v1.schemas.fields import load
from api.v1.schemas.out import page_of
from api.v1.schemas.users import (
    USER_CHANGE_IN,
    USER_IN,
    InvitedUserOut,
    SignedOutOut,
    UserChangeIn,
    UserIn,
    UserOut,
)
from common import clock
from common.db.session import transaction
from common.services import users

blueprint = Blueprint("users", __name__, url_prefix="/v1/users")

LINK = "/dashboard/link/"


def _invited(found: dict[str, Any]) -> dict[str, Any]:
    base = (current_app.extensions["settings"].public_url or request.host_url).rstrip("/")
    return found | {"invitation_url": f"{base}{LINK}{found.pop('invitation')}"}


@blueprint.post("")
@scope("users:manage", idempotent=True)
@contract(takes=UserIn, answers={201: InvitedUserOut}, errors=("cannot_grant", "conflict"))
def invite_user() -> Response:
    """Invite a person. Nothing is mailed: give them `invitation_url`, which counts once and for three days."""
    query.only()
    fields, now = load(USER_IN, read_object()), clock.now()
    return answer_once(
        fields, lambda connection: json_answer(_invited(users.invite(connection, g.principal, fields, now=now)), 201)
    )


@blueprint.get("")
@scope("users:manage")
@contract(answers={200: page_of(UserOut)}, query=query.PAGED, errors=("invalid_cursor",))
def list_users() -> Response:
    """People of the account, newest first."""
    query.only(*query.PAGED)
    return answer_list(users.find, g.principal)


@blueprint.get("/<user_id>")
@scope("users:manage")
@contract(answers={200: UserOut})
def read_user(user_id: str) -> Response:
    """One person."""
    query.only()
    which = query.path_id("usr", user_id)
    with transaction() as connection:
        return json_answer(users.get(connection, g.principal, which))


@blueprint.patch("/<user_id>")
@scope("users:manage", idempotent=False)
@contract(takes=UserChangeIn, answers={200: UserOut}, errors=("cannot_grant", "conflict"))
def change_user(user_id: str) -> Response:
    """Change name or role, in force with their next request. 409 for the last owner."""
    query.only()
    which, fields = query.path_id("usr", user_id), load(USER_CHANGE_IN, read_object())
    with transaction() as connection:
        return json_answer(users.change(connection, g.principal, which, fields))


@blueprint.post("/<user_id>/invitation")
@scope("users:manage", idempotent=True)
@contract(answers={200: InvitedUserOut}, errors=("cannot_grant",))
def reinvite_user(user_id: str) -> Response:
    """A new invitation, also for a forgotten password. The one before is void."""
    query.only()
    which, now = query.path_id("usr", user_id), clock.now()
    return answer_once(
        {}, lambda connection: json_answer(_invited(users.reinvite(connection, g.principal, which, now=now)))
    )


@blueprint.post("/<user_id>/sign-out")
@scope("users:manage", idempotent=False)
@contract(answers={200: SignedOutOut}, errors=("cannot_grant",))
def sign_out_user(user_id: str) -> Response:
    """End every session of a person, at once."""
    query.only()
    which = query.path_id("usr", user_id)
    with transaction() as connection:
        return json_answer({"sessions": users.sign_out(connection, g.principal, which)})


@blueprint.delete("/<user_id>")
@scope("users:manage", idempotent=False)
@contract(answers={204: None}, errors=("cannot_grant", "conflict"))
def remove_user(user_id: str) -> Response:
    """Let a person in no more, at once. 409 for the last owner."""
    query.only()
    which = query.path_id("usr", user_id)
    with transaction() as connection:
        users.remove(connection, g.principal, which, now=clock.now())
    return no_content()
