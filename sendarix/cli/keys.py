"""keys: create, list, rotate, revoke. Never here: the first key of an account (`sendarix key create` on the server)."""

from typing import Any

import click

from sendarix.cli.session import Session, command

_COLUMNS = ("id", "name", "state", "environment", "scopes", "last_used_at", "expires_at")


@click.group()
def keys() -> None:
    """Make, list, rotate and revoke API keys; needs a key with the scope keys:manage."""


@keys.command()
@click.option("--name", required=True, help="What it is for.")
@click.option("--scope", "scopes", multiple=True, required=True, help="What it may do, such as messages:send.")
@click.option("--domain", "sender_domains", multiple=True, help="Only from this domain.")
@click.option("--template", "templates", multiple=True, help="Only this template.")
@click.option("--cidr", "cidrs", multiple=True, help="Only from this network.")
@click.option("--expires-at", metavar="TIME", help="When it ends by itself.")
@click.option("--requests-per-minute", type=int, help="A limit of its own.")
@click.option("--require-idempotency", is_flag=True, default=None, help="Refuse sends without an Idempotency-Key.")
@command
def create(session: Session, **fields: Any) -> None:
    """Make a key and show its secret, this once."""
    given = {name: list(each) if isinstance(each, tuple) else each for name, each in fields.items()}
    made = session.client.create_key({name: each for name, each in given.items() if each not in (None, [])})
    session.output.one(made)
    session.output.note("\nThe secret is not shown again: keep it now.")


@keys.command("list")
@click.option("--state", multiple=True, help="Only in this state; all but revoked ones unless given.")
@command
def list_keys(session: Session, state: tuple[str, ...]) -> None:
    """Show the keys of this environment."""
    session.output.many(session.client.keys(state=state), _COLUMNS)


@keys.command()
@click.argument("key_id")
@click.option("--overlap", type=click.IntRange(0, 604_800), default=0, help="Seconds for which the old secret counts.")
@command
def rotate(session: Session, key_id: str, overlap: int) -> None:
    """Give a key a new secret and show it, this once."""
    session.output.one(session.client.rotate_key(key_id, overlap))
    session.output.note("\nThe secret is not shown again: keep it now.")


@keys.command()
@click.argument("key_ids", nargs=-1, required=True, metavar="KEY_ID...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@command
def revoke(session: Session, key_ids: tuple[str, ...], yes: bool) -> None:
    """End keys for good, everywhere within 5 seconds."""
    if not (yes or session.output.machine):
        click.confirm(f"End {', '.join(key_ids)} for good?", abort=True)
    for each in key_ids:
        session.client.revoke_key(each)
        session.output.one({"id": each, "state": "revoked"})
