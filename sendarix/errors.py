"""What can go wrong in a call.

    SendarixError
    ├── Unreachable   no answer came
    └── ApiError      the answer was a refusal

Never here: what to do about it.
"""

from collections.abc import Mapping
from typing import Any


class SendarixError(Exception):
    """Whatever this package raises on purpose."""


class Unreachable(SendarixError):
    """No answer came within the last attempt. `url` is where it was sought."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} cannot be reached: {reason}")
        self.url, self.reason = url, reason


class ApiError(SendarixError):
    """The API refused. `problem` is its body (RFC 9457), empty when something else answered."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or f"HTTP status {status}"))
        self.status = status
        self.problem = problem

    @property
    def code(self) -> str:
        """What to decide by: it does not change between versions."""
        return str(self.problem.get("code", ""))

    @property
    def retryable(self) -> bool:
        """Whether the same request may work later."""
        return bool(self.problem.get("retryable", self.status >= 500))

    @property
    def errors(self) -> list[Mapping[str, str]]:
        """The places that are wrong: field, code, message, and pointer or location."""
        return list(self.problem.get("errors", ()))

    @property
    def request_id(self) -> str | None:
        """Finds the request in the logs of the server."""
        return self.problem.get("request_id")
