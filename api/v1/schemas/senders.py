"""The shapes of a sender: as it is asked for, and as it is shown."""

from api.v1.schemas import out
from api.v1.schemas.api_keys import SenderText
from api.v1.schemas.fields import In, Mailbox, Text, YesNo
from api.v1.schemas.out import told

_NAME = told("Shown beside the address, where a message gives no name.", "Example")
_REPLY_TO = told("Where answers go, where a message does not say.", "Help <help@example.com>")
_DEFAULT = told("Whether it is the account's default: the sender of messages that name none.", True)


class SenderIn(In):
    email = Mailbox(
        required=True,
        metadata=told("An address in a domain of the account; a name beside it counts.", "hello@example.com"),
    )
    name = Text(200, least=1, line=True, metadata=_NAME)
    reply_to = SenderText(metadata=_REPLY_TO)
    default = YesNo(metadata=_DEFAULT)


class SenderChangeIn(In):
    name = Text(200, least=1, line=True, metadata=_NAME)
    reply_to = SenderText(metadata=_REPLY_TO)
    default = YesNo(metadata=_DEFAULT)


SENDER_IN, SENDER_CHANGE_IN = SenderIn(), SenderChangeIn()
CLEARABLE = ("name", "reply_to")
"""What a PATCH may set to null."""


class SenderResourceOut(out.Out):
    """A sender of the account."""

    id = out.ident("snd", "Its id.")
    email = out.text("Its address.", "hello@example.com")
    name = out.text("Shown beside the address, where a message gives no name.", "Example", null=True)
    reply_to = out.text("Where answers go, where a message does not say.", "Help <help@example.com>", null=True)
    default = out.flag("Whether it is the account's default.")
    domain_id = out.ident("dom", "The domain it is in.")
    domain = out.text("That domain's name.", "example.com")
    verified = out.flag("Whether mail may leave from it: its domain is verified or degraded.")
    created_at = out.moment("When it was made.")
