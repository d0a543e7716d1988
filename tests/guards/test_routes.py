"""Every route says who may call it, and every mutating one whether it honours Idempotency-Key."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.routing import Rule

from api import create_app
from api.contract import Contract
from common.config import read_settings

APP = create_app(read_settings({}, mailbox_page=True))
ROUTES = [rule for rule in APP.url_map.iter_rules() if rule.endpoint != "static"]
_READS = {"GET", "HEAD", "OPTIONS"}


def view(rule: Rule) -> Callable[..., Any]:
    return APP.view_functions[rule.endpoint]


@pytest.mark.parametrize("rule", ROUTES, ids=str)
def test_a_route_declares_a_scope_or_is_public(rule: Rule) -> None:
    declared = hasattr(view(rule), "scope") != hasattr(view(rule), "public")
    assert declared, f"{rule}: put @scope(...) or @public on {rule.endpoint}, right under the route"


@pytest.mark.parametrize("rule", [rule for rule in ROUTES if (rule.methods or set()) - _READS], ids=str)
def test_a_mutating_route_declares_idempotency(rule: Rule) -> None:
    public = getattr(view(rule), "public", False)  # without an account there is no Idempotency-Key
    declared = public or getattr(view(rule), "idempotent", None) is not None
    assert declared, f"{rule}: say idempotent=True or False in @scope of {rule.endpoint}"


UNAUDITED = {
    "messages.send_message": "a message is the record of its own acceptance: key, request, time",
    "batches.send_batch": "the same of many",
}


def test_a_mutating_route_leaves_no_trace() -> None:
    """What they record is in tests/integration/test_audit.py, for every one of them."""
    changing = [rule for rule in ROUTES if (rule.methods or set()) - _READS and not hasattr(view(rule), "public")]
    assert {rule.endpoint for rule in changing if not getattr(view(rule), "audited", False)} == set(UNAUDITED)


@pytest.mark.parametrize("rule", [rule for rule in ROUTES if "POST" in (rule.methods or ())], ids=str)
def test_a_route_that_makes_something_repeats_it(rule: Rule) -> None:
    """A POST that answers 201 may be sent again after a lost answer, so it honours Idempotency-Key."""
    found = view(rule)
    made = 201 in getattr(found, "contract", Contract({})).answers
    assert not made or found.idempotent, (  # type: ignore[attr-defined]
        f"{rule}: say idempotent=True in @scope of {rule.endpoint} and answer through api/idempotency.py:answer_once"
    )


@pytest.mark.parametrize("rule", ROUTES, ids=str)
def test_a_route_has_a_sentence(rule: Rule) -> None:
    assert (view(rule).__doc__ or "").strip(), f"{rule}: {rule.endpoint} needs a docstring; it is the reference"


V1 = [rule for rule in ROUTES if rule.rule.startswith(("/v1", "/healthz", "/readyz"))]


@pytest.mark.parametrize("rule", V1, ids=str)
def test_a_route_has_no_contract(rule: Rule) -> None:
    assert isinstance(getattr(view(rule), "contract", None), Contract), (
        f"{rule}: put @contract(takes=..., answers={{200: ...}}) from api/contract.py on {rule.endpoint}, under @scope"
    )


@pytest.mark.parametrize("rule", V1, ids=str)
def test_a_route_refuses_a_parameter_of_its_contract(rule: Rule) -> None:
    """What `query.only` admits is what the contract tells: both take the same tuple."""
    found = view(rule)
    source = inspect.getsource(inspect.unwrap(found))
    told = bool(found.contract.query)  # type: ignore[attr-defined]
    assert ("query.only(*" in source) == told, f"{rule}: give the contract's query to query.only as well"
