"""What is known of a request before the application sees it: by the short way (lane.py), or by a page that asks.

Never here: deciding.
"""

from dataclasses import dataclass

from flask import request

from common.domain.principals import Principal
from common.limits import Verdict

TRIED = "sendarix.tried"


@dataclass(slots=True)
class Tried:
    """The request's id, the quota it was counted against, and what the verb raised, if it was called."""

    request_id: str
    verdict: Verdict
    error: Exception | None = None


def tried() -> Tried | None:
    """Of the current request; None when it was not counted before."""
    found: Tried | None = request.environ.get(TRIED)
    return found


INSIDE = "sendarix.inside"
"""Where a request that the dashboard makes inside this process holds its Principal. No header can reach it."""


def inner() -> Principal | None:
    """Who a page asks for; None for every request that came from outside."""
    found: Principal | None = request.environ.get(INSIDE)
    return found
