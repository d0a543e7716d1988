"""Every code an error can carry: its status, what happened, what to do. Read by the document and the error pages.

A code that is not listed here does not exist: tests/guards/test_problems.py looks. Never here: raising.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One code. `sentence` says what happened, `advice` what the caller does next."""

    code: str
    status: int
    title: str
    sentence: str
    advice: str
    retryable: bool = False


def _table(*problems: Problem) -> dict[str, Problem]:
    return {each.code: each for each in problems}


UNREADABLE = "The request cannot be read"
_NOT_ALLOWED = "Not allowed"

PROBLEMS = _table(
    Problem(
        "invalid_request",
        400,
        UNREADABLE,
        "The request is not one this server can read: malformed HTTP, a header that is not text, or a body cut short.",
        "Look at `detail`, fix the request, and send it again.",
    ),
    Problem(
        "invalid_json",
        400,
        UNREADABLE,
        "The body is not a JSON object in UTF-8: bad syntax, NaN or Infinity, a NUL, or the same key twice.",
        "Build the body with a JSON library, not by joining strings. `detail` names the place.",
    ),
    Problem(
        "json_too_complex",
        400,
        UNREADABLE,
        "The body nests deeper than 32 levels or holds too many values.",
        "Flatten `template_data` or `metadata`, or send less at once.",
    ),
    Problem(
        "invalid_parameter",
        400,
        UNREADABLE,
        "A query parameter is unknown here, malformed, or given twice.",
        "`errors[0].field` names it and its message what is expected.",
    ),
    Problem(
        "invalid_cursor",
        400,
        UNREADABLE,
        "The cursor was changed, or belongs to another list or to other filters.",
        "Use `next_cursor` as it came, with the same filters. To change filters start again without a cursor.",
    ),
    Problem(
        "idempotency_key_invalid",
        400,
        UNREADABLE,
        "The Idempotency-Key is empty, longer than 256 characters, or not printable ASCII.",
        "A UUID per logical send is a good key.",
    ),
    Problem(
        "idempotency_key_required",
        400,
        UNREADABLE,
        "This API key is set to refuse sends without an Idempotency-Key.",
        "Send the header `Idempotency-Key` with a value of your own for each logical send.",
    ),
    Problem(
        "idempotency_key_conflict",
        400,
        UNREADABLE,
        "The request carries two different keys, in its headers or in the body's `headers`.",
        "Send one of them.",
    ),
    Problem(
        "missing_api_key",
        401,
        "Not authenticated",
        "There is no `Authorization` header.",
        "Send `Authorization: Bearer <key>`.",
    ),
    Problem(
        "invalid_api_key",
        401,
        "Not authenticated",
        "The key is unknown, mistyped or revoked, or the header does not begin with `Bearer`.",
        "Compare the key with the one that was shown when it was made. A lost one cannot be shown again: make another.",
    ),
    Problem("expired_api_key", 401, "Not authenticated", "The key has passed its end.", "Make or rotate a key."),
    Problem(
        "forbidden",
        403,
        _NOT_ALLOWED,
        "The key is right, but this act is not allowed to it.",
        "`detail` says which rule forbids it.",
    ),
    Problem(
        "insufficient_scope",
        403,
        _NOT_ALLOWED,
        "The key lacks the scope that this request needs; `detail` names it.",
        "Use a key that has it, or make one.",
    ),
    Problem(
        "domain_not_allowed",
        403,
        _NOT_ALLOWED,
        "The key may only send from certain domains, and this `from` is in none of them.",
        "Send from one of the key's domains, or with another key.",
    ),
    Problem(
        "sender_not_verified",
        403,
        _NOT_ALLOWED,
        "The domain of `from` is not verified for this account.",
        "Publish the domain's records and verify it, or send from a verified domain. A test key may send from any.",
    ),
    Problem(
        "template_not_allowed",
        403,
        _NOT_ALLOWED,
        "The key may only use certain templates, and this is none of them.",
        "Use one of the key's templates, or another key.",
    ),
    Problem(
        "stream_not_allowed",
        403,
        _NOT_ALLOWED,
        "The key may send only in certain streams, and the message names another, or none where several are allowed.",
        "Name one of the key's streams in `stream`, or use another key.",
    ),
    Problem(
        "tag_not_allowed",
        403,
        _NOT_ALLOWED,
        "The key may send only with certain tags, and the message carries another.",
        "Leave the tag out, or use another key.",
    ),
    Problem(
        "cannot_grant",
        403,
        _NOT_ALLOWED,
        "A key cannot make, change or rotate one that reaches further than itself: scopes, environment, restrictions.",
        "`errors` names what is too wide. Narrow it, or use a key that has it.",
    ),
    Problem(
        "ip_not_allowed",
        403,
        _NOT_ALLOWED,
        "The key may only be used from certain addresses, and yours is not among them.",
        "Call from an allowed network, or change the key's list.",
    ),
    Problem(
        "https_required",
        403,
        _NOT_ALLOWED,
        "This server takes live keys over HTTPS only, and the request came by plain HTTP.",
        "Use the https:// address, and rotate the key: it has crossed the network in clear. Operators: name the"
        " proxy in front in SENDARIX_TRUSTED_PROXIES, and let it set X-Forwarded-Proto.",
    ),
    Problem(
        "account_paused",
        403,
        _NOT_ALLOWED,
        "Sending is paused for this account. Reading and cancelling still work.",
        "Ask the operator why; nothing was accepted.",
    ),
    Problem(
        "not_found",
        404,
        "Not found",
        "Nothing is at this address, or the id belongs to another account or environment.",
        "Check the path, the id, and whether the key is of the environment (live or test) that the id was made in.",
    ),
    Problem(
        "not_cancellable",
        404,
        "Too late to cancel",
        "The message exists, but it is being sent or has ended; `message_status` in the body says which.",
        "Nothing can take it back. Read the message to see its outcome.",
    ),
    Problem(
        "method_not_allowed",
        405,
        "Method not allowed",
        "This address exists, but does not answer that method.",
        "The `Allow` header lists the methods it answers.",
    ),
    Problem(
        "request_timeout",
        408,
        "Request timeout",
        "The request came too slowly to be waited for.",
        "Send it again, with the same Idempotency-Key.",
        retryable=True,
    ),
    Problem(
        "conflict",
        409,
        "Conflict",
        "Somebody else changed the same thing meanwhile, or its state forbids the change.",
        "Read it again and decide anew.",
    ),
    Problem(
        "idempotency_in_flight",
        409,
        "The first request is still running",
        "A request with this Idempotency-Key has not been answered yet. Nothing was sent a second time.",
        "Send the same request again after `Retry-After`: you get the first one's answer.",
        retryable=True,
    ),
    Problem(
        "content_purged",
        410,
        "The content is gone",
        "Retention removed the content; the facts about the message remain.",
        "Send a new message with the content.",
    ),
    Problem(
        "payload_too_large",
        413,
        "Too large",
        "The body is over 50 MiB, or the built mail over what the route takes.",
        "Host large files elsewhere and put a signed link into the mail.",
    ),
    Problem("uri_too_long", 414, "URL too long", "The request line is too long.", "Use fewer or shorter filters."),
    Problem(
        "unsupported_media_type",
        415,
        "Unsupported media type",
        "The body is not announced as `application/json`, or it is compressed.",
        "Send `Content-Type: application/json` and no `Content-Encoding`.",
    ),
    Problem(
        "validation_error",
        422,
        "Validation failed",
        "The request can be read, but fields are wrong. Nothing was accepted.",
        "Each entry of `errors` names a `field`, its place as `pointer`, a `code` and the fix.",
    ),
    Problem(
        "idempotency_key_reused",
        422,
        "Idempotency-Key reused",
        "This Idempotency-Key was used with another payload within its lifetime.",
        "A retry must repeat the payload; a different message needs a different key.",
    ),
    Problem(
        "rate_limited",
        429,
        "Too many requests",
        "More requests in 60 seconds than the account or the key may make, or too many failed authentications.",
        "Wait `Retry-After` seconds, or until `X-RateLimit-Reset`, and send it again. Refused requests cost nothing.",
        retryable=True,
    ),
    Problem(
        "header_too_large",
        431,
        "Headers too large",
        "The headers of the request are larger than the server reads.",
        "Send fewer or shorter headers.",
    ),
    Problem(
        "internal_error",
        500,
        "Internal error",
        "A defect on our side. It is logged with `request_id`.",
        "Send it again with the same Idempotency-Key and growing pauses; report the `request_id` if it stays.",
        retryable=True,
    ),
    Problem(
        "unavailable",
        503,
        "Service unavailable",
        "The database cannot be reached or cannot write. Nothing was accepted.",
        "Send it again after `Retry-After`, with the same Idempotency-Key.",
        retryable=True,
    ),
    Problem(
        "overloaded",
        503,
        "Service overloaded",
        "More work is waiting than can be done in time. Nothing was accepted.",
        "Send it again after `Retry-After`, with the same Idempotency-Key.",
        retryable=True,
    ),
)

FIELD_CODES: dict[str, str] = {
    "required": "It is missing, or null.",
    "unknown_field": "There is no such field; the message suggests the nearest.",
    "invalid_type": "It has the wrong JSON type.",
    "invalid_format": "It has the right type, but not the right form.",
    "too_short": "It has too few characters.",
    "too_long": "It has too many characters.",
    "too_small": "The number is too small.",
    "too_large": "The number is too large.",
    "too_many": "The list or object has too many entries.",
    "not_in_enum": "It is none of the allowed values, which the message lists.",
    "invalid_email": "It is not an address.",
    "unverified_domain": "The domain may not be sent from.",
    "template_not_found": "No published template has this name.",
    "template_error": "The template does not render with these values.",
    "forbidden_header": "The service sets this header itself; use the field made for it.",
    "in_past": "The time has passed.",
    "too_far": "The time is too far ahead.",
    "duplicate": "It is given twice.",
    "conflict": "It cannot stand beside another field.",
}
