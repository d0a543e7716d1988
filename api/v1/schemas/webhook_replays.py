"""The shapes of a replay: as it is asked for, and as it is shown."""

from typing import Any

from marshmallow import ValidationError, validates_schema

from api.openapi.parts import id_pattern
from api.v1.schemas import out
from api.v1.schemas.fields import Choice, In, Moment, Note, Text
from api.v1.schemas.lists import Listed
from api.v1.schemas.out import told
from common.domain.events import EVENT_TYPES
from common.domain.webhooks import MOST_REPLAYED_IDS

_RANGE = ("since", "until", "types", "only")
_ID = id_pattern("evt").removeprefix("^").removesuffix("$")


class ReplayIn(In):
    together = {
        "anyOf": [
            {
                "required": ["event_ids"],
                "properties": {"event_ids": {"not": {"type": "null"}}} | {name: {"type": "null"} for name in _RANGE},
            },
            {
                "properties": {"event_ids": {"type": "null"}},
                "anyOf": [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in _RANGE],
            },
        ]
    }
    samples = {"range": {"since": "2026-04-19T00:00:00Z", "until": "2026-04-20T00:00:00Z", "only": "failed"}}
    event_ids = Listed(
        Text(30, pattern=_ID),
        MOST_REPLAYED_IDS,
        metadata=told("These events, whatever the webhook subscribes to.", ["evt_01jq8z4m3hf5v9t2c6w7x8y0ab"]),
    )
    since = Moment(metadata=told("Events from this time on; from the first unless given."))
    until = Moment(metadata=told("Events before this time; up to now unless given."))
    types = Listed(Choice(tuple(EVENT_TYPES)), len(EVENT_TYPES), metadata=told("Only these types."))
    only = Choice(  # type: ignore[assignment]  # marshmallow keeps its own `only` on instances, fields elsewhere
        ("failed", "all"), metadata=told("`failed`: what was exhausted or skipped. `all`: every event; unless given.")
    )

    @validates_schema(skip_on_field_errors=True)
    def check_together(self, data: dict[str, Any], **_: Any) -> None:
        """Either ids or a range, and one of them at least: an empty wish is a mistake."""
        ranged = [name for name in _RANGE if name in data]
        if "event_ids" in data and ranged:
            raise ValidationError({ranged[0]: [Note("conflict", "cannot stand beside event_ids")]})
        if "event_ids" not in data and not ranged:
            text = 'is required, or one of since, until, types and only; "only": "all" repeats everything'
            raise ValidationError({"event_ids": [Note("required", text)]})


REPLAY_IN = ReplayIn()


class ReplayOut(out.Out):
    """A replay and how far it is."""

    id = out.ident("job", "Its id.")
    webhook_id = out.ident("whk", "The webhook.")
    state = out.text("`waiting`, `running`, `done` or `failed`.", "running")
    found = out.whole("Events found to be repeated so far.", 120)
    delivered = out.whole("Of those, delivered.", 100)
    exhausted = out.whole("Of those, given up again.", 0)
    waiting = out.whole("Of those, not posted yet.", 20)
    created_at = out.moment("When it was asked for.")
    searched_at = out.moment("When all its events had been found.", null=True)
