"""suppressions: list, add, remove, import, export. Never here: which addresses are suppressed."""

import csv
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, TextIO

import click

from sendarix.cli.session import Session, command
from sendarix.errors import ApiError

FIELDS = ("recipient", "reason", "scope", "note", "expires_at")
_COLUMNS = ("recipient", "reason", "scope", "note", "created_at", "expires_at")


@click.group()
def suppressions() -> None:
    """The addresses that get no mail."""


@suppressions.command("list")
@click.option("--reason", multiple=True, help="Only for this reason; may be repeated.")
@click.option("--scope", multiple=True, help="Only in this scope; may be repeated.")
@click.option("--search", "q", help="Only addresses that begin with this.")
@click.option("--most", type=click.IntRange(min=1), default=25, show_default=True, help="How many to show.")
@command
def list_suppressions(session: Session, most: int, **filters: Any) -> None:
    """Show suppressions, newest first."""
    session.output.many(islice(session.client.suppressions(**filters), most), _COLUMNS)


@suppressions.command()
@click.argument("recipient")
@click.option("--reason", help="Why; manual unless given.")
@click.option("--scope", help="all, stream:<name> or topic:<name>.")
@click.option("--note", help="For whoever reads the list.")
@click.option("--expires-at", metavar="TIME", help="When mail goes through again.")
@command
def add(session: Session, recipient: str, **fields: Any) -> None:
    """Stop mail to an address."""
    given = {name: value for name, value in fields.items() if value is not None}
    session.output.one(session.client.suppress({"recipient": recipient} | given))


@suppressions.command()
@click.argument("recipients", nargs=-1, required=True, metavar="RECIPIENT...")
@command
def remove(session: Session, recipients: tuple[str, ...]) -> None:
    """Let mail to addresses through again."""
    for each in recipients:
        session.client.unsuppress(each)
        session.output.one({"recipient": each, "removed": True})


@suppressions.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
@click.option("--reason", help="For lines that name none; manual unless given.")
@click.option("--rejects", type=click.File("w", encoding="utf-8", lazy=True), help="Where refused lines go, with why.")
@command
def import_suppressions(session: Session, file: TextIO, reason: str | None, rejects: TextIO | None) -> None:
    """Add many: CSV with a header that has `recipient`, or one address a line; - is stdin.

    Repeating it is harmless: what is there already is kept.
    """
    rows = list(_rows(file))
    refused = 0
    with session.output.progress("importing", len(rows)) as steps:
        for number, row in enumerate(rows, 1):
            try:
                session.client.suppress({"reason": reason} | row if reason else row)
            except ApiError as error:
                if error.status != 422:
                    raise
                refused += 1
                if rejects is not None:
                    why = "; ".join(f"{each['field']}: {each['message']}" for each in error.errors)
                    rejects.write(json.dumps({"entry": number, **row, "error": why}, ensure_ascii=False) + "\n")
            steps.advance()
    session.output.one({"added_or_kept": len(rows) - refused, "refused": refused})
    if refused:
        click.get_current_context().exit(1)


def _rows(file: TextIO) -> Iterator[dict[str, str]]:
    lines = [line for line in file if line.strip()]
    names = [each.strip().lower() for each in next(csv.reader(lines[:1]), [])]
    if "recipient" in names or "email" in names:
        names = ["recipient" if each == "email" else each for each in names]
        for entry in csv.DictReader(lines[1:], fieldnames=names):
            yield {name: entry[name].strip() for name in FIELDS if (entry.get(name) or "").strip()}
    else:
        yield from ({"recipient": line.strip()} for line in lines)


@suppressions.command("export")
@click.option("--reason", multiple=True, help="Only for this reason; may be repeated.")
@click.option("--scope", multiple=True, help="Only in this scope; may be repeated.")
@click.option("--output", "file", type=click.File("w", encoding="utf-8", lazy=True), default="-", help="A file.")
@command
def export(session: Session, file: TextIO, **filters: Any) -> None:
    """Write all of them as CSV, as `import` reads it."""
    writer = csv.writer(file)
    writer.writerow(_COLUMNS)
    with session.output.progress("exporting", None) as steps:
        for each in session.client.suppressions(**filters):
            writer.writerow([each.get(name) or "" for name in _COLUMNS])
            steps.advance()
