"""The shape of a batch of messages, in and out.

Never here: what a message looks like (messages.py).
"""

from typing import Any, ClassVar

from marshmallow import fields

from api.v1.schemas import out
from api.v1.schemas.fields import Choice, Coded, In, Text, wrong
from api.v1.schemas.messages import MessageIn
from api.v1.schemas.messages_out import AcceptedOut, HeldByOut
from api.v1.schemas.out import told

MOST_ITEMS = 1000

MessageItemIn = MessageIn.from_dict(
    {
        "idempotency_key": Text(
            256, least=1, pattern=r"[\x20-\x7e]*", metadata=told("This message's own Idempotency-Key.", "order-1017")
        )
    },
    name="MessageItemIn",
)
MESSAGE_ITEM_IN = MessageItemIn()
OTP = {"code": "847291", "expires_in": "5 minutes"}
_ITEM = {"$ref": "#/components/schemas/MessageItemIn"}


class Items(fields.List):  # type: ignore[type-arg]
    """1 to 1,000 messages, kept as they are: each is read on its own, so that one's fault is its own."""

    make_error = Coded.make_error

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> list[Any]:
        if type(value) is not list:
            raise wrong("invalid_type", "must be a list of messages")
        if not value:
            raise wrong("too_short", "must hold at least one message")
        if len(value) > MOST_ITEMS:
            raise wrong("too_many", f"has more than {MOST_ITEMS} messages: send another batch")
        return value

    def describe(self) -> dict[str, Any]:
        return {"items": {"anyOf": [_ITEM, {"description": "Reported in its entry, with `on_error: partial`."}]}}


class BatchIn(In):
    """Messages to accept in one request."""

    samples: ClassVar[dict[str, dict[str, Any]]] = {
        "two": {
            "messages": [
                {"recipient": "a@example.com", "subject": "Your code", "text": "847291", "idempotency_key": "login-1"},
                {"recipient": "b@example.com", "template": "otp-code", "template_data": OTP},
            ],
            "on_error": "partial",
        }
    }

    together = {
        "anyOf": [
            {"properties": {"on_error": {"enum": ["reject", None]}, "messages": {"items": _ITEM}}},
            {"required": ["on_error"], "properties": {"on_error": {"enum": ["partial"]}, "messages": {"items": {}}}},
        ]
    }

    messages = Items(
        fields.Nested(MessageItemIn),
        required=True,
        metadata={"description": "The messages, in order.", "minItems": 1, "maxItems": MOST_ITEMS},
    )
    on_error = Choice(
        ("reject", "partial"),
        metadata=told(
            "`reject` (the default) accepts all messages or none; `partial` what can be accepted.", "partial"
        ),
    )


BATCH_IN = BatchIn()


class FaultOut(out.Out):
    """Why one message of a batch was not accepted."""

    status = out.whole("The status it would have had on its own.", 422)
    code = out.text("Which error.", "validation_error")
    detail = out.text("What is wrong.", "1 field is invalid.")
    errors = out.listed(out.mapped("A place: field, pointer, code, message."), "Every place that is wrong.")


class EntryOut(out.Out):
    """What became of one message of a batch: the fields of an accepted message, or `error`."""

    index = out.whole("Its place in the request, from 0.", 0)
    message_id = out.ident("msg", "The message: keep it.", always=False)
    status = out.text("`queued`, or `scheduled` for a later time.", "queued", always=False)
    recipient = out.text("Who receives it.", "user@example.com", always=False)
    created_at = out.moment("When it was accepted.", always=False)
    scheduled_time = out.moment("When it will be sent.", always=False)
    warnings = out.listed(AcceptedOut().fields["warnings"].inner, "What to know about it.", always=False)  # type: ignore[attr-defined]
    replayed = out.flag("Its own Idempotency-Key was known: this is the first answer.", always=False)
    error = out.nested(FaultOut, "Why it was not accepted.", always=False)
    estimated_first_attempt_at = out.moment("With `forecast=true`: when it is likely tried.", always=False)
    queue_position = out.whole("With `forecast=true`: its place; 1 is next.", 1, always=False)
    held_by = out.nested(HeldByOut, "With `forecast=true`: what keeps it back.", null=True, always=False)


class BatchOut(out.Out):
    """One entry for each message of a batch, in order."""

    batch_id = out.ident("bat", "The batch: `GET /v1/messages?batch_id=` lists it.")
    accepted = out.whole("How many were accepted.", 2)
    rejected = out.whole("How many were not; always 0 without `on_error: partial`.", 0)
    data = out.listed(EntryOut, "What became of each message.")
