"""dead-letters: list. Never here: why a message ended."""

from itertools import islice

import click

from sendarix.cli.session import Session, command

_COLUMNS = ("message_id", "recipient", "cause", "detail", "attempts", "created_at")


@click.group("dead-letters")
def dead_letters() -> None:
    """Messages that ended badly."""


@dead_letters.command("list")
@click.option("--most", type=click.IntRange(min=1), default=25, show_default=True, help="How many to show.")
@command
def list_dead_letters(session: Session, most: int) -> None:
    """Show dead letters, newest first."""
    session.output.many(islice(session.client.dead_letters(), most), _COLUMNS)
