"""The shape of TLS results."""

from api.v1.schemas import out
from common.services.tls_results import POLICY_TYPES


class TlsFailureOut(out.Out):
    """Sessions with one host that failed for one reason."""

    mx = out.text("The mail host.", "mx1.example.net")
    result_type = out.text("Why, in a word of RFC 8460 4.3.", "certificate-expired")
    sessions = out.whole("How many.", 3)


class TlsResultOut(out.Out):
    """How TLS went with a domain's mail hosts on one day."""

    day = out.text("The day, in UTC.", "2026-04-19", format="date")
    policy_domain = out.text("The recipients' domain.", "example.net")
    policy_type = out.text(f"What it has published: {', '.join(POLICY_TYPES)}.", "sts")
    successful_sessions = out.whole("Sessions in which TLS was what it had to be.", 120)
    failed_sessions = out.whole("Sessions in which it was not.", 3)
    failures = out.listed(TlsFailureOut, "Those, by host and reason.")
