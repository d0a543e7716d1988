"""The shapes of health answers."""

from api.v1.schemas import out


class HealthOut(out.Out):
    """The process runs."""

    status = out.text("Always `ok`.", "ok")


class ReadyOut(out.Out):
    """Whether messages can be accepted."""

    status = out.text("`ready` or `unavailable`.", "ready")
    database = out.text("`ok` or `unavailable`: without it nothing is accepted.", "ok")
    redis = out.text("`ok` or `unavailable`: without it mail takes seconds longer.", "ok")
