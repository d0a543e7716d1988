"""What to do next about an error, in one sentence. Never here: printing."""

from sendarix.errors import ApiError, SendarixError, Unreachable

_NEXT = {
    "missing_api_key": "Set SENDARIX_API_KEY, or run `sendarix configure`.",
    "invalid_api_key": "Run `sendarix doctor`: it says which key is used and where it was found.",
    "expired_api_key": "Make another with `sendarix keys create`, with a key that may.",
    "insufficient_scope": "Use a key that has the scope, or make one: `sendarix keys create --scope …`.",
    "not_found": "Check the id, and that the key is of its environment (live or test).",
    "not_cancellable": "See what became of it: `sendarix get <message>`.",
    "sender_not_verified": "Send from a verified domain, or try it with a test key.",
    "template_not_found": "See which there are: `sendarix templates list`.",
    "rate_limited": "It was tried 5 times. Send many at once with `sendarix send --lines FILE`.",
    "idempotency_key_reused": "A different message needs a different --idempotency-key.",
}


def next_step(error: SendarixError, url: str) -> str:
    """What the user can do now."""
    if isinstance(error, Unreachable):
        return "Is it running (`make run`)? Another address: --url, SENDARIX_URL or `sendarix configure`."
    if isinstance(error, ApiError):
        if error.code in _NEXT:
            return _NEXT[error.code]
        page = str(error.problem.get("type", ""))
        if page.startswith("/"):
            return f"Read {url}{page}"
        if not error.problem:
            return "What answers there does not seem to be Sendarix: check --url or SENDARIX_URL."
    return "Run `sendarix doctor`."
