"""Figures: a value, what stood beside it in the same run, the target and whether it is met; as table and JSON."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result. `ratio` is value over beside_value; `met` is None where there is no target."""

    name: str
    value: float
    unit: str
    meaning: str
    beside: str = ""
    beside_value: float | None = None
    target: str = ""
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        if not self.beside_value or math.isnan(self.value) or math.isnan(self.beside_value):
            return None
        return self.value / self.beside_value


def at_least(
    name: str, value: float, unit: str, meaning: str, *, beside: str, floor: float | None, times: float
) -> Figure:
    """A figure that must be `times` its floor or more. Without a floor there is no verdict."""
    return _compared(name, value, unit, meaning, beside, floor, f"at least {times:g} x", lambda ratio: ratio >= times)


def at_most(
    name: str, value: float, unit: str, meaning: str, *, beside: str, floor: float | None, times: float
) -> Figure:
    """A figure that must be `times` its floor or less. Without a floor there is no verdict."""
    return _compared(name, value, unit, meaning, beside, floor, f"at most {times:g} x", lambda ratio: ratio <= times)


def _compared(
    name: str,
    value: float,
    unit: str,
    meaning: str,
    beside: str,
    floor: float | None,
    target: str,
    holds: Callable[[float], bool],
) -> Figure:
    bare = Figure(name, value, unit, meaning, beside, floor, target)
    met = None if floor is None else bare.ratio is not None and holds(bare.ratio)
    return Figure(name, value, unit, meaning, beside, floor, target, met)


def under(name: str, value: float, unit: str, meaning: str, most: float) -> Figure:
    """A figure with a fixed limit."""
    return Figure(name, value, unit, meaning, target=f"at most {most:,.0f} {unit}", met=value <= most)


def above(name: str, value: float, unit: str, meaning: str, least: float) -> Figure:
    """A figure with a fixed lower limit."""
    return Figure(name, value, unit, meaning, target=f"at least {least:g} {unit}", met=value >= least)


def show(figures: Sequence[Figure], console: Console) -> None:
    """The table. A figure that could not be taken shows a dash."""
    table = Table(title="Sendarix, measured here and now; trust the ratios", show_lines=False)
    for heading in ("figure", "what it means", "value", "beside it", "ratio", "target", "met"):
        table.add_column(heading, justify="right" if heading in ("value", "ratio") else "left", overflow="fold")
    for figure in figures:
        table.add_row(
            figure.name,
            figure.meaning,
            f"{_number(figure.value)} {figure.unit}",
            _beside(figure),
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            figure.target,
            {True: "[green]yes[/]", False: "[red]no[/]", None: ""}[figure.met],
        )
    console.print(table)


def _beside(figure: Figure) -> str:
    if not figure.beside:
        return ""
    if figure.beside_value is None:
        return f"{figure.beside}: not measured"
    return f"{figure.beside}: {_number(figure.beside_value)} {figure.unit}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"


def write_json(figures: Sequence[Figure], notes: Sequence[str], path: Path) -> None:
    """Everything, for a machine; a figure that could not be taken is null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [asdict(figure) | {"ratio": figure.ratio} for figure in figures]
    for line in lines:
        for name, value in line.items():
            if isinstance(value, float) and math.isnan(value):
                line[name] = None
    path.write_text(json.dumps({"figures": lines, "notes": list(notes)}, indent=2) + "\n")
