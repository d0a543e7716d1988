"""/dashboard and /dashboard/analytics: what flows, what became of it, and what needs somebody.

Never here: other pages, or counting (the API's analytics do).
"""

from datetime import timedelta
from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response as AnyResponse

from api.dashboard import charts, mistakes
from api.dashboard.calls import Reply, ask
from api.dashboard.doors import signed_in
from api.dashboard.rendering import page, tone
from common import clock
from common.clock import rfc3339
from common.domain.analytics import floored
from common.domain.errors import NotFound

blueprint = Blueprint("dashboard", __name__, url_prefix="/dashboard")
blueprint.add_app_template_filter(tone, "tone")

RANGES = {
    "day": ("hour", timedelta(hours=1), 24),
    "week": ("hour", timedelta(hours=1), 168),
    "month": ("day", timedelta(days=1), 30),
}
GROUPS = ("recipient_domain", "provider", "template", "tag", "sender_domain", "tier", "key")


def _asked(span: str) -> tuple[dict[str, Any], timedelta, int]:
    interval, step, count = RANGES[span]
    unit = timedelta(hours=1) if interval == "hour" else timedelta(days=1)
    start = floored(clock.now() - step * count + unit, interval)
    return {"interval": interval, "start": rfc3339(start)}, step, count


def _chart(reply: Reply, step: timedelta, count: int) -> dict[str, Any] | None:
    return charts.stacked(reply.rows, reply.body["start"], step, count) if reply.ok else None


@blueprint.get("")
@signed_in
def overview() -> AnyResponse:
    """The last day at a glance, in six requests of the API whatever there is."""
    asked, step, count = _asked("day")
    hours = ask("GET", "/v1/analytics", asked)
    identity = ask("GET", "/v1/analytics/identity")
    return page(
        "overview",
        hours=hours,
        chart=_chart(hours, step, count),
        tiers=ask("GET", "/v1/analytics", {"interval": "total", "start": asked["start"], "group_by": "tier"}),
        identity=identity,
        shares=charts.shares(identity.body) if identity.ok else [],
        queues=ask("GET", "/v1/queues"),
        letters=ask("GET", "/v1/dead-letters", {"state": "waiting", "limit": 6}),
        newest=ask("GET", "/v1/messages", {"limit": 6}),
    )


@blueprint.get("/analytics")
@signed_in
def analytics() -> AnyResponse:
    """Outcomes over a range, and by one of what mail has."""
    span = request.args.get("range", "day")
    group = request.args.get("group_by", "recipient_domain")
    span, group = span if span in RANGES else "day", group if group in GROUPS else "recipient_domain"
    asked, step, count = _asked(span)
    lines = ask("GET", "/v1/analytics", asked)
    groups = ask("GET", "/v1/analytics", {"interval": "total", "start": asked["start"], "group_by": group, "limit": 25})
    return page(
        "analytics", lines=lines, chart=_chart(lines, step, count), groups=groups, span=span, group=group,
        spans=tuple(RANGES), kinds=GROUPS, start=asked["start"],
    )  # fmt: skip


@blueprint.get("/<path:rest>")
@signed_in
def nowhere(rest: str) -> AnyResponse:
    """No page has this address."""
    raise NotFound(f"There is no page {rest[:80]}.")


mistakes.install(blueprint)
