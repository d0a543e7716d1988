"""Sources: the ways out. Make, list, read, change, remove, test; and what is known of relay providers.

A password goes in and never comes out. Tests are made by delivery workers, which alone connect.
"""

from typing import Any

from flask import Blueprint, Response, current_app, g

from api import query
from api.answers import json_answer, no_content
from api.auth import scope
from api.body import read_object
from api.contract import contract
from api.idempotency import answer_once
from api.lists import answer_list, answer_whole
from api.v1.schemas.fields import load
from api.v1.schemas.out import page_of
from api.v1.schemas.sources import (
    CLEARABLE,
    SOURCE_CHANGE_IN,
    SOURCE_IN,
    SOURCE_TEST_IN,
    SourceChangeIn,
    SourceIn,
    SourceOut,
    SourceProfilesOut,
    SourceTestIn,
    SourceTestOut,
)
from common.config import Settings
from common.db.session import transaction
from common.domain.ids import decode
from common.domain.profiles import PROFILES, Profile
from common.domain.source_rules import KINDS
from common.services import source_editing, source_tests

blueprint = Blueprint("sources", __name__, url_prefix="/v1/sources")
profiles = Blueprint("source_profiles", __name__, url_prefix="/v1/source-profiles")

LISTED = (query.choices_parameter("kind", "Only of this kind.", KINDS), *query.PAGED)


def _settings() -> Settings:
    found: Settings = current_app.extensions["settings"]
    return found


@blueprint.post("")
@scope("sources:write", idempotent=True)
@contract(takes=SourceIn, answers={201: SourceOut}, errors=("conflict",))
def create_source() -> Response:
    """Add a way out. A `profile` fills what is left out; direct and shared sources are an operator's to make."""
    query.only()
    fields = load(SOURCE_IN, read_object())
    return answer_once(
        fields, lambda connection: json_answer(source_editing.create(connection, _settings(), g.principal, fields), 201)
    )


@blueprint.get("")
@scope("sources:read")
@contract(answers={200: page_of(SourceOut)}, query=LISTED, errors=("invalid_cursor",))
def list_sources() -> Response:
    """The account's sources and the operator's shared ones, newest first."""
    query.only(*LISTED)
    return answer_list(source_editing.find, g.principal, kinds=query.choices("kind", KINDS))


@blueprint.get("/<source_id>")
@scope("sources:read")
@contract(answers={200: SourceOut})
def read_source(source_id: str) -> Response:
    """One source."""
    query.only()
    which = query.path_id("src", source_id)
    with transaction() as connection:
        return json_answer(source_editing.get(connection, g.principal, which))


@blueprint.patch("/<source_id>")
@scope("sources:write", idempotent=False)
@contract(takes=SourceChangeIn, answers={200: SourceOut}, errors=("conflict",))
def change_source(source_id: str) -> Response:
    """Change a source; null clears. In force within 5 seconds. A new host needs the password again."""
    query.only()
    which, body = query.path_id("src", source_id), read_object()
    cleared = {name: None for name in CLEARABLE if name in body and body[name] is None}
    fields = load(SOURCE_CHANGE_IN, body) | cleared
    with transaction() as connection:
        return json_answer(source_editing.change(connection, _settings(), g.principal, which, fields))


@blueprint.delete("/<source_id>")
@scope("sources:write", idempotent=False)
@contract(answers={204: None}, errors=("conflict",))
def delete_source(source_id: str) -> Response:
    """Remove a source and its password; 409 while mail waits to leave by it."""
    query.only()
    which = query.path_id("src", source_id)
    with transaction() as connection:
        source_editing.remove(connection, g.principal, which)
    return no_content()


@blueprint.post("/<source_id>/tests")
@scope("sources:write", idempotent=False)
@contract(takes=SourceTestIn, answers={202: SourceTestOut})
def test_source(source_id: str) -> Response:
    """Open a session by the source as mail would, without mail. Read the report at `/tests/{id}`."""
    query.only()
    which, fields = query.path_id("src", source_id), load(SOURCE_TEST_IN, read_object())
    with transaction() as connection:
        asked = source_tests.ask(connection, g.principal, which, recipient_domain=fields.get("recipient_domain"))
    test_id = decode("stt", asked["id"])
    assert test_id is not None
    source_tests.leave([test_id])
    return json_answer(asked, 202)


@blueprint.get("/<source_id>/tests")
@scope("sources:read")
@contract(answers={200: page_of(SourceTestOut)})
def list_source_tests(source_id: str) -> Response:
    """The last 20 tests of a source, newest first."""
    query.only()
    which = query.path_id("src", source_id)
    with transaction() as connection:
        found = source_tests.find(connection, g.principal, which)
    return answer_whole(found)


@blueprint.get("/<source_id>/tests/<test_id>")
@scope("sources:read")
@contract(answers={200: SourceTestOut})
def read_source_test(source_id: str, test_id: str) -> Response:
    """A test: `waiting` for a second or two, then `passed` or `failed` with the conversation and what to do."""
    query.only()
    which, test = query.path_id("src", source_id), query.path_id("stt", test_id)
    with transaction() as connection:
        return json_answer(source_tests.get(connection, g.principal, which, test))


@profiles.get("")
@scope("sources:read")
@contract(answers={200: SourceProfilesOut})
def list_source_profiles() -> Response:
    """What is known of relay providers: host, TLS, what user name and password are, limits, quirks."""
    query.only()
    return json_answer({"data": [_shown(each) for each in PROFILES.values()]})


def _shown(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "title": profile.title,
        "host": profile.host or None,
        "port": profile.port,
        "tls": profile.tls,
        "username": profile.username,
        "password": profile.password,
        "fixed_username": profile.fixed_username,
        "messages_per_second": profile.per_second or None,
        "messages_per_day": profile.per_day or None,
        "messages_per_connection": profile.most_mails,
        "rewrites_sender": profile.rewrites_sender,
        "signs": profile.signs,
        "note": profile.quirk or None,
        "guide": f"/docs/sources/{profile.name}",
    }
