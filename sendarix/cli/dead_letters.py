"""dead-letters: list, causes, replay, discard. Never here: why a message ended."""

from itertools import islice
from typing import Any

import click

from sendarix.cli.jobs import finish, follow
from sendarix.cli.session import Session, command

_COLUMNS = ("message_id", "recipient", "state", "cause", "detail", "attempts", "created_at")
_CAUSES = ("cause", "waiting", "count", "recipient_domains", "first_at", "last_at", "newest_detail")


def _filtered(function: Any) -> Any:
    for each in (
        click.option("--before", "created_before", metavar="TIME", help="Only what ended before this time."),
        click.option("--after", "created_after", metavar="TIME", help="Only what ended at this time or later."),
        click.option("--domain", help="Only to this domain."),
        click.option("--recipient", help="Only to this address."),
        click.option("--cause", help="Only this cause."),
    ):
        function = each(function)
    return function


@click.group("dead-letters")
def dead_letters() -> None:
    """Messages that ended badly: see why, send them again, put them aside."""


@dead_letters.command("list")
@_filtered
@click.option("--state", multiple=True, help="Only of which this became: waiting, replayed, discarded.")
@click.option("--most", type=click.IntRange(min=1), default=25, show_default=True, help="How many to show.")
@command
def list_dead_letters(session: Session, most: int, **filters: Any) -> None:
    """Show dead letters, newest first."""
    session.output.many(islice(session.client.dead_letters(**filters), most), _COLUMNS)


@dead_letters.command()
@_filtered
@command
def causes(session: Session, **filters: Any) -> None:
    """Show them by cause, the most frequent first."""
    session.output.many(session.client.dead_letter_causes(**filters), _CAUSES)


@dead_letters.command()
@click.argument("message_ids", nargs=-1, metavar="[MESSAGE_ID]...")
@_filtered
@click.option("--all", "everything", is_flag=True, help="All that wait and match.")
@click.option("--dry-run", is_flag=True, help="Only find out what would be done.")
@command
def replay(session: Session, message_ids: tuple[str, ...], everything: bool, dry_run: bool, **filters: Any) -> None:
    """Send dead letters once more, as new messages. None is ever sent twice."""
    body = {"dry_run": dry_run, **_which(message_ids, everything, filters)}
    finish(follow(session, session.client.replay_dead_letters(body), "replaying"))


@dead_letters.command()
@click.argument("message_ids", nargs=-1, metavar="[MESSAGE_ID]...")
@_filtered
@click.option("--all", "everything", is_flag=True, help="All that wait and match.")
@click.option("--dry-run", is_flag=True, help="Only find out what would be done.")
@click.option("--reason", required=True, help="Why, for whoever reads it.")
@command
def discard(
    session: Session, message_ids: tuple[str, ...], everything: bool, dry_run: bool, reason: str, **filters: Any
) -> None:
    """Put dead letters aside for good."""
    body = {"dry_run": dry_run, "reason": reason, **_which(message_ids, everything, filters)}
    finish(follow(session, session.client.discard_dead_letters(body), "discarding"))


def _which(message_ids: tuple[str, ...], everything: bool, filters: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in filters.items() if value is not None}
    if message_ids:
        if everything or given:
            raise click.UsageError("Name messages, or say which by options: not both.")
        return {"message_ids": list(message_ids)}
    if not (everything or given):
        raise click.UsageError("Name messages, say which by options such as --cause, or take --all.")
    if "cause" in given:
        given["cause"] = [given["cause"]]
    return {"filter": given}
