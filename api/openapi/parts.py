"""What every operation shares: the key, the headers, the answer to a refusal. Read by document.py only."""

from typing import Any

from api.problems import FIELD_CODES, PROBLEMS
from common.domain.events import API_VERSION

INFO: dict[str, Any] = {
    "title": "Sendarix",
    "version": API_VERSION,
    "summary": "The transactional email API that engineering teams host themselves.",
    "description": (
        "JSON in, JSON out. Times are RFC 3339 in UTC with milliseconds. Ids have a prefix and are opaque. "
        "Fields and values that you do not know may appear at any time: ignore them. "
        "Any 2xx to a send means accepted for processing, never delivered.\n\nGuides: [/docs](/docs)."
    ),
    "contact": {"name": "The operator of this installation"},
    "license": {"name": "MIT", "identifier": "MIT"},
}

SUCCESS = {200: "Done.", 201: "Made.", 202: "Accepted for processing; not yet delivered.", 204: "Gone; no body."}

_WHOLE = {"type": "integer", "minimum": 0}
HEADERS: dict[str, Any] = {
    "XRequestId": ("X-Request-Id", "Finds this request in the logs.", {"type": "string", "pattern": "^req_"}),
    "SendarixVersion": ("Sendarix-Version", "The date of these shapes.", {"type": "string", "format": "date"}),
    "RateLimitLimit": ("X-RateLimit-Limit", "Requests allowed in any 60 seconds.", _WHOLE),
    "RateLimitRemaining": ("X-RateLimit-Remaining", "What is left of them.", _WHOLE),
    "RateLimitReset": ("X-RateLimit-Reset", "Unix seconds; one request sent then is admitted.", _WHOLE),
    "RateLimitPolicy": ("RateLimit-Policy", "The quota as the IETF draft writes it.", {"type": "string"}),
    "RateLimit": ("RateLimit", "What is left, and when there is more, as the draft writes it.", {"type": "string"}),
}
_ONCE: dict[str, Any] = {
    "RetryAfter": {"description": "Seconds to wait before sending it again.", "required": True, "schema": _WHOLE},
    "IdempotentReplayed": {
        "description": "`true` when this is the stored answer of an earlier request with the same key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Link": {"description": 'The next page: `<…>; rel="next"`.', "schema": {"type": "string"}},
    "WwwAuthenticate": {"description": "How to authenticate.", "required": True, "schema": {"const": "Bearer"}},
}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Every answer that is not a success (RFC 9457).",
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "The page that explains the code."},
        "title": {"type": "string", "description": "The kind of error in words."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status again."},
        "detail": {"type": "string", "description": "What was wrong with this request."},
        "instance": {"type": "string", "description": "The path of the request."},
        "code": {"type": "string", "description": "The code to decide by: it does not change."},
        "request_id": {"type": ["string", "null"], "description": "The same as X-Request-Id."},
        "retryable": {"type": "boolean", "description": "Whether the same request may work later."},
        "errors": {
            "type": "array",
            "maxItems": 100,
            "description": "The places that are wrong, in the order of the document.",
            "items": {"$ref": "#/components/schemas/FieldError"},
        },
    },
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id", "retryable"],
}
_FIELD_ERROR: dict[str, Any] = {
    "type": "object",
    "description": "One place that is wrong.",
    "properties": {
        "field": {"type": "string", "description": "Dotted name of the field, parameter or header."},
        "pointer": {"type": "string", "description": "JSON pointer into the body, as a URI fragment."},
        "location": {"type": "string", "description": "`query`, `header` or `path` when it is not in the body."},
        "code": {"type": "string", "description": f"One of: {', '.join(FIELD_CODES)}."},
        "message": {"type": "string", "description": "What is wrong and what is expected."},
    },
    "required": ["field", "code", "message"],
}
_KEY_PARAMETER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": (
        "A value of your own for this logical send, such as a UUID. Within 24 hours the same key and payload "
        "get the first answer again and send nothing. `X-Idempotency-Key` counts as well."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": r'^(?!""$)[ -~]*[!-~][ -~]*$'},
    "example": "5b1c1f6e-6d1f-4c69-9d0b-3f6d9a0e6c11",
}


def components(schemas: dict[str, Any], refusals: "Refusals") -> dict[str, Any]:
    """The components of the document, with the shapes that the operations refer to."""
    headers = {
        name: {"description": sentence, "required": True, "schema": schema}
        for name, (_, sentence, schema) in HEADERS.items()
    }
    used = [(code, each) for code, each in PROBLEMS.items() if any(code in codes for codes in refusals.names)]
    return {
        "schemas": {**schemas, "Problem": _PROBLEM, "FieldError": _FIELD_ERROR},
        "headers": headers | _ONCE,
        "parameters": {"IdempotencyKey": _KEY_PARAMETER},
        "responses": refusals.responses,
        "examples": {code: {"summary": each.title, "value": problem(code)} for code, each in used},
        "securitySchemes": {
            "key": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "sk_live_… or sk_test_…",
                "description": "An API key. An operation names the scope it needs; `admin` includes all.",
            }
        },
    }


def common_headers() -> dict[str, Any]:
    """The headers of every answer."""
    return {header: {"$ref": f"#/components/headers/{name}"} for name, (header, _, _) in HEADERS.items()}


def refusal(status: int, codes: tuple[str, ...]) -> dict[str, Any]:
    """The answer with this status, whose codes are these."""
    headers = common_headers()
    if status in (429, 503):
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    if status == 401:
        headers["WWW-Authenticate"] = {"$ref": "#/components/headers/WwwAuthenticate"}
    listed = "; ".join(f"`{code}`: {PROBLEMS[code].sentence}" for code in codes)
    return {
        "description": listed,
        "headers": headers,
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes},
            }
        },
    }


class Refusals:
    """The answers to refusals of one document: written once for each set of codes, and referred to."""

    def __init__(self) -> None:
        self.responses: dict[str, Any] = {}
        self.names: dict[tuple[str, ...], str] = {}

    def reference(self, status: int, codes: tuple[str, ...]) -> dict[str, str]:
        """A `$ref` to the answer with this status and these codes."""
        if codes not in self.names:
            same = sum(name.startswith(f"Refused{status}") for name in self.responses)
            name = f"Refused{status}" + (f"v{same + 1}" if same else "")
            self.names[codes] = name
            self.responses[name] = refusal(status, codes)
        return {"$ref": f"#/components/responses/{self.names[codes]}"}


def problem(code: str) -> dict[str, Any]:
    """The body of an answer with this code, as an example."""
    kind = PROBLEMS[code]
    found: dict[str, Any] = {
        "type": f"/docs/errors/{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": kind.sentence,
        "instance": "/v1/messages",
        "code": code,
        "request_id": "req_01jq8z4m3hf5v9t2c6w7x8y0ab",
        "retryable": kind.retryable,
    }
    if code == "validation_error":
        entry = {"field": "template_data.code", "pointer": "#/template_data/code", "code": "required"}
        found["errors"] = [entry | {"message": "is required by template otp-code"}]
    return found


def id_pattern(prefix: str) -> str:
    """The pattern of an id with this prefix."""
    return f"^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"


def id_example(prefix: str) -> str:
    """An id with this prefix."""
    return f"{prefix}_01jq8z4m3hf5v9t2c6w7x8y0ab"
