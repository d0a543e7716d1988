"""The shapes of decisions about messages in doubt: those whose outcome nobody knows."""

from typing import Any, ClassVar

from api.v1.schemas import out
from api.v1.schemas.batches import FaultOut
from api.v1.schemas.fields import Choice, In, Text
from api.v1.schemas.lists import Ident, Listed
from api.v1.schemas.out import told
from common.domain.doubts import CHOICES

MOST_IDS = 1000
_SAMPLE = {"choice": "resend", "reason": "the shop says that no code came", "author": "anna"}


class DoubtIn(In):
    """What is to become of a message whose outcome nobody knows, and why."""

    samples: ClassVar[dict[str, dict[str, Any]]] = {"resend": _SAMPLE}
    choice = Choice(
        CHOICES,
        required=True,
        metadata=told(
            "`resend`: now, perhaps as a second copy. `hold`: until somebody decides. `fail`: it ends, perhaps unseen.",
            "resend",
        ),
    )
    reason = Text(300, least=1, line=True, required=True, metadata=told("Why; its timeline says so.", "no code came"))
    author = Text(100, least=1, line=True, metadata=told("Who; the key unless given.", "anna"))


class DoubtsIn(DoubtIn):
    """The same of many messages."""

    samples: ClassVar[dict[str, dict[str, Any]]] = {
        "fail": {"message_ids": ["msg_01k5qkz0v8fyw9m2q3r4s5t6v7"], "choice": "fail", "reason": "they are too old now"}
    }
    message_ids = Listed(Ident("msg"), MOST_IDS, required=True, metadata=told("Which messages."))


DOUBT_IN, DOUBTS_IN = DoubtIn(), DoubtsIn()


class DoubtEntryOut(out.Out):
    """What became of one of many."""

    message_id = out.ident("msg", "The message.")
    done = out.flag("Whether it is as it was wanted.")
    error = out.nested(FaultOut, "Why not; null when it was done.", null=True)


class DoubtsOut(out.Out):
    """One entry for each message, in order."""

    done = out.whole("How many were decided about.", 12)
    data = out.listed(DoubtEntryOut, "What became of each message.")
