"""webhooks: list, create, test, deliveries, remove; `tail` the events, or `listen` and forward them to a local program.

Never here: what events there are.
"""

import json
import time
from itertools import islice
from typing import Any

import click
import requests
from rich.markup import escape

from sendarix.cli.following import read_stream, streaming, tail, told
from sendarix.cli.session import Session, command
from sendarix.shapes import Event
from sendarix.webhooks import make_secret, sign

_COLUMNS = ("id", "url", "state", "event_types", "created_at")
_DELIVERIES = ("id", "type", "message_id", "state", "waiting_for", "attempts", "created_at")
_FORWARD_SECONDS = 15


@click.group()
def webhooks() -> None:
    """Who is told what happens to messages."""


@webhooks.command("list")
@command
def list_webhooks(session: Session) -> None:
    """Show the webhooks of this environment."""
    session.output.many(session.client.webhooks(), _COLUMNS)


@webhooks.command()
@click.argument("url")
@click.option("--type", "event_types", multiple=True, help="Only these events, such as message.delivered or message.*.")
@click.option("--tag", "tags", multiple=True, help="Only messages with one of these tags.")
@command
def create(session: Session, url: str, **limits: tuple[str, ...]) -> None:
    """Subscribe an endpoint. Its secret is shown this once."""
    given = {name: list(values) for name, values in limits.items() if values}
    session.output.one(session.client.create_webhook({"url": url, **given}))


@webhooks.command()
@click.argument("webhook_id")
@command
def test(session: Session, webhook_id: str) -> None:
    """Send webhook.test to a webhook now."""
    session.output.one(session.client.test_webhook(webhook_id))


@webhooks.command()
@click.argument("webhook_id")
@command
def remove(session: Session, webhook_id: str) -> None:
    """Remove a webhook, what waits for it and its log."""
    session.client.delete_webhook(webhook_id)
    session.output.one({"id": webhook_id, "removed": True})


@webhooks.command()
@click.argument("webhook_id")
@click.option("--state", multiple=True, help="Only in this state; may be repeated.")
@click.option("--most", type=click.IntRange(min=1), default=25, show_default=True, help="How many to show.")
@command
def deliveries(session: Session, webhook_id: str, state: tuple[str, ...], most: int) -> None:
    """Show what a webhook was told and is to be told, newest first."""
    found = session.client.webhook_deliveries(webhook_id, state=list(state), limit=min(most, 100))
    session.output.many(islice(found, most), _DELIVERIES)


webhooks.add_command(tail)


@webhooks.command()
@click.option("--forward-to", required=True, metavar="URL", help="Where to post each event, such as your own machine.")
@click.option("--secret", help="Sign with this one; otherwise one is made and shown.")
@streaming
@command
def listen(session: Session, forward_to: str, secret: str | None, **options: Any) -> None:
    """Post events as they happen to a program of yours, signed like a webhook. No public address is needed."""
    if secret is None:
        secret = make_secret()
        click.echo(f"Verify with the secret {secret}", err=True)
    with requests.Session() as poster:
        poster.trust_env = False
        read_stream(session, lambda event: _forward(session, poster, forward_to, secret, event), **options)


def _forward(session: Session, poster: requests.Session, url: str, secret: str, event: Event) -> None:
    body, stamp = json.dumps(event, ensure_ascii=False).encode(), int(time.time())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": event["id"],
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign(secret, event["id"], stamp, body),
    }
    try:
        answer = poster.post(url, data=body, headers=headers, timeout=_FORWARD_SECONDS, allow_redirects=False)
        outcome = str(answer.status_code)
    except requests.RequestException as error:
        outcome = type(error).__name__
    shown = {"id": event["id"], "type": event["type"], "outcome": outcome}
    session.output.line(shown, f"{told(event)}  [bold]{escape(outcome)}[/bold]")
