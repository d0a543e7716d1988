"""send, get, list, cancel. Never here: how a message is written (letters.py) or followed (following.py)."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TextIO, cast

import click
from rich.markup import escape

from sendarix.cli import letters
from sendarix.cli.following import follow_one
from sendarix.cli.session import Session, command, pairs
from sendarix.shapes import NewMessage

_AT_ONCE = 500
_COLUMNS = ("message_id", "status", "recipient", "subject", "created_at")


@click.command()
@letters.options
@click.option("--lines", type=click.File("r", encoding="utf-8"), help="Send many: a JSON message a line; - is stdin.")
@click.option("--idempotency-key", metavar="KEY", help="Your name for this one mail: repeated, it is sent once.")
@click.option("--wait", is_flag=True, help="Follow it until it has ended; 1 when that is not delivered.")
@command
def send(session: Session, lines: TextIO | None, idempotency_key: str | None, wait: bool, **fields: Any) -> None:
    """Send a message, or with --lines many.

    sendarix send --to user@example.com --template otp-code --data code=847291 --data expires_in="5 minutes"
    """
    if lines is not None:
        _send_lines(session, lines)
        return
    accepted = session.client.send(letters.compose(**fields), idempotency_key=idempotency_key)
    if not wait:
        session.output.one(accepted)
        return
    status = follow_one(session, accepted["message_id"])
    if status != "delivered":
        click.get_current_context().exit(1)


def _send_lines(session: Session, lines: TextIO) -> None:
    failed, done = 0, 0
    source = _parsed(lines)
    with session.output.progress("sending", None) as steps:
        while chunk := list(islice(source, _AT_ONCE)):
            answer = session.client.send_batch(chunk, partial=True)
            for entry in answer["data"]:
                failed += "error" in entry
                shown = entry | {"index": done + entry["index"]}
                if "error" in entry or session.output.machine:
                    session.output.line(shown, _refused(shown))
            done += len(chunk)
            steps.advance(len(chunk))
    session.output.note(f"{done - failed} accepted, {failed} refused")
    if failed:
        click.get_current_context().exit(1)


def _refused(entry: dict[str, Any]) -> str:
    error = entry.get("error", {})
    places = "; ".join(f"{each['field']}: {each['message']}" for each in error.get("errors", ()))
    return escape(f"line {entry['index'] + 1}: {places or error.get('detail', '')}")


def _parsed(lines: Iterable[str]) -> Iterator[NewMessage]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                found = json.loads(line)
            except ValueError as error:
                raise click.UsageError(f"Line {number} is not JSON: {error}") from error
            if not isinstance(found, dict):
                raise click.UsageError(f"Line {number} is not a JSON object.")
            yield cast(NewMessage, found)


@click.command()
@click.argument("message_id")
@command
def get(session: Session, message_id: str) -> None:
    """Show where a message is."""
    session.output.one(session.client.message(message_id))


@click.command("list")
@click.option("--status", multiple=True, help="Only with this status; may be repeated.")
@click.option("--recipient", help="Only to this address.")
@click.option("--tag", help="Only with this tag.")
@click.option("--template", help="Only of this template.")
@click.option("--search", "q", help="Only where recipient, subject, tag, id or the server's reply hold this.")
@click.option("--after", "created_after", metavar="TIME", help="Only accepted at this time or later.")
@click.option("--before", "created_before", metavar="TIME", help="Only accepted before this time.")
@click.option("--metadata", multiple=True, metavar="NAME=VALUE", help="Only with this metadata.")
@click.option("--most", type=click.IntRange(min=1), default=25, show_default=True, help="How many to show.")
@click.option("--all", "everything", is_flag=True, help="Show all of them.")
@command
def list_messages(session: Session, most: int, everything: bool, metadata: tuple[str, ...], **filters: Any) -> None:
    """Show messages, newest first."""
    filters |= {f"metadata[{name}]": value for name, value in pairs(metadata, "--metadata").items()}
    if not everything:
        filters["limit"] = min(most, 100)
    found = session.client.messages(**filters)
    session.output.many(found if everything else islice(found, most), _COLUMNS)


@click.command()
@click.argument("message_ids", nargs=-1, required=True, metavar="MESSAGE_ID...")
@command
def cancel(session: Session, message_ids: tuple[str, ...]) -> None:
    """Take messages back before they are delivered."""
    for each in message_ids:
        session.output.one(session.client.cancel(each))
