"""What the short way (lane.py) found out before it left a request to the application. Never here: deciding."""

from dataclasses import dataclass

from flask import request

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
