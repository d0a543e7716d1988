"""Analytics: what became of mail, by time and by what it is, as JSON or CSV; and the account of all of it."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, g, request

from api import query
from api.answers import json_answer
from api.auth import scope
from api.contract import Media, Parameter, contract
from api.v1.schemas.analytics import AnalyticsOut, IdentityOut
from common import clock
from common.db.session import transaction
from common.domain.analytics import DIMENSIONS, INTERVALS, METRICS, MOST_BUCKETS, after, buckets, floored
from common.domain.ids import decode
from common.domain.tiers import TIERS
from common.services import analytics
from common.services.analytics import Question

blueprint = Blueprint("analytics", __name__, url_prefix="/v1/analytics")

MOST_VALUES, MOST_GROUPS, MOST_DIMENSIONS = 20, 1000, 3
FORMATS = ("json", "csv")
_KINDS: dict[str, dict[str, Any]] = {
    "tier": {"type": "string", "enum": list(TIERS)},
    "channel": {"type": "string", "enum": ["api", "smtp"]},
    "key": {"type": "string", "pattern": "^key_[0-7][0-9a-hjkmnp-tv-z]{25}$"},
}
FILTERS = tuple(
    Parameter(
        name,
        f"Only mail of this {name.replace('_', ' ')}. Repeatable.",
        _KINDS.get(name, {"type": "string", "minLength": 1, "maxLength": 253}),
        repeatable=True,
    )
    for name in DIMENSIONS
)
START = query.moment_parameter("start", "From this time on; 30 intervals ago unless given.")
END = query.moment_parameter("end", "Before this time; now unless given.")
ASKED = (
    START,
    END,
    Parameter("interval", "How long a line is.", {"type": "string", "enum": list(INTERVALS), "default": "day"}),
    Parameter(
        "group_by",
        f"A line for each value of these, at most {MOST_DIMENSIONS}. recipient_domain stands alone. Repeatable.",
        {"type": "string", "enum": list(DIMENSIONS)},
        repeatable=True,
    ),
    *FILTERS,
    Parameter(
        "limit",
        "How many groups at most, the largest first.",
        {"type": "integer", "minimum": 1, "maximum": MOST_GROUPS, "default": 25},
    ),
    Parameter(
        "format",
        "`csv` answers text/csv, as `Accept: text/csv` does: start, end, the dimensions, the metrics.",
        {"type": "string", "enum": list(FORMATS), "default": "json"},
    ),
)
SPAN = (START, END)
_FIRST = datetime.min.replace(tzinfo=UTC)


@blueprint.get("")
@scope("analytics:read")
@contract(answers={200: (AnalyticsOut, Media("text/csv", "start, end, the dimensions, the metrics."))}, query=ASKED)
def read_analytics() -> Response:
    """What happened to the mail of this key's environment, by time (UTC) and by what it is.

    Events count in the interval in which they happened. With `group_by=tag` a message counts under each of its tags.
    """
    query.only(*ASKED)
    question = _question()
    with transaction() as connection:
        found = analytics.report(connection, g.principal, question)
    if _format() == "csv":
        return _csv(found)
    return json_answer(found)


@blueprint.get("/identity")
@scope("analytics:read")
@contract(answers={200: IdentityOut}, query=SPAN)
def read_identity() -> Response:
    """Where all mail is that was accepted: accepted = live + delivered + bounced + suppressed + cancelled + expired +
    failed, of everything, or of what was accepted between two hours (UTC).
    """
    query.only(*SPAN)
    start, end = query.moment("start"), query.moment("end")
    start = None if start is None else floored(start, "hour")
    end = None if end is None else _ceiled(end, "hour")
    with transaction() as connection:
        return json_answer(analytics.account_for(connection, g.principal, start, end))


def _question() -> Question:
    (interval,) = query.choices("interval", INTERVALS)[:1] or ["day"]
    groups = tuple(dict.fromkeys(query.choices("group_by", DIMENSIONS)))
    if len(groups) > MOST_DIMENSIONS:
        raise query.refuse("group_by", "too_many", f"names more than {MOST_DIMENSIONS} dimensions")
    filters = _filters()
    apart = [name for name in (*groups, *filters) if name != "recipient_domain"]
    if apart and "recipient_domain" in (*groups, *filters):
        raise query.refuse("recipient_domain", "conflict", f"is counted on its own: leave out {apart[0]}")
    start, end = _range(interval)
    if len(buckets(start, end, interval)) > MOST_BUCKETS:
        raise query.refuse("interval", "too_many", f"makes more than {MOST_BUCKETS} lines: shorten the range")
    return Question(start, end, interval, groups, filters, query.whole("limit", MOST_GROUPS) or 25)


def _range(interval: str) -> tuple[datetime, datetime]:
    """Start and end, moved to where intervals begin."""
    unit = "hour" if interval == "total" else interval
    given = query.moment("end")
    end = _ceiled(clock.now() if given is None else given, unit)
    start = query.moment("start")
    if start is None:
        days = {"hour": 1, "month": 365}.get(interval, 30)
        start = end - min(timedelta(days=days), end - _FIRST)
    start = floored(start, unit)
    if start >= end:
        raise query.refuse("start", "invalid_format", "must lie before end")
    return start, end


def _ceiled(moment: datetime, unit: str) -> datetime:
    """The beginning of the next interval, or of this one at its first moment."""
    low = floored(moment, unit)
    try:
        return low if low == moment else after(low, unit)
    except OverflowError as error:
        raise query.refuse("end", "invalid_format", "is too far in the future") from error


def _filters() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name in DIMENSIONS:
        values = request.args.getlist(name)
        if len(values) > MOST_VALUES:
            raise query.refuse(name, "too_many", f"has more than {MOST_VALUES} values")
        for value in values:
            allowed = _KINDS.get(name, {}).get("enum")
            if allowed is not None and value not in allowed:
                raise query.refuse(name, "not_in_enum", f"must be one of {', '.join(allowed)}")
            if not 1 <= len(value) <= 253:
                raise query.refuse(name, "too_long" if value else "too_short", "must be 1 to 253 characters")
            found.setdefault(name, []).append(_value(name, value))
    return found


def _value(name: str, value: str) -> Any:
    if name.endswith("domain"):
        return value.lower()
    if name != "key":
        return value
    key_id = decode("key", value)
    if key_id is None:
        raise query.refuse(name, "invalid_format", "must be the id of an API key (key_…)")
    return key_id


def _format() -> str:
    asked = query.choices("format", FORMATS)
    if asked:
        return asked[0]
    return "csv" if request.accept_mimetypes.best_match(["application/json", "text/csv"]) == "text/csv" else "json"


def _csv(found: dict[str, Any]) -> Response:
    times = ("p50_seconds", "p95_seconds", "p99_seconds")
    names = (*METRICS, "delivery_rate", "bounce_rate", "complaint_rate")
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(["start", "end", *found["group_by"], *names, *times])
    for line in found["data"]:
        lines.writerow(
            [
                line["start"],
                line["end"],
                *(_safe(line["dimensions"][name]) for name in found["group_by"]),
                *(line["metrics"][name] for name in names),
                *(line["time_to_delivery"][name] for name in times),
            ]
        )
    response = Response(text.getvalue(), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="analytics.csv"'
    return response


def _safe(value: str | None) -> str:
    """A value that no spreadsheet takes for a formula."""
    text = value or ""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
