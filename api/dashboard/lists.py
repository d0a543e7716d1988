"""Pages that are lists of one request: keys, people, suppressions, domains, webhooks, templates, dead letters, queues.

Never here: messages (mail.py), or changing anything (actions.py).
"""

from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response as AnyResponse

from api.dashboard import mistakes
from api.dashboard.calls import Reply, ask
from api.dashboard.doors import signed_in
from api.dashboard.rendering import frame, page
from common.domain.errors import NotFound

blueprint = Blueprint("lists", __name__, url_prefix="/dashboard")


def given(*names: str) -> dict[str, Any]:
    """The filters that the address of a page holds, without the empty ones."""
    found = {name: [text for text in request.args.getlist(name) if text.strip()] for name in names}
    return {name: texts if len(texts) > 1 else texts[0].strip() for name, texts in found.items() if texts}


def found_or_missing(reply: Reply) -> Any:
    """The body of an answer about one thing. Raises NotFound with the API's words."""
    if not reply.ok:
        raise NotFound(reply.problem)
    return reply.body


@blueprint.get("/suppressions")
@signed_in
def list_suppressions() -> AnyResponse:
    """Addresses that receive nothing."""
    chosen = given("q", "reason", "cursor")
    return page("suppressions", reply=ask("GET", "/v1/suppressions", {**chosen, "limit": 50}), chosen=chosen)


@blueprint.get("/dead-letters")
@signed_in
def list_dead_letters() -> AnyResponse:
    """Messages that ended badly, by cause."""
    chosen = given("state", "cause", "recipient", "cursor")
    causes = ask("GET", "/v1/dead-letters/causes", {"state": "waiting"})
    reply = ask("GET", "/v1/dead-letters", {"state": "waiting", **chosen, "limit": 25})
    return page("dead_letters", reply=reply, causes=causes, chosen=chosen)


@blueprint.get("/templates")
@signed_in
def list_templates() -> AnyResponse:
    """Templates and their versions in use."""
    chosen = given("cursor")
    return page("templates", reply=ask("GET", "/v1/templates", {**chosen, "limit": 50}))


@blueprint.get("/templates/<template>")
@signed_in
def read_template(template: str) -> AnyResponse:
    """One template: its draft filled with its examples, and its versions."""
    found = found_or_missing(ask("GET", f"/v1/templates/{template}"))
    preview = ask("POST", f"/v1/templates/{template}/preview", body={})
    versions = ask("GET", f"/v1/templates/{template}/versions", {"limit": 20})
    return page("template", template=found, preview=preview, versions=versions)


@blueprint.get("/templates/<template>/html")
@signed_in
def read_template_html(template: str) -> AnyResponse:
    """The draft filled with its examples, for the frame."""
    return frame(found_or_missing(ask("POST", f"/v1/templates/{template}/preview", body={}))["html"])


@blueprint.get("/domains")
@signed_in
def list_domains() -> AnyResponse:
    """Sending domains."""
    return page("domains", reply=ask("GET", "/v1/domains", {**given("cursor"), "limit": 50}))


@blueprint.get("/domains/<domain_id>")
@signed_in
def read_domain(domain_id: str) -> AnyResponse:
    """One domain: each record, found against expected."""
    return page("domain", domain=found_or_missing(ask("GET", f"/v1/domains/{domain_id}")))


@blueprint.get("/webhooks")
@signed_in
def list_webhooks() -> AnyResponse:
    """Endpoints that are told events."""
    return page("webhooks", reply=ask("GET", "/v1/webhooks", {**given("cursor"), "limit": 50}))


@blueprint.get("/webhooks/<webhook_id>")
@signed_in
def read_webhook(webhook_id: str) -> AnyResponse:
    """One endpoint: how it is doing and what it was told."""
    chosen = given("state", "cursor")
    webhook = found_or_missing(ask("GET", f"/v1/webhooks/{webhook_id}"))
    reply = ask("GET", f"/v1/webhooks/{webhook_id}/deliveries", {**chosen, "limit": 25})
    return page("webhook", webhook=webhook, reply=reply, chosen=chosen)


@blueprint.get("/keys")
@signed_in
def list_keys() -> AnyResponse:
    """API keys of this environment."""
    return page("keys", reply=ask("GET", "/v1/api-keys", {**given("cursor", "state"), "limit": 50}))


@blueprint.get("/people")
@signed_in
def list_people() -> AnyResponse:
    """Who may sign in."""
    return page("people", reply=ask("GET", "/v1/users", {**given("cursor"), "limit": 50}))


@blueprint.get("/queues")
@signed_in
def list_queues() -> AnyResponse:
    """How each queue stands, and what is held back."""
    holds = ask("GET", "/v1/holds", {"state": "active", "limit": 50})
    return page("queues", reply=ask("GET", "/v1/queues"), holds=holds)


mistakes.install(blueprint)
