"""The curves as an SVG that light and dark pages can both show, and a table for those who do not see it."""

from bisect import bisect_right
from collections.abc import Sequence
from html import escape

from tests.simulation.day import Tally

SECONDS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)
_NAMES = ("0.5 s", "1 s", "2 s", "5 s", "10 s", "30 s", "1 min", "2 min", "5 min", "10 min", "30 min", "1 h", "2 h")
_COLOURS = ("#1d7a46", "#b4540a", "#5b5bd6")
_DASHES = ("", "7 4", "2 4")
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 760, 400, 70, 54, 56


def shares(tally: Tally, messages: int) -> list[float]:
    """Of all messages, the share delivered within each of SECONDS."""
    waits = sorted(tally.waits)
    return [bisect_right(waits, limit) / messages for limit in SECONDS]


def draw(runs: Sequence[tuple[str, Tally]], messages: int) -> str:
    """The picture."""
    curves = [shares(tally, messages) for _, tally in runs]
    least = min(curve[0] for curve in curves)
    floor = max(0.0, int(least * 50) / 50 - 0.02)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="system-ui,'
        'sans-serif" font-size="13">',
        f"<title>Share of {messages:,} messages delivered by time since acceptance</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="24" font-size="15" fill="#1b1b1f">Delivered by time since acceptance, {messages:,} '
        "messages, twenty providers</text>",
    ]
    for at, name in enumerate(_NAMES):
        parts.append(f'<text x="{_x(at):.0f}" y="{HEIGHT - 34}" text-anchor="middle" fill="#55555c">{name}</text>')
    for step in range(6):
        share = floor + (1 - floor) * step / 5
        y = _y(share, floor)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddde2"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#55555c">{share:.1%}</text>')
    for place, ((name, _), curve) in enumerate(zip(runs, curves, strict=True)):
        points = " ".join(f"{_x(at):.1f},{_y(share, floor):.1f}" for at, share in enumerate(curve))
        style = f'stroke="{_COLOURS[place]}" stroke-width="2.5" stroke-dasharray="{_DASHES[place]}"'
        parts.append(f'<polyline points="{points}" fill="none" {style}/>')
        x = LEFT + place * 190
        parts.append(f'<line x1="{x}" x2="{x + 34}" y1="42" y2="42" {style}/>')
        parts.append(f'<text x="{x + 42}" y="46" fill="#1b1b1f">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _x(at: int) -> float:
    return LEFT + (WIDTH - LEFT - 50) * at / (len(SECONDS) - 1)


def _y(share: float, floor: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP - 10) * (share - floor) / (1 - floor)
