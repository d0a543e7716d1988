"""The quota on every answer: X-RateLimit-*, RateLimit, 429. Counting is `common/limits.py`."""

from flask import Response, current_app, g

from api.handover import tried
from common.domain.errors import RateLimited
from common.domain.principals import Principal
from common.limits import Limiter, Verdict
from common.services import quotas

AUTH_FAILURES_PER_MINUTE = 10


def limiter() -> Limiter:
    """The limiter of this app."""
    found: Limiter = current_app.extensions["limiter"]
    return found


def charge(principal: Principal, policy: str, cost: int = 1) -> None:
    """Count this request for its account, and for its key where that has a limit of its own. Raises RateLimited."""
    before = tried()
    first = before is not None and "verdict" not in g
    verdict = before.verdict if before is not None and first else quotas.take(limiter(), principal, policy, cost)
    g.verdict, g.policy = verdict, policy
    if not verdict.allowed:
        raise RateLimited(
            f"More than {verdict.limit} requests in 60 seconds: wait {verdict.wait} s.", retry_after=verdict.wait
        )


def charge_failure(ip: str) -> None:
    """Count a failed authentication of this address. Raises RateLimited from the eleventh in a minute."""
    verdict = limiter().take(f"auth:{ip}", AUTH_FAILURES_PER_MINUTE)
    g.verdict, g.policy = verdict, "auth"
    if not verdict.allowed:
        raise RateLimited(
            f"Too many failed authentications from your address: wait {verdict.wait} s.", retry_after=verdict.wait
        )


def add_headers(response: Response, ip: str) -> None:
    """The quota headers; a request that was never counted shows the bucket of its address."""
    verdict: Verdict | None = g.get("verdict")
    if verdict is None:
        verdict = limiter().take(f"auth:{ip}", AUTH_FAILURES_PER_MINUTE, 0)
    response.headers.extend(headers_of(verdict, g.get("policy", "auth")))


def headers_of(verdict: Verdict, policy: str) -> list[tuple[str, str]]:
    """The quota headers of one verdict."""
    headers = [
        ("X-RateLimit-Limit", str(verdict.limit)),
        ("X-RateLimit-Remaining", str(verdict.remaining)),
        ("X-RateLimit-Reset", str(verdict.reset)),
        ("RateLimit-Policy", f'"{policy}";q={verdict.limit};w=60'),
        ("RateLimit", f'"{policy}";r={verdict.remaining};t={verdict.wait}'),
    ]
    if verdict.degraded:
        headers.append(("X-RateLimit-Degraded", "1"))
    return headers
