"""take(...): one piece of work counted for the key that asks for it and for its account, by HTTP and by SMTP alike.

Never here: how buckets count (common/limits.py), or what a caller is told.
"""

from common.domain.principals import Principal
from common.limits import Limiter, Verdict


def take(by: Limiter, principal: Principal, policy: str, cost: int = 1) -> Verdict:
    """Take `cost` from the key's own bucket, if it has one, and from its account's; the verdict that is tighter."""
    limit, own = principal.requests_per_minute, principal.key_requests_per_minute
    tight = None if own is None or own >= limit else by.take(f"{policy}:key:{principal.key_id}:{own}", own, cost)
    if tight is not None and not tight.allowed:
        return tight
    verdict = by.take(f"{policy}:{principal.account_id}:{limit}", limit, cost)
    return tight if tight is not None and verdict.allowed and tight.remaining <= verdict.remaining else verdict
