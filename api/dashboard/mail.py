"""Messages and the inbox: the list, one message with its whole story, and mail as it arrived.

Never here: other lists (lists.py), or changing anything (actions.py).
"""

from datetime import timedelta
from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response as AnyResponse

from api.dashboard import mistakes
from api.dashboard.calls import ask
from api.dashboard.doors import signed_in
from api.dashboard.lists import found_or_missing, given
from api.dashboard.rendering import frame, page
from api.dashboard.stories import told
from api.dashboard.words import noted as n
from common import clock
from common.domain.lifecycle import STATUSES
from common.domain.tiers import TIERS

blueprint = Blueprint("mail", __name__, url_prefix="/dashboard")

FILTERS = ("q", "status", "priority", "recipient", "tag", "template", "stream", "batch_id")
_TIMES = ("created_after", "created_before")
SPANS = {n("last hour"): timedelta(hours=1), n("last 24 hours"): timedelta(days=1), n("last 7 days"): timedelta(days=7)}
VIEWS = ("html", "text", "headers", "source")


@blueprint.get("/messages")
@signed_in
def list_messages() -> AnyResponse:
    """Messages, newest first, searched and filtered."""
    chosen: dict[str, Any] = given(*FILTERS, *_TIMES)
    asked = chosen | {name: moment(chosen[name]) for name in _TIMES if name in chosen}
    reply = ask("GET", "/v1/messages", {**asked, **given("cursor"), "limit": 50})
    spans = [(f"{clock.now() - each:%Y-%m-%dT%H:%M}", label) for label, each in SPANS.items()]
    return page("messages", reply=reply, chosen=chosen, statuses=STATUSES, tiers=TIERS, spans=spans)


def moment(text: str) -> str:
    """What a date field holds, as the API takes it."""
    if len(text) == 10:
        return f"{text}T00:00:00Z"
    return text if text.endswith("Z") or "+" in text else f"{text}Z"


@blueprint.get("/messages/<message_id>")
@signed_in
def read_message(message_id: str) -> AnyResponse:
    """One message: where it is, why, since when, what comes next, and everything that happened."""
    path = f"/v1/messages/{message_id}"
    message = found_or_missing(ask("GET", path))
    events, attempts = ask("GET", f"{path}/events"), ask("GET", f"{path}/attempts")
    return page(
        "message",
        message=message,
        story=told(events.rows, attempts.rows),
        attempts=attempts.rows,
        content=ask("GET", f"{path}/content"),
        hooks=ask("GET", f"{path}/webhook-deliveries"),
        returned=ask("GET", f"{path}/returned-mails").rows,
    )


@blueprint.get("/messages/<message_id>/trace")
@signed_in
def read_message_trace(message_id: str) -> AnyResponse:
    """Everything known of one message in one timeline, and the decision about its way."""
    path = f"/v1/messages/{message_id}"
    trace = found_or_missing(ask("GET", f"{path}/trace"))
    return page("trace", trace=trace, routing=ask("GET", f"{path}/routing"))


@blueprint.get("/messages/<message_id>/html")
@signed_in
def read_message_html(message_id: str) -> AnyResponse:
    """What the recipient sees, for the frame."""
    found = found_or_missing(ask("GET", f"/v1/messages/{message_id}/content"))
    return frame(found["html"])


@blueprint.get("/inbox")
@signed_in
def list_inbox() -> AnyResponse:
    """Mail that the built-in mailbox caught, newest first."""
    chosen = given("recipient", "cursor")
    return page("inbox", reply=ask("GET", "/v1/mailbox/messages", {**chosen, "limit": 30}), chosen=chosen)


@blueprint.get("/inbox/<mail_id>")
@signed_in
def read_mail(mail_id: str) -> AnyResponse:
    """One caught mail: as a client shows it, and as it came."""
    mail = found_or_missing(ask("GET", f"/v1/mailbox/messages/{mail_id}"))
    default = "html" if mail["html"] else "text"
    view = request.args.get("view", default)
    return page("mail", mail=mail, view=view if view in VIEWS else default, views=VIEWS)


@blueprint.get("/inbox/<mail_id>/html")
@signed_in
def read_mail_html(mail_id: str) -> AnyResponse:
    """Its HTML, for the frame."""
    return frame(found_or_missing(ask("GET", f"/v1/mailbox/messages/{mail_id}"))["html"])


mistakes.install(blueprint)
