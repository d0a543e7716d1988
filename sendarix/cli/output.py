"""What the commands print: tables and progress on a terminal, JSON otherwise. Never here: requests."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sendarix.cli.advice import next_step
from sendarix.errors import ApiError, SendarixError

_MOST_ROWS_AT_ONCE = 200
_WIDTHS = {"message_id": 30, "id": 30, "status": 9, "state": 7, "recipient": 12}
"""What a column needs to be of use on a narrow terminal."""
_STYLES = {
    "delivered": "green",
    "active": "green",
    "bounced": "red",
    "failed": "red",
    "complained": "red",
    "expired": "yellow",
    "deferred": "yellow",
    "suppressed": "yellow",
    "revoked": "dim",
}


class Output:
    """`machine` forces JSON or tables; None decides by whether stdout is a terminal."""

    def __init__(self, machine: bool | None = None) -> None:
        self.machine = not sys.stdout.isatty() if machine is None else machine

    def one(self, value: Mapping[str, Any]) -> None:
        """One thing: a JSON object, or its fields."""
        if self.machine:
            click.echo(json.dumps(value, ensure_ascii=False))
            return
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        for name, each in value.items():
            if each not in (None, [], {}):
                table.add_row(f"[dim]{name}[/dim]", _shown(each))
        Console().print(table)

    def many(self, values: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> None:
        """A list: one JSON object a line as they come, or tables with these columns."""
        if self.machine:
            for each in values:
                click.echo(json.dumps(each, ensure_ascii=False))
            return
        rows = iter(values)
        first = next(rows, None)
        if first is None:
            Console().print("[dim]Nothing.[/dim]")
            return
        rest: Iterator[Mapping[str, Any]] = chain([first], rows)
        while chunk := list(islice(rest, _MOST_ROWS_AT_ONCE)):
            table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
            for column in columns:
                table.add_column(column, no_wrap=True, min_width=_WIDTHS.get(column))
            for each in chunk:
                table.add_row(*(_cell(column, _at(each, column)) for column in columns))
            Console().print(table)

    def line(self, value: Mapping[str, Any], text: str) -> None:
        """One thing of a stream: a JSON line, or this text."""
        if self.machine:
            click.echo(json.dumps(value, ensure_ascii=False))
        else:
            Console().print(text, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """A word beside the result, for people only."""
        if not self.machine:
            Console(stderr=True).print(text, highlight=False, soft_wrap=True)

    @contextmanager
    def progress(self, label: str, total: int | None) -> Iterator["Steps"]:
        """A bar on stderr when that is a terminal; otherwise nothing moves."""
        columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
            task = bar.add_task(label, total=total)
            yield Steps(bar, task)

    def failure(self, error: SendarixError, url: str) -> None:
        """What went wrong and what to do next, on stderr."""
        advice = next_step(error, url)
        if self.machine:
            problem = dict(error.problem) if isinstance(error, ApiError) else {}
            told = {"message": str(error), "code": problem.get("code", "unreachable"), "next": advice}
            click.echo(json.dumps({"error": told | problem}, ensure_ascii=False), err=True)
            return
        click.echo(f"{click.style('Error:', fg='red', bold=True)} {error}", err=True)
        if isinstance(error, ApiError):
            for each in error.errors:
                click.echo(f"  {each.get('field')}: {each.get('message')}", err=True)
            if error.request_id:
                click.echo(click.style(f"  request {error.request_id}", dim=True), err=True)
        click.echo(f"Next: {advice}", err=True)


class Steps:
    """A bar to move on."""

    def __init__(self, bar: Progress, task: Any) -> None:
        self._bar, self._task = bar, task

    def advance(self, count: int = 1, total: int | None = None) -> None:
        """So many more are done; of so many, when that has become known."""
        self._bar.update(self._task, advance=count, total=total)


def _at(value: Mapping[str, Any], column: str) -> Any:
    found: Any = value
    for part in column.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _cell(column: str, value: Any) -> str:
    if column.endswith("_at") and isinstance(value, str):
        value = value[:19].replace("T", " ")
    return _shown(value)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_shown(each) for each in value)
    if isinstance(value, Mapping):
        return _escaped(json.dumps(value, ensure_ascii=False))
    text = _escaped(str(value))
    style = _STYLES.get(text)
    return f"[{style}]{text}[/{style}]" if style else text


def _escaped(text: str) -> str:
    printable = "".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in text)
    return printable.replace("[", "\\[")
