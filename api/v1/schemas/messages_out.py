"""The shapes of messages and events as they are shown. What comes in is messages.py."""

from api.v1.schemas import out
from common.domain.lifecycle import STATUSES

_STATUS = f"Where it is: {', '.join(STATUSES)}. More may come."


class WarningOut(out.Out):
    """Something to know about a message that was accepted all the same."""

    code = out.text("Which warning.", "large_message")
    message = out.text("What it means.")


class HeldByOut(out.Out):
    """What keeps a message back."""

    id = out.ident("hld", "The hold; null for a rule of the policy, and in doubt.", null=True)
    kind = out.text("`hold`, `pause` or `drain` of its queue, `policy`, or `in_doubt`. More may come.", "hold")
    reason = out.text("Why.", "the offer has a wrong price")
    author = out.text("Who made the hold.", "anna", null=True)
    since = out.moment("Since when it keeps this message back.", null=True)
    until = out.moment("When it ends by itself.", null=True)


class AcceptedOut(out.Out):
    """The answer to a send: four fields, the others only when they apply or, the last three, are asked for."""

    message_id = out.ident("msg", "The message: keep it.")
    status = out.text("`queued`, or `scheduled` for a later time.", "queued")
    recipient = out.text("Who receives it.", "user@example.com")
    created_at = out.moment("When it was accepted.")
    scheduled_time = out.moment("When it will be sent.", always=False)
    warnings = out.listed(WarningOut, "What to know about it.", always=False)
    estimated_first_attempt_at = out.moment("With `forecast=true`: when it is likely tried.", always=False)
    queue_position = out.whole(
        "With `forecast=true`: its place among the account's mail of its tier, 1 is next.", 1, always=False
    )
    held_by = out.nested(HeldByOut, "With `forecast=true`: what keeps it back.", null=True, always=False)


class InDoubtOut(out.Out):
    """An attempt was cut after the final dot, and the message has not ended."""

    unknown_attempts = out.whole("How many attempts ended so: so many copies more may have arrived.", 1)
    choice = out.text("What follows: `resend` at its next attempt, or `hold` until somebody decides.", "hold")


class SenderOut(out.Out):
    """An address and the name beside it."""

    email = out.text("The address.", "hello@example.com")
    name = out.text("The name.", "Example", null=True)


class LastEventOut(out.Out):
    """The newest entry of the timeline."""

    type = out.text("Its type.", "message.delivered", null=True)
    seq = out.whole("Its number within the message.", 3)
    timestamp = out.moment("When.", null=True)
    said = out.text("What a server said, or else the reason.", "550 5.1.1 no such user", null=True)


class _WaitBase(out.Out):
    detail = out.text("Why, in words.", "Too much at once for this server. Attempt 2 of 6 follows.")
    since = out.moment("Since when.", null=True)
    until = out.moment("Until when, as far as is known.", null=True)


_FOR = "`time`, `routing`, `delivery`, `retry`, `pace`, `hold` or `decision` (in doubt). More may come."


class WaitOut(_WaitBase.from_dict({"for": out.text(_FOR, "retry")}, name="_Wait")):  # type: ignore[misc]
    """What a message waits for."""


_Message = out.Out.from_dict(
    {
        "message_id": out.ident("msg", "Its id."),
        "status": out.text(_STATUS, "delivered"),
        "held": out.flag("Whether somebody keeps it back."),
        "held_by": out.nested(HeldByOut, "The hold that keeps it back.", null=True),
        "in_doubt": out.nested(InDoubtOut, "That nobody knows whether a server kept it; null when known.", null=True),
        "recipient": out.text("Who receives it.", "user@example.com"),
        "from": out.nested(SenderOut, "Who sends it."),
        "subject": out.text("Its subject.", "Your code", null=True),
        "template": out.text("Its template.", "otp-code", null=True),
        "template_id": out.ident("tpl", "The id of its template.", null=True),
        "template_version": out.whole("The template's version it was accepted with.", 3, null=True),
        "tags": out.listed(out.text("A label.", "otp"), "Its labels."),
        "metadata": out.mapped("What was sent along.", {"order": 1017}),
        "environment": out.text("`live` or `test`.", "live"),
        "priority": out.text("Its tier: critical, normal or bulk.", "critical"),
        "stream": out.text("The kind of mail it is.", "product-updates", null=True),
        "topic": out.text("What it is about.", "weekly", null=True),
        "supersede_key": out.text("What a newer message withdraws it by.", "login-code", null=True),
        "superseded_by": out.ident("msg", "The newer message that withdrew it.", null=True),
        "locale": out.text("The language it was asked for in.", "de-AT", null=True),
        "sensitive": out.flag("Whether its content goes as soon as it has ended."),
        "attempts": out.whole("How often it was tried.", 1),
        "last_event": out.nested(LastEventOut, "The newest entry of its timeline."),
        "next_attempt_at": out.moment("When it is tried again.", null=True),
        "waiting": out.nested(WaitOut, "What it waits for; null once it has ended.", null=True),
        "created_at": out.moment("When it was accepted by the API."),
        "scheduled_time": out.moment("When it is to be sent.", null=True),
        "expires_at": out.moment("When it is given up.", null=True),
        "accepted_at": out.moment("When its way out was chosen.", null=True),
        "delivered_at": out.moment("When the remote server took it.", null=True),
        "bounced_at": out.moment("When it was refused for good.", null=True),
        "ended_at": out.moment("When it ended, in any way.", null=True),
        "delivery": out.mapped("The conversation that ended it: server, address, TLS, reply.", null=True),
        "source": out.text("The way out.", "mailbox", null=True),
        "path": out.text("Way out and destination.", "mailbox/sink", null=True),
        "guarantee": out.text(
            "`at_least_once` or `at_most_once`; null until it is routed.", "at_least_once", null=True
        ),
        "policy_version": out.whole("The policy that ruled it.", 1, null=True),
        "idempotency_key": out.text("The key it was sent with.", null=True),
        "batch_id": out.ident("bat", "The batch it came in.", null=True),
        "resent_from": out.ident("msg", "The message that it repeats.", null=True),
        "content_purged_at": out.moment("When its content was removed.", null=True),
    },
    name="_Message",
)


