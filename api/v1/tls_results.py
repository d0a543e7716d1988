"""TLS results: how encryption went with the mail hosts of the world, day by day. For the operator."""

from flask import Blueprint, Response

from api import query
from api.auth import scope
from api.contract import Parameter, contract
from api.lists import answer_list
from api.v1.schemas.out import page_of
from api.v1.schemas.tls_results import TlsResultOut
from common.services import tls_results
from common.services.tls_results import POLICY_TYPES

blueprint = Blueprint("tls_results", __name__, url_prefix="/v1/tls-results")

LISTED = (
    query.text_parameter("domain", "Only mail to this domain.", 253),
    query.choices_parameter("policy_type", "Only under such a policy.", POLICY_TYPES),
    query.moment_parameter("since", "Only days from that of this time on."),
    query.moment_parameter("until", "Only days before that of this time."),
    Parameter("failed", "Only where a session failed.", {"type": "string", "enum": ["true"]}),
    *query.PAGED,
)


@blueprint.get("")
@scope("admin")
@contract(answers={200: page_of(TlsResultOut)}, query=LISTED, errors=("invalid_cursor",))
def list_tls_results() -> Response:
    """Sessions by day, recipient domain and policy, the newest day first: what a report of RFC 8460 says."""
    query.only(*LISTED)
    domain = query.text("domain", 253)
    return answer_list(
        tls_results.find,
        domain=domain and domain.lower(),
        policy_types=query.choices("policy_type", POLICY_TYPES),
        since=query.moment("since"),
        until=query.moment("until"),
        failed=bool(query.choices("failed", ("true",))),
    )
