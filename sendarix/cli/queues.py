"""queues: list, pause, drain, resume; holds: list, create, release. Never here: who may stop them."""

from itertools import islice
from typing import Any

import click

from sendarix.cli.session import Session, command

_COLUMNS = ("name", "depth", "in_progress", "later", "paced", "held", "oldest_age_seconds", "out_per_minute",
            "drain_seconds", "consumers", "paused")  # fmt: skip
_HOLDS = ("id", "kind", "state", "stage", "match", "messages", "reason", "author", "expires_at")


def _why(function: Any) -> Any:
    for each in (
        click.option("--expires-at", metavar="TIME", help="When it ends by itself; a day from now unless given."),
        click.option("--author", help="Who; the key unless given."),
        click.option("--reason", required=True, help="Why, for whoever looks at an affected message."),
    ):
        function = each(function)
    return function


_everywhere = click.option("--everywhere", is_flag=True, help="Of all accounts; needs a key with the scope admin.")


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


@click.group()
def queues() -> None:
    """How the queues stand, and stopping them."""


@queues.command("list")
@_everywhere
@command
def list_queues(session: Session, everywhere: bool) -> None:
    """Show every queue: how deep, how old, how fast, who has paused it."""
    session.output.many(session.client.queues(everywhere=everywhere), _COLUMNS)


@queues.command()
@click.argument("queue")
@_why
@_everywhere
@command
def pause(session: Session, queue: str, everywhere: bool, **fields: Any) -> None:
    """Let nothing of a queue go on."""
    session.output.one(session.client.stop_queue(queue, "pause", _given(fields), everywhere=everywhere))


@queues.command()
@click.argument("queue")
@_why
@_everywhere
@command
def drain(session: Session, queue: str, everywhere: bool, **fields: Any) -> None:
    """Let go what is in a queue, and keep back what is accepted from now on."""
    session.output.one(session.client.stop_queue(queue, "drain", _given(fields), everywhere=everywhere))


@queues.command()
@click.argument("queue")
@_everywhere
@command
def resume(session: Session, queue: str, everywhere: bool) -> None:
    """End a pause or a drain."""
    session.output.one(session.client.resume_queue(queue, everywhere=everywhere))


@click.group()
def holds() -> None:
    """Keep mail back, and let it go."""


@holds.command("list")
@click.option("--state", multiple=True, help="Only those that are active, or released.")
@click.option("--most", type=click.IntRange(min=1), default=25, show_default=True, help="How many to show.")
@command
def list_holds(session: Session, most: int, **filters: Any) -> None:
    """Show holds, newest first."""
    session.output.many(islice(session.client.holds(**filters), most), _HOLDS)


@holds.command()
@click.option("--priority", help="Mail of this tier.")
@click.option("--domain", "recipient_domain", help="Mail to this domain.")
@click.option("--tag", help="Mail with this tag.")
@click.option("--template", help="Mail of this template.")
@click.option("--key", "key_id", help="Mail that was sent with this key.")
@click.option("--all", "everything", is_flag=True, help="All mail.")
@_why
@_everywhere
@command
def create(
    session: Session, everything: bool, reason: str, author: str | None, expires_at: str | None, everywhere: bool,
    **match: Any,
) -> None:  # fmt: skip
    """Keep back what matches, now and later, until the hold is released or ends by itself."""
    wanted = _given(match)
    if bool(wanted) == everything:
        raise click.UsageError("Say which mail (--tag, --domain, ...), or --all.")
    fields = {"match": wanted, "reason": reason} | _given({"author": author, "expires_at": expires_at})
    session.output.one(session.client.hold(fields, everywhere=everywhere))


@holds.command()
@click.argument("hold_ids", nargs=-1, required=True, metavar="HOLD_ID...")
@command
def release(session: Session, hold_ids: tuple[str, ...]) -> None:
    """End holds: their mail goes on."""
    for each in hold_ids:
        session.output.one(session.client.release_hold(each))
