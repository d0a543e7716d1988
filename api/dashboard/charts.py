"""Charts as numbers: where the bars of a picture stand, and how long its parts are. Templates draw them as SVG.

Pure: lines of /v1/analytics in, rectangles out. Never here: colours, words, asking.
"""

from datetime import datetime, timedelta
from typing import Any

WIDTH, HEIGHT, FOOT = 720, 150, 18
SERIES = (("delivered", "good"), ("deferred", "warn"), ("bounced", "bad"), ("failed", "bad"))
"""What a bar is stacked of, from the bottom, and in which tone."""


def stacked(lines: list[dict[str, Any]], start: str, step: timedelta, count: int) -> dict[str, Any]:
    """`count` bars from `start`, `step` apart: {"bars": [{"at", "parts": [rect], "counts"}], "most", "ticks"}."""
    first = datetime.fromisoformat(start)
    by_time = {datetime.fromisoformat(each["start"]): each["metrics"] for each in lines}
    moments = [first + step * number for number in range(count)]
    sums = [sum(by_time.get(each, {}).get(name, 0) for name, _ in SERIES) for each in moments]
    most = _nice(max(sums, default=0))
    room = WIDTH / max(count, 1)
    bars = [_bar(moment, by_time.get(moment, {}), number * room, room, most) for number, moment in enumerate(moments)]
    return {"bars": bars, "most": most, "width": WIDTH, "height": HEIGHT + FOOT, "foot": HEIGHT}


def _bar(moment: datetime, metrics: dict[str, Any], left: float, room: float, most: int) -> dict[str, Any]:
    parts, top = [], float(HEIGHT)
    for name, tone in SERIES:
        height = metrics.get(name, 0) / most * (HEIGHT - 4)
        top -= height
        if height:
            parts.append({"x": round(left + room * 0.12, 1), "y": round(top, 1), "width": round(room * 0.76, 1),
                          "height": round(height, 1), "tone": tone})  # fmt: skip
    counts = {name: metrics.get(name, 0) for name, _ in SERIES}
    return {"at": moment, "x": round(left + room / 2, 1), "parts": parts, "counts": counts}


def _nice(most: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50, … that is not less."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power >= most:
                return factor * power
        power *= 10


def shares(identity: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of the accounting identity, each with its tone and its place on a bar 100 wide."""
    names = ("live", "delivered", "bounced", "suppressed", "cancelled", "expired", "failed")
    tones = ("busy", "good", "bad", "warn", "mute", "mute", "bad")
    whole, left, found = max(identity.get("accepted", 0), 1), 0.0, []
    for name, tone in zip(names, tones, strict=True):
        width = identity.get(name, 0) / whole * 100
        found.append({"name": name, "tone": tone, "count": identity.get(name, 0), "x": round(left, 2),
                      "width": round(width, 2)})  # fmt: skip
        left += width
    return found
