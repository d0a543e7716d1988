"""Settings of the account, the audit log and the workers: who may what, who did what, and what runs.

Never here: keys and people as lists of their own (lists.py).
"""

from importlib.metadata import version
from typing import Any

from flask import Blueprint
from werkzeug.wrappers import Response as AnyResponse

from api.dashboard import mistakes
from api.dashboard.calls import ask
from api.dashboard.doors import signed_in
from api.dashboard.lists import given
from api.dashboard.mail import moment
from api.dashboard.rendering import page
from api.dashboard.words import noted as n

blueprint = Blueprint("settings", __name__, url_prefix="/dashboard")

SPOKEN = (
    n("person"), n("key"), n("command"), n("request"), n("event"), n("attempt"), n("smtp"), n("webhook"), n("primary"),
    n("standby"), n("send"), n("reject"),
)  # fmt: skip
"""Words of answers that pages speak as they are."""

_TIMES = ("created_after", "created_before")


@blueprint.get("/settings")
@signed_in
def read_settings() -> AnyResponse:
    """The account, whom it lets in, and how the installation is."""
    return page(
        "settings",
        account=ask("GET", "/v1/account"),
        senders=ask("GET", "/v1/senders", {"limit": 10}),
        people=ask("GET", "/v1/users", {"limit": 10}),
        keys=ask("GET", "/v1/api-keys", {"state": "active", "limit": 10}),
        health=ask("GET", "/readyz"),
        version=version("sendarix"),
    )


@blueprint.get("/audit")
@signed_in
def list_audit() -> AnyResponse:
    """Who changed what, newest first."""
    chosen: dict[str, Any] = given("author", "object", "action", *_TIMES, "everywhere")
    asked = chosen | {name: moment(chosen[name]) for name in _TIMES if name in chosen}
    return page("audit", reply=ask("GET", "/v1/audit", {**asked, **given("cursor"), "limit": 50}), chosen=chosen)


@blueprint.get("/workers")
@signed_in
def list_workers() -> AnyResponse:
    """The processes that do the work."""
    return page("workers", reply=ask("GET", "/v1/workers"))


mistakes.install(blueprint)
