"""The shape of a used Idempotency-Key as it is shown. Never here: how a key may be written (api/idempotency.py)."""

from api.v1.schemas import out


class IdempotencyKeyOut(out.Out):
    """A key, and what its first request was answered."""

    key = out.text("The key.", "order-1017")
    route = out.text("The method and route it was used on.", "POST /v1/messages")
    request_id = out.text("The first request with it.", "req_01jq8z4m3hf5v9t2c6w7x8y0ab")
    status = out.whole("The HTTP status of its answer.", 202)
    message_id = out.ident("msg", "The message it made.", null=True)
    batch_id = out.ident("bat", "The batch it made.", null=True)
    answer = out.mapped("The answer; null where it may hold a secret.", {"status": "queued"}, null=True)
    created_at = out.moment("When the first request came.")
    expires_at = out.moment("Until when it is known.")
