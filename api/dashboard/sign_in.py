"""Getting in and out: password, one-time links, sign-out here and everywhere, and what a session prefers.

Never here: how a password is kept (services/passwords.py), or pages about mail.
"""

import hashlib
from typing import Any
from uuid import UUID

from flask import Blueprint, g, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from api import ratelimit
from api.auth import caller_ip, public
from api.dashboard import mistakes
from api.dashboard.doors import current_token, drop, inside, keep, refuse_strangers, signed_in
from api.dashboard.rendering import page
from api.dashboard.words import LANGUAGES
from common import clock
from common.db.session import transaction
from common.domain.ids import encode
from common.services import auditing, passwords, sessions, users
from common.services.auditing import Act

blueprint = Blueprint("sign_in", __name__, url_prefix="/dashboard")

TRIES_OF_ADDRESS, TRIES_OF_USER = 20, 10
"""Failed and successful sign-ins that one network address, and one user, may try in a minute."""
CHOICES = {"environment": ("live", "test"), "language": tuple(LANGUAGES), "theme": ("auto", "light", "dark")}


def _may_try(email: str) -> bool:
    """Whether this is one of the few tries of a minute; the one that is over them learns nothing about a password."""
    who = hashlib.sha256(email.lower().encode("utf-8", "replace")).hexdigest()[:32]
    found = [
        ratelimit.limiter().take(f"sign-in:{caller_ip()}", TRIES_OF_ADDRESS),
        ratelimit.limiter().take(f"sign-in-user:{who}", TRIES_OF_USER),
    ]
    return all(each.allowed for each in found)


def _let_in(user_id: Any, back: str | None) -> AnyResponse:
    with transaction() as connection:
        token = sessions.start(
            connection,
            user_id,
            now=clock.now(),
            ip=caller_ip(),
            agent=request.headers.get("User-Agent", ""),
            before=current_token(),
        )
    response = redirect(inside(back), 303)
    keep(response, token)
    return response


@blueprint.get("/sign-in")
@public
def ask_to_sign_in() -> AnyResponse:
    """The form."""
    return page("sign_in", back=inside(request.args.get("next")), failed=None, email="")


@blueprint.post("/sign-in")
@public
def sign_in() -> AnyResponse:
    """Address and password against what is kept; the same answer and time for an unknown address."""
    refuse_strangers()
    email, password = request.form.get("email", "").strip()[:254], request.form.get("password", "")[: passwords.MOST]
    back = request.form.get("next")
    if not _may_try(email):
        return page("sign_in", 429, back=inside(back), failed="many", email=email)
    with transaction() as connection:
        row = users.of_address(connection, email)
    if not passwords.prove(row.password_hash if row else None, password):
        return page("sign_in", 401, back=inside(back), failed="wrong", email=email)
    return _let_in(row.id, back)


@blueprint.get("/link/<token>")
@public
def open_link(token: str) -> AnyResponse:
    """What a one-time link leads to. It changes nothing: programs open links too."""
    with transaction() as connection:
        row = users.of_link(connection, token, now=clock.now())
    if row is None:
        return page("link", 404, row=None, failed=None)
    return page("link", row=row, failed=None)


@blueprint.post("/link/<token>")
@public
def use_link(token: str) -> AnyResponse:
    """Use the link up: choose a password where it asks for one, and be signed in."""
    refuse_strangers()
    if not _may_try(token[:8]):
        return page("link", 429, row=None, failed="many")
    now = clock.now()
    with transaction() as connection:
        row = users.of_link(connection, token, now=now)
    if row is None:
        return page("link", 404, row=None, failed=None)
    kept = None
    if row.link_kind == "password":
        failed = _fault(request.form)
        if failed:
            return page("link", 422, row=row, failed=failed)
        kept = passwords.digest(request.form["password"])
    with auditing.watching(_act("use_link", row.id)), transaction() as connection:
        if users.of_link(connection, token, now=now, lock=True) is None:  # another tab was first
            return page("link", 404, row=None, failed=None)
        users.use_link(connection, row.id, name=request.form.get("name", "").strip()[:100], password_hash=kept)
        if kept is not None:
            sessions.end_all(connection, row.id)
    return _let_in(row.id, None)


def _act(action: str, user_id: UUID) -> Act:
    """What a person does to their own account, as the audit log has it."""
    assert request.url_rule is not None
    route = f"{request.method} {request.url_rule.rule.replace('<', '{').replace('>', '}')}"
    told = {"given": ["password"] if request.form.get("password") else [], "values": {}}
    return Act(action, route, lambda: told, user_id=user_id, object_id=encode("usr", user_id), request_id=g.request_id)


def _fault(form: Any) -> str | None:
    password = form.get("password", "")
    if len(password) < passwords.LEAST:
        return "short"
    return "long" if len(password) > passwords.MOST else None


@blueprint.post("/sign-out")
@signed_in
def sign_out() -> AnyResponse:
    """End this session, or with `everywhere` all of this person's."""
    with transaction() as connection:
        if request.form.get("everywhere"):
            sessions.end_all(connection, g.signed_in.user_id)
        else:
            sessions.end(connection, current_token() or "")
    response = redirect("/dashboard/sign-in", 303)
    drop(response)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@blueprint.post("/preferences")
@signed_in
def prefer() -> AnyResponse:
    """Live or test, language, light or dark: kept with the session."""
    for name, allowed in CHOICES.items():
        value = request.form.get(name)
        if value in allowed:
            with transaction() as connection:
                sessions.prefer(connection, g.signed_in.id, name, value)
    return redirect(inside(request.form.get("next")), 303)


@blueprint.get("/me")
@signed_in
def read_me() -> AnyResponse:
    """The person's own page: sessions and password."""
    return _me(None)


def _me(said: str | None, status: int = 200) -> AnyResponse:
    with transaction() as connection:
        found = sessions.of_user(connection, g.signed_in.user_id, now=clock.now())
        row = users.of_address(connection, g.signed_in.email)
    return page("me", status, sessions=found, said=said, has_password=bool(row and row.password_hash))


@blueprint.post("/me/password")
@signed_in
def change_password() -> AnyResponse:
    """Another password. Every session ends, and this one goes on as a new one."""
    if not _may_try(g.signed_in.email):
        return _me("many", 429)
    with transaction() as connection:
        row = users.of_address(connection, g.signed_in.email)
    if row.password_hash and not passwords.prove(row.password_hash, request.form.get("current", "")):
        return _me("wrong", 401)
    failed = _fault(request.form)
    if failed:
        return _me(failed, 422)
    kept = passwords.digest(request.form["password"])
    with auditing.watching(_act("change_password", row.id)), transaction() as connection:
        users.use_link(connection, row.id, name=None, password_hash=kept)
        sessions.end_all(connection, row.id)
    return _let_in(row.id, "/dashboard/me")


mistakes.install(blueprint)
