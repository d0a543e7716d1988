"""What is sent and answered, for type checkers. Answers may have more fields than these, and more values.

Never here: checks. The server checks.
"""

from typing import Any, Literal, NotRequired, TypedDict

Tier = Literal["critical", "normal", "bulk"]


class Mailbox(TypedDict):
    email: str
    name: NotRequired[str | None]


class Attachment(TypedDict):
    """`content` is base64."""

    filename: str
    content: str
    content_type: NotRequired[str]
    content_id: NotRequired[str]


_MessageBase = TypedDict("_MessageBase", {"from": NotRequired[str | Mailbox]})


class NewMessage(_MessageBase):
    """A message to send: a `template` with its data, or `html` and `text` with a `subject`."""

    recipient: str | Mailbox
    subject: NotRequired[str]
    template: NotRequired[str]
    template_data: NotRequired[dict[str, Any]]
    html: NotRequired[str]
    text: NotRequired[str]
    cc: NotRequired[str | Mailbox | list[str | Mailbox]]
    bcc: NotRequired[str | Mailbox | list[str | Mailbox]]
    reply_to: NotRequired[str | Mailbox | list[str | Mailbox]]
    headers: NotRequired[dict[str, str]]
    attachments: NotRequired[list[Attachment]]
    tags: NotRequired[list[str]]
    metadata: NotRequired[dict[str, str | int | float | bool]]
    priority: NotRequired[Tier]
    stream: NotRequired[str]
    topic: NotRequired[str]
    ttl: NotRequired[int]
    expires_at: NotRequired[str]
    scheduled_time: NotRequired[str]
    sensitive: NotRequired[bool]
    locale: NotRequired[str]
    idempotency_key: NotRequired[str]


class Warning(TypedDict):
    code: str
    message: str


class Accepted(TypedDict):
    """What a send answers: stored, not delivered."""

    message_id: str
    status: str
    recipient: str
    created_at: str
    scheduled_time: NotRequired[str]
    batch_id: NotRequired[str]
    warnings: NotRequired[list[Warning]]


class Batch(TypedDict):
    """`data` has one entry for each message, in order: an Accepted with `index`, or `index` and `error`."""

    batch_id: str
    accepted: int
    rejected: int
    data: list[dict[str, Any]]


_FromBase = TypedDict("_FromBase", {"from": str | None})


class Message(_FromBase):
    """The state of one message; what does not apply is None."""

    message_id: str
    status: str
    held: bool
    recipient: str
    subject: str | None
    template: str | None
    tags: list[str]
    metadata: dict[str, Any]
    environment: str
    priority: str
    attempts: int
    created_at: str
    scheduled_time: str | None
    next_attempt_at: str | None
    delivered_at: str | None
    bounced_at: str | None
    ended_at: str | None
    delivery: dict[str, Any] | None
    idempotency_key: str | None


class Event(TypedDict):
    id: str
    type: str
    timestamp: str
    environment: str
    data: dict[str, Any]


class Webhook(TypedDict):
    id: str
    url: str
    event_types: list[str] | None
    environment: str
    state: str
    secret: NotRequired[str]
    health: dict[str, Any]
    created_at: str


class Suppression(TypedDict):
    id: str
    recipient: str
    reason: str
    scope: str
    note: str | None
    created_at: str
    expires_at: str | None


class ApiKey(TypedDict):
    """`secret` is there in the answer that made it, and never again."""

    id: str
    name: str
    environment: str
    scopes: list[str]
    state: str
    created_at: str
    expires_at: str | None
    secret: NotRequired[str]


class DeadLetter(TypedDict):
    message_id: str
    recipient: str
    cause: str
    created_at: str
