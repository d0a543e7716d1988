"""The shape of a dead letter."""

from api.v1.schemas import out


class DeadLetterOut(out.Out):
    """A message that ended badly."""

    message_id = out.ident("msg", "The message.")
    recipient = out.text("Who should have received it.", "user@example.com")
    status = out.text("How it ended.", "bounced")
    cause = out.text("The kind of end.", "retries_exhausted")
    detail = out.text("The last reply, or what was wrong.", null=True)
    attempts = out.whole("How often it was tried.", 6)
    created_at = out.moment("When it ended.")
