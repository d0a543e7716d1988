"""send, get, list, tail, cancel. Never here: how a message is written together (letters.py)."""

import json
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TextIO, cast

import click
from rich.markup import escape

from sendarix.cli import letters
from sendarix.cli.session import Session, command, pairs
from sendarix.shapes import Event, NewMessage

ENDED = ("delivered", "bounced", "complained", "suppressed", "cancelled", "expired", "failed")
_AT_ONCE = 500
_POLL_SECONDS = 1.0
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
    status = _follow(session, accepted["message_id"])
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
@click.argument("message_id", required=False)
@click.option("--no-follow", is_flag=True, help="Only what has happened to the message so far.")
@click.option("--type", "types", multiple=True, help="Only events of this type, such as message.bounced or message.*")
@click.option("--tag", help="Only events of messages with this tag.")
@click.option("--since", metavar="TIME", help="Begin at this time; otherwise now.")
@command
def tail(session: Session, message_id: str | None, no_follow: bool, types: tuple[str, ...], **filters: Any) -> None:
    """Show the timeline of a message until it has ended; without one, every event as it happens."""
    if message_id is not None:
        _follow(session, message_id, once=no_follow)
        return
    for event in session.client.follow(type=types, **filters):
        session.output.line(event, f"{_told(event)}  {_whose(event)}")


def _follow(session: Session, message_id: str, once: bool = False) -> str:
    seen = 0
    while True:
        status = session.client.message(message_id)["status"]
        for event in session.client.events(message_id)[seen:]:
            seen += 1
            session.output.line(event, _told(event))
        if once or status in ENDED:
            return status
        time.sleep(_POLL_SECONDS)


def _whose(event: Event) -> str:
    data = event["data"]
    return escape(" ".join(str(data[name]) for name in ("recipient", "message_id") if data.get(name)))


def _told(event: Event) -> str:
    data = event["data"]
    reason = data.get("reason") or data.get("reply") or data.get("detail") or ""
    if isinstance(data.get("delivery"), dict):
        reason = reason or data["delivery"].get("reply") or ""
    return f"[dim]{event['timestamp']}[/dim]  {escape(event['type']):22} {escape(str(reason))}"


@click.command()
@click.argument("message_ids", nargs=-1, required=True, metavar="MESSAGE_ID...")
@command
def cancel(session: Session, message_ids: tuple[str, ...]) -> None:
    """Take messages back before they are delivered."""
    for each in message_ids:
        session.output.one(session.client.cancel(each))
