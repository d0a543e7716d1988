"""The shapes of the event stream."""

from api.v1.schemas import out
from api.v1.schemas.messages_out import EventOut


class StreamPartOut(out.Out):
    """A part of the stream."""

    data = out.listed(EventOut, "Events, oldest first.")
    has_more = out.flag("Whether there are more already.")
    next_cursor = out.text("Where to go on, now or later: give it as `cursor`. Always there.", "AAAAAAAAB9k…")
