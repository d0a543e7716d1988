"""The shapes of webhook deliveries and their attempts, as they are shown."""

from api.v1.schemas import out
from common.domain.webhooks import DELIVERY_STATES

ERRORS = (
    "timeout",
    "connection",
    "dns",
    "tls",
    "blocked_address",
    "blocked_url",
    "http",
    "body_too_large",
    "interrupted",
)


class TimingsOut(out.Out):
    """Milliseconds; null where it did not happen, as on a connection that was kept."""

    dns = out.number("Resolving the name.", 1.2, null=True)
    connect = out.number("Connecting.", 12.5, null=True)
    tls = out.number("The TLS handshake.", 20.1, null=True)
    first_byte = out.number("From the request to the first byte of the answer.", 35.0, null=True)
    total = out.number("The whole attempt.", 70.3, null=True)


class WebhookAttemptOut(out.Out):
    """One POST."""

    number = out.whole("1 for the first.", 1)
    started_at = out.moment("When it began.")
    ended_at = out.moment("When it ended; null while it runs, or when its worker was lost.", null=True)
    status = out.whole("The HTTP status.", 200, null=True)
    error = out.text(f"Null on success, otherwise one of: {', '.join(ERRORS)}.", null=True)
    response = out.text("The first 1,000 characters of the answer, as plain text.", "ok", null=True)
    ip = out.text("The address it was sent to.", "192.0.2.10", null=True)
    timings = out.nested(TimingsOut, "Where the time went, in milliseconds.")


class WebhookDeliveryOut(out.Out):
    """One event for one webhook."""

    id = out.ident("whd", "Its id.")
    webhook_id = out.ident("whk", "The webhook.")
    event_id = out.ident("evt", "The event; also the header `webhook-id` of every attempt.")
    type = out.text("The event's type.", "message.delivered")
    message_id = out.ident("msg", "The event's message.", null=True)
    seq = out.whole("The event's number among those of the message.", 3, null=True)
    state = out.text(f"One of: {', '.join(DELIVERY_STATES)}.", "delivered")
    waiting_for = out.text(
        "Of what is not over: `worker`, `answer`, `next_attempt`, `capacity`, `breaker` or `enable`.", null=True
    )
    attempts = out.whole("How many there were.", 1)
    next_attempt_at = out.moment("When the next is due.", null=True)
    replay_id = out.ident("job", "The replay that repeats it.", null=True)
    created_at = out.moment("When the event happened.")
    ended_at = out.moment("When it was delivered, exhausted or skipped.", null=True)
    last_attempt = out.nested(WebhookAttemptOut, "The last attempt.", null=True)


class OneWebhookDeliveryOut(WebhookDeliveryOut):
    """One event for one webhook, with what is posted."""

    payload = out.mapped("The body.", {"type": "message.delivered"})


class WebhookAttemptsOut(out.Out):
    """Every attempt of a delivery."""

    data = out.listed(WebhookAttemptOut, "Oldest first.")
