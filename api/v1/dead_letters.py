"""Dead letters: messages that ended badly, for a person to inspect."""

from flask import Blueprint, Response, g

from api import paging, query
from api.auth import scope
from api.contract import contract
from api.v1.schemas.dead_letters import DeadLetterOut
from api.v1.schemas.out import page_of
from common.db.session import transaction
from common.services import dead_letters

blueprint = Blueprint("dead_letters", __name__, url_prefix="/v1/dead-letters")


@blueprint.get("")
@scope("messages:read")
@contract(answers={200: page_of(DeadLetterOut)}, query=query.PAGED, errors=("invalid_cursor",))
def list_dead_letters() -> Response:
    """Dead letters of this key's environment, newest first, keyed on message_id."""
    query.only(*query.PAGED)
    mark = paging.filter_hash(g.principal.account_id, {})
    before, limit = query.cursor(mark), query.limit()
    with transaction() as connection:
        data, more, position = dead_letters.find(connection, g.principal, limit=limit, before=before)
    return paging.page(data, more, position, mark)
