"""The shapes of alerts and their incidents: as they are asked for, and as they are shown."""

from typing import Any

from marshmallow import ValidationError, validates_schema
from marshmallow.fields import Field

from api.v1.schemas import out
from api.v1.schemas.fields import Choice, In, Note, PlainAddress, Text, Whole, YesNo
from api.v1.schemas.lists import Ident
from api.v1.schemas.messages import TAG_PATTERN
from api.v1.schemas.out import told
from api.v1.schemas.shaped import Number
from common.domain.alerting import BASELINE_HOURS, CLEAR_SHARE, KINDS, NARROWING, PER, WINDOW_HOURS
from common.domain.tiers import TIERS

_LINES = ", ".join(f"{kind.threshold:g} for `{kind.name}`" for kind in KINDS.values())
_LEAST = ", ".join(f"{kind.minimum} for `{kind.name}`" for kind in KINDS.values() if kind.minimum > 1)


def _changeable(required: bool) -> dict[str, Field[Any]]:
    return {
        "name": Text(100, least=1, line=True, required=required, metadata=told("Its name.", "Reset mail bounces")),
        "enabled": YesNo(metadata=told("Whether it is looked at; true unless given. Switched off, it is closed.")),
        "threshold": Number(0.0001, 1e9, metadata=told(f"It opens at this value. Unless given: {_LINES}.", 3.0)),
        "clear_share": Number(
            0.01, 1.0, metadata=told(f"It closes below this share of the threshold; {CLEAR_SHARE} unless given.", 0.8)
        ),
        "minimum": Whole(
            1,
            1_000_000_000,
            metadata=told(f"With fewer messages in the window nothing is said. Unless given: {_LEAST}, else 1.", 50),
        ),
        "window_hours": Whole(
            1, 24, metadata=told(f"Mail of the last so many hours is looked at; {WINDOW_HOURS} unless given.", 1)
        ),
        "baseline_hours": Whole(
            1,
            168,
            metadata=told(f"A spike is over the mean of so many hours before; {BASELINE_HOURS} unless given.", 24),
        ),
        "open_seconds": Whole(0, 86_400, metadata=told("It opens after so long over the line; 0 unless given.", 60)),
        "clear_seconds": Whole(0, 86_400, metadata=told("It closes after so long below; 0 unless given.", 300)),
        "email": PlainAddress(
            metadata=told("Who is told by mail, beside `alert.opened` and `alert.closed`.", "ops@example.net")
        ),
    }


def _narrowing() -> dict[str, Field[Any]]:
    return {
        "key_id": Ident("key", metadata=told("Only mail sent with this API key.")),
        "template": Text(64, pattern=r"[a-z0-9][a-z0-9_-]*", metadata=told("Only mail of this template.")),
        "tag": Text(100, line=True, pattern=TAG_PATTERN, metadata=told("Only mail with this tag.", "password-reset")),
        "sending_domain": Text(
            253, least=1, pattern=r"[a-z0-9._-]+", metadata=told("Only mail from this domain; or only this domain.")
        ),
        "priority": Choice(TIERS, metadata=told("Only this tier.")),
        "per": Choice(PER, metadata=told("Looked at for each key, template or sending domain apart.")),
    }


def _alternative(kind: str) -> dict[str, Any]:
    barred = [name for name in NARROWING if name not in KINDS[kind].narrowed_by]
    return {"properties": {"kind": {"enum": [kind]}, **{name: {"type": "null"} for name in barred}}}


class _Narrowed(In):
    """A kind is narrowed by what it knows of."""

    together = {"anyOf": [_alternative(kind) for kind in KINDS]}

    @validates_schema(skip_on_field_errors=True)
    def check_together(self, data: dict[str, Any], **_: Any) -> None:
        """A field that would change nothing is a mistake."""
        allowed = KINDS[data["kind"]].narrowed_by if data.get("kind") in KINDS else NARROWING
        wrong = [name for name in NARROWING if name in data and name not in allowed]
        if wrong:
            usable = ", ".join(allowed) or "nothing"
            note = Note("conflict", f"does not narrow {data['kind']}, which is narrowed by {usable}: leave it out")
            raise ValidationError({name: [note] for name in wrong})


_KIND = "What is watched: " + "; ".join(f"`{kind.name}`, {kind.sentence}" for kind in KINDS.values()) + "."

AlertIn = _Narrowed.from_dict(
    {"kind": Choice(tuple(KINDS), required=True, metadata=told(_KIND, "bounces")), **_changeable(True), **_narrowing()},
    name="AlertIn",
)
AlertIn.samples = {"reset": {"name": "Reset mail bounces", "kind": "bounces", "tag": "password-reset"}}  # type: ignore[attr-defined]
ALERT_IN = AlertIn()
AlertChangeIn = In.from_dict(_changeable(False), name="AlertChangeIn")
ALERT_CHANGE_IN = AlertChangeIn()


class AlertOut(out.Out):
    """An alert: a rule that is looked at every few seconds."""

    id = out.ident("alr", "Its id.")
    name = out.text("Its name.", "Reset mail bounces")
    kind = out.text("What is watched.", "bounces")
    enabled = out.flag("Whether it is looked at.")
    environment = out.text("`live` or `test`.", "live")
    key_id = out.ident("key", "Only mail sent with this API key.", null=True)
    template = out.text("Only mail of this template.", null=True)
    tag = out.text("Only mail with this tag.", "password-reset", null=True)
    sending_domain = out.text("Only mail from this domain; or only this domain.", null=True)
    priority = out.text("Only this tier.", null=True)
    per = out.text("Looked at for each `key`, `template` or `sending_domain` apart.", null=True)
    threshold = out.number("It opens at this value.", 1.0)
    clear_share = out.number("It closes below this share of the threshold.", 0.8)
    minimum = out.whole("With fewer messages in the window nothing is said.", 1)
    window_hours = out.whole("Mail of the last so many hours is looked at.", 1)
    baseline_hours = out.whole("A spike is over the mean of so many hours before.", 24)
    open_seconds = out.whole("It opens after so long over the line.", 0)
    clear_seconds = out.whole("It closes after so long below.", 0)
    email = out.text("Who is told by mail.", "ops@example.net", null=True)
    open_incidents = out.whole("How many incidents are open.", 0)
    created_at = out.moment("When it was made.")
    updated_at = out.moment("When it was last changed.")
    evaluated_at = out.moment("When it was last looked at.", null=True)


class IncidentOut(out.Out):
    """What an alert has seen, from the first moment over the line."""

    id = out.ident("inc", "Its id.")
    alert_id = out.ident("alr", "The alert.")
    state = out.text("`pending` until it has lasted for `open_seconds`, then `open`, then `closed`.", "open")
    subject = out.text("The key, template, domain, tier or webhook that it is about, where there is one.", null=True)
    value = out.number("The last value.", 2.0)
    peak = out.number("The greatest value so far.", 4.0)
    threshold = out.number("The threshold when it began.", 1.0)
    since = out.moment("When the line was first crossed.")
    opened_at = out.moment("When it opened and was told.", null=True)
    closed_at = out.moment("When it closed and was told.", null=True)