class MessageOut(_Message):  # type: ignore[misc, valid-type]
    """A message and where it is."""

    sample = {
        "next_attempt_at": None,
        "waiting": None,
        "held_by": None,
        "in_doubt": None,
        "scheduled_time": None,
        "expires_at": None,
        "bounced_at": None,
        "delivery": {"mx": "mx.example.com", "tls": "TLSv1.3", "code": 250, "reply": "2.0.0 Ok"},
    }


class LineOut(out.Out):
    """One line of a conversation."""

    ms = out.whole("Milliseconds since the attempt began.", 12)
    line = out.text("The line, without secrets and content.", "RCPT TO:<user@example.com>")


TranscriptLineOut = LineOut.from_dict({"from": out.text("`us`, `server` or `note`.", "us")}, name="Line")


class AttemptOut(out.Out):
    """One try at one server."""

    number = out.whole("Which try, from 1.", 1)
    epoch = out.whole("Which lease: grows even where the number does not.", 1)
    state = out.text("started, delivered, deferred, bounced, unknown or abandoned.", "delivered")
    source = out.text("The way out.", "mailbox", null=True)
    started_at = out.moment("When it began.")
    ended_at = out.moment("When its outcome was known.", null=True)
    stage = out.text("How far it came: dns, connect, banner, ehlo, tls, auth, mail, rcpt, data, dot.", "dot", null=True)
    code = out.whole("The code of the last reply.", 250, null=True)
    enhanced = out.text("The enhanced code (RFC 3463).", "2.0.0", null=True)
    reply = out.text("The last reply.", "2.0.0 Ok", null=True)
    category = out.text("What it means.", "delivered", null=True)
    mx = out.text("The server.", "mx.example.com", null=True)
    ip = out.text("Its address.", "192.0.2.1", null=True)
    tls = out.text("How it was encrypted.", "TLSv1.3", null=True)
    tls_reason = out.text("Why it was encrypted, verified or in clear.", null=True)
    rule = out.text("The reply rule that told the category; see `/v1/reply-rules`.", "user-unknown", null=True)
    provider = out.text("Whose servers these are, where that is known.", "google", null=True)
    transcript = out.listed(TranscriptLineOut, "The conversation, line by line.")


class PartOut(out.Out):
    """An attachment, without its bytes."""

    filename = out.text("Its name.", "invoice.pdf")
    content_type = out.text("Its type.", "application/pdf", null=True)
    content_id = out.text("What html refers to it by.", null=True)
    size = out.whole("Its bytes.", 48213)


_Content = out.Out.from_dict(
    {
        "message_id": out.ident("msg", "The message."),
        "from": out.mapped("Who sends it.", {"email": "hello@example.com", "name": "Example"}),
        "recipient": out.text("Who receives it.", "user@example.com"),
        **{name: out.listed(out.mapped("email and name"), "Addresses.") for name in ("cc", "bcc", "reply_to")},
        "subject": out.text("Its subject.", "Your code"),
        "html": out.text("Its HTML, filled in.", null=True),
        "text": out.text("Its text, filled in.", null=True),
        "headers": out.mapped("Extra headers.", {"X-Case": "7"}),
        "attachments": out.listed(PartOut, "Its files."),
    },
    name="_Content",
)


class ContentOut(_Content):  # type: ignore[misc, valid-type]
    """What the recipient reads."""


class CountOut(out.Out):
    """How many messages match."""

    count = out.whole("The number.", 1017)
    estimated = out.flag("Whether it is the database's estimate.")


class EventOut(out.Out):
    """One entry of a timeline: the same object that webhooks carry."""

    id = out.ident("evt", "Its id: the same on every delivery of it.")
    type = out.text("What happened; more types may come.", "message.delivered")
    timestamp = out.moment("When.")
    api_version = out.text("The version of this shape.", "2026-11-01")
    data = out.mapped(
        "`message_id`, `seq`, `tags`, `metadata`, and what the type adds.",
        {"message_id": "msg_01jq8z4m3hf5v9t2c6w7x8y0ab", "seq": 3, "tags": ["otp"], "metadata": {}, "attempt": 1},
    )
