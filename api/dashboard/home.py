"""/dashboard: the overview, and what is shown when a page is not there. Never here: other pages."""

from flask import Blueprint
from werkzeug.wrappers import Response as AnyResponse

from api.dashboard import mistakes
from api.dashboard.doors import signed_in
from api.dashboard.rendering import page, tone
from common.domain.errors import NotFound

blueprint = Blueprint("dashboard", __name__, url_prefix="/dashboard")
blueprint.add_app_template_filter(tone, "tone")


@blueprint.get("")
@signed_in
def overview() -> AnyResponse:
    """What flows now, and what needs somebody."""
    return page("overview")


@blueprint.get("/<path:rest>")
@signed_in
def nowhere(rest: str) -> AnyResponse:
    """No page has this address."""
    raise NotFound(f"There is no page {rest[:80]}.")


mistakes.install(blueprint)
