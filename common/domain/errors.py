"""Every error a caller can see.

DomainError
├── InvalidRequest       400  cannot be read as a request
├── Unauthenticated      401  no key, or one that does not count
├── Forbidden            403  the key is right, the act is not
├── NotFound             404  unknown here, or another account's
│   └── NotCancellable   404  exists, but too late
├── RequestTimeout       408  the body came too slowly
├── Conflict             409  somebody else is at it, or the state moved
├── ContentPurged        410  the content is gone, the facts remain
├── TooLarge             413
├── UnsupportedMedia     415
├── InvalidFields        422  readable, and wrong in named places
├── RateLimited          429
└── Unavailable          503  nothing was written; try again
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldError:
    """One place that is wrong. `field` is dotted; `code` is of the closed list in docs/api.md."""

    field: str
    code: str
    message: str
    location: str = "body"

    @property
    def pointer(self) -> str:
        """JSON pointer (RFC 6901) as a URI fragment."""
        steps = [step.replace("~", "~0").replace("/", "~1") for step in self.field.split(".") if step]
        return "#/" + "/".join(steps) if steps else "#"


class DomainError(Exception):
    """An error with a status, a code and a sentence that says what to do next."""

    status = 500
    code = "internal_error"
    title = "Internal error"
    retryable = False

    def __init__(
        self,
        detail: str = "",
        *,
        code: str | None = None,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
        extra: dict[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or type(self).code
        self.errors = tuple(errors)[:100]
        self.retry_after = retry_after
        self.extra = extra or {}


class InvalidRequest(DomainError):
    status, code, title = 400, "invalid_request", "The request cannot be read"


class Unauthenticated(DomainError):
    status, code, title = 401, "invalid_api_key", "Not authenticated"


class Forbidden(DomainError):
    status, code, title = 403, "forbidden", "Not allowed"


class NotFound(DomainError):
    status, code, title = 404, "not_found", "Not found"


class NotCancellable(NotFound):
    code, title = "not_cancellable", "Too late to cancel"


class RequestTimeout(DomainError):
    status, code, title, retryable = 408, "request_timeout", "Request timeout", True


class Conflict(DomainError):
    status, code, title = 409, "conflict", "Conflict"


class InFlight(Conflict):
    code, title, retryable = "idempotency_in_flight", "The first request is still running", True


class ContentPurged(DomainError):
    status, code, title = 410, "content_purged", "The content is gone"


class TooLarge(DomainError):
    status, code, title = 413, "payload_too_large", "Too large"


class UnsupportedMedia(DomainError):
    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class InvalidFields(DomainError):
    status, code, title = 422, "validation_error", "Validation failed"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        count = len(errors)
        super().__init__("1 field is invalid." if count == 1 else f"{count} fields are invalid.", errors=errors)


_REUSED = FieldError("Idempotency-Key", "conflict", "was used with another payload: use a new one", "header")


class KeyReused(DomainError):
    status, code, title = 422, "idempotency_key_reused", "Idempotency-Key reused"

    def __init__(self, detail: str, *, errors: Sequence[FieldError] = (_REUSED,), **more: Any) -> None:
        super().__init__(detail, errors=errors, **more)


class RateLimited(DomainError):
    status, code, title, retryable = 429, "rate_limited", "Too many requests", True


class Unavailable(DomainError):
    status, code, title, retryable = 503, "unavailable", "Service unavailable", True
