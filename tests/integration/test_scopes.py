"""Every route beside every scope: a key opens what its scopes say, and nothing else (threats.md E4)."""

import re
from typing import Any

import pytest
from werkzeug.routing import Rule

from api import create_app
from common.config import read_settings
from common.db import session
from common.domain.principals import SCOPES
from common.services import keys
from common.services.quickstart import QUICKSTART_ACCOUNT
from tests.callers import Api

APP = create_app(read_settings({}))


def _scope(rule: Rule) -> str:
    return str(getattr(APP.view_functions[rule.endpoint], "scope", ""))


ROUTES = [rule for rule in APP.url_map.iter_rules() if rule.rule.startswith("/v1/") and _scope(rule) in SCOPES]
ENDLESS = {"events.follow_events"}


@pytest.fixture(scope="module")
def tokens_by_scope(api: Api) -> dict[str, tuple[str, str]]:
    """For each scope a key with this one alone, and one with every other but `admin`."""
    found = {}
    with session.transaction() as connection:
        for name in SCOPES:
            others = [each for each in SCOPES if each not in (name, "admin")]
            made = [
                keys.create(connection, QUICKSTART_ACCOUNT, environment="live", scopes=scopes, name=name).token
                for scopes in ([name], others)
            ]
            found[name] = (made[0], made[1])
    return found


@pytest.mark.parametrize("rule", ROUTES, ids=str)
def test_e4_a_route_opens_without_its_scope_or_not_with_it(
    api: Api, tokens_by_scope: dict[str, tuple[str, str]], rule: Rule
) -> None:
    own, others = tokens_by_scope[_scope(rule)]
    path = re.sub("<[^>]+>", "x", rule.rule)
    for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
        refused = api.call(method, path, {}, others)
        assert (refused.status_code, _code(refused)) == (403, "insufficient_scope"), (method, path)
        if rule.endpoint not in ENDLESS and method in ("GET", "POST", "PATCH"):
            assert _code(api.call(method, path, {}, own)) != "insufficient_scope", (method, path)


def _code(answer: Any) -> str:
    return str((answer.get_json(silent=True) or {}).get("code", ""))


def test_e4_a_scope_opens_nothing() -> None:
    unused = set(SCOPES) - {_scope(rule) for rule in ROUTES}
    assert not unused, f"{unused}: no route asks for it"
