"""The shape of a trace."""

from api.v1.schemas import out
from api.v1.schemas.messages_out import WaitOut
from common.services.tracing import STAGES


class TraceEntryOut(out.Out):
    """One entry of a trace."""

    at = out.moment("When.")
    ms = out.whole("Milliseconds since the first entry.", 12)
    stage = out.text(f"What it is about: {', '.join(STAGES)}. More may come.", "smtp")
    title = out.text("In words; of `smtp` the line itself, without secrets and content.", "250 2.0.0 Ok: queued as 4F2")
    facts = out.mapped("What is known of it, by its stage.", {"attempt": 1, "from": "server", "attempt_ms": 31})


class TraceOut(out.Out):
    """Everything that is known of one message."""

    message_id = out.ident("msg", "The message.")
    status = out.text("Where it is.", "delivered")
    recipient = out.text("Who receives it.", "user@example.com")
    subject = out.text("Its subject.", "Your code", null=True)
    environment = out.text("`live` or `test`.", "live")
    waiting = out.nested(WaitOut, "What it waits for; null once it has ended.", null=True)
    trace_id = out.text(
        "The caller's trace, from the header `traceparent` of its request; webhooks are told the same.",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        null=True,
    )
    timeline = out.listed(TraceEntryOut, "What happened, oldest first.")
