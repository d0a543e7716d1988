"""The shapes of the test clock."""

from typing import Any, ClassVar

from api.v1.schemas import out
from api.v1.schemas.fields import In, Whole
from api.v1.schemas.lists import Ident
from api.v1.schemas.out import told

LONGEST_SECONDS = 30 * 86400


class AdvanceIn(In):
    """How much time passes, and for which message."""

    samples: ClassVar[dict[str, dict[str, Any]]] = {"all": {"seconds": 27331}}
    seconds = Whole(1, LONGEST_SECONDS, required=True, metadata=told("So much time passes.", 27331))
    message_id = Ident("msg", metadata=told("For this message; for all that wait unless given."))


class AdvancedOut(out.Out):
    """What was done."""

    seconds = out.whole("So much time has passed.", 27331)
    messages = out.whole("For so many messages.", 1)


ADVANCE_IN = AdvanceIn()
