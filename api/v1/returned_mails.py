"""Returned mails: what came back from the world about a message, and what it did."""

from flask import Blueprint, Response, g

from api import query
from api.auth import scope
from api.contract import contract
from api.lists import answer_whole
from api.v1.schemas import out
from common.db.session import transaction
from common.services import inbound

blueprint = Blueprint("returned_mails", __name__, url_prefix="/v1/messages/<message_id>/returned-mails")


class ReturnedMailOut(out.Out):
    """A bounce, complaint, answer or wish to leave that arrived by mail."""

    id = out.ident("inb", "The mail.")
    received_at = out.moment("When it came.")
    sender = out.text("Its envelope sender; bounces have none.", "")
    kind = out.text("bounce, delay, complaint, auto_reply, unsubscribe or unknown.", "bounce")
    effect = out.text("bounced, deferred, complained, unsubscribed, or none when it changed nothing.", "bounced")
    categories = out.listed(out.text("A category."), "Why, as for replies during delivery.")
    size = out.whole("Octets.", 4711)


@blueprint.get("")
@scope("messages:read")
@contract(answers={200: out.page_of(ReturnedMailOut)})
def list_returned_mails(message_id: str) -> Response:
    """What came back by mail about one message, oldest first. Kept for 30 days."""
    query.only()
    which = query.path_id("msg", message_id)
    with transaction() as connection:
        found = inbound.of_message(connection, g.principal, which)
    return answer_whole(found)
