"""suppressions: list, add, remove, import, export. Never here: which addresses are suppressed."""

from itertools import islice
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import Any, BinaryIO, TextIO

import click

from sendarix.cli.jobs import finish, follow
from sendarix.cli.session import Session, command

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
@click.argument("file", type=click.File("rb"))
@click.option("--reason", help="For rows that name none; manual unless given.")
@click.option("--scope", help="For rows that name none; all unless given.")
@click.option("--rejects", type=click.File("w", encoding="utf-8", lazy=True), help="Where refused rows go, with why.")
@click.option("--dry-run", is_flag=True, help="Only find out what would be done.")
@command
def import_suppressions(
    session: Session, file: BinaryIO, reason: str | None, scope: str | None, rejects: TextIO | None, dry_run: bool
) -> None:
    """Add up to a million: CSV that names its columns, bare addresses, or JSON lines (*.jsonl); - is stdin.

    Repeating it is harmless: what is there already is kept.
    """
    media = "application/x-ndjson" if str(getattr(file, "name", "")).endswith((".jsonl", ".ndjson")) else "text/csv"
    with TemporaryFile() as kept:
        copyfileobj(file, kept)
        job = session.client.import_suppressions(
            media, kept, reason=reason, scope=scope, dry_run="true" if dry_run else None
        )
    job = follow(session, job, "importing")
    if rejects is not None and job["rejected"]:
        rejects.writelines(f"{line}\n" for line in session.client.job_rejects(job["id"]))
    finish(job)


@suppressions.command("export")
@click.option("--reason", multiple=True, help="Only for this reason; may be repeated.")
@click.option("--scope", multiple=True, help="Only in this scope; may be repeated.")
@click.option("--output", "file", type=click.File("w", encoding="utf-8", lazy=True), default="-", help="A file.")
@command
def export(session: Session, file: TextIO, **filters: Any) -> None:
    """Write all of them as CSV, as `import` reads it."""
    with session.output.progress("exporting", None) as steps:
        for line in session.client.export_suppressions(**filters):
            file.write(f"{line}\n")
            steps.advance()
