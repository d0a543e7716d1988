"""tail: the timeline of one message until it has ended, or every event as it happens.

`sendarix tail` and `sendarix webhooks tail` are this one command. Never here: what events there are.
"""

import time
from collections.abc import Callable
from typing import Any

import click
from rich.markup import escape

from sendarix.cli.session import Session, command
from sendarix.shapes import Event

ENDED = ("delivered", "bounced", "complained", "suppressed", "cancelled", "expired", "failed")
_POLL_SECONDS = 1.0
_WAIT_SECONDS = 20


def streaming(function: Any) -> Any:
    """The options of what reads the event stream."""
    for option in (
        click.option("--type", "types", multiple=True, help="Only these, such as message.bounced or message.*"),
        click.option("--tag", help="Only events of messages with this tag."),
        click.option("--since", metavar="TIME", help="From this time on; otherwise from now on."),
        click.option("--cursor", help="Go on from the cursor that was shown at the end."),
        click.option("--most", type=click.IntRange(min=1), help="Stop after so many events."),
    ):
        function = option(function)
    return function


@click.command()
@click.argument("message_id", required=False)
@click.option("--no-follow", is_flag=True, help="Only what has happened to the message so far.")
@streaming
@command
def tail(session: Session, message_id: str | None, no_follow: bool, **options: Any) -> None:
    """Show the timeline of a message until it has ended; without one, every event as it happens.

    Nothing is skipped; Ctrl-C shows the cursor to go on from.
    """
    if message_id is not None:
        follow_one(session, message_id, once=no_follow)
    else:
        read_stream(session, lambda event: session.output.line(event, told(event)), **options)


def follow_one(session: Session, message_id: str, once: bool = False) -> str:
    """Show what happens to a message until it has ended, or with `once` so far; answers its status."""
    seen = 0
    while True:
        status = session.client.message(message_id)["status"]
        for event in session.client.events(message_id)[seen:]:
            seen += 1
            session.output.line(event, told(event))
        if once or status in ENDED:
            return status
        time.sleep(_POLL_SECONDS)


def read_stream(
    session: Session, tell: Callable[[Event], None], types: tuple[str, ...], most: int | None, **options: Any
) -> None:
    """Give every event of the stream to `tell`, at most `most`; an interruption shows where to go on."""
    query = {"type": list(types), "tag": options["tag"], "since": options["since"]}
    if not (options["since"] or options["cursor"]):
        query["after"] = "latest"
    left, cursor = most, options["cursor"]
    try:
        for after, events in session.client.stream(cursor=cursor, wait=_WAIT_SECONDS, **query):
            for event in events:
                tell(event)
                left = None if left is None else left - 1
                if left == 0:
                    return
            cursor = after
    except KeyboardInterrupt:
        session.output.note(f"Go on with --cursor {cursor or ''}")


def told(event: Event) -> str:
    """One line about an event: when, what, of whom, and why."""
    data = event["data"]
    reason = data.get("reason") or data.get("reply") or data.get("detail") or ""
    if isinstance(data.get("delivery"), dict):
        reason = reason or data["delivery"].get("reply") or ""
    whose = [str(data[name]) for name in ("recipient", "message_id", "domain", "webhook_id") if data.get(name)]
    about = " ".join([*whose[:2], str(reason)])
    return f"[dim]{event['timestamp']}[/dim]  {escape(event['type']):22} {escape(about)}"
