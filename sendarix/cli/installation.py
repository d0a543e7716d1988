"""doctor, configure, completion: what concerns this command and the installation it speaks to."""

import os
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import click
import requests
from click.shell_completion import get_completion_class

from sendarix.cli.profiles import config_path, keep
from sendarix.cli.session import Session, command
from sendarix.client import Client
from sendarix.errors import ApiError, SendarixError

_MOST_SKEW_SECONDS = 30
_SHELLS = ("bash", "zsh", "fish")


@click.command()
@command
def doctor(session: Session) -> None:
    """Check the address, the key and the clock; 1 when something is wrong, with the fix.

    On the server itself, `make doctor` looks at engines, queues and rows as well.
    """
    wrong = 0
    for name, seen, fix in _findings(session):
        wrong += bool(fix)
        mark = "[red]✗[/red]" if fix else "[green]✓[/green]"
        told = f"{mark} {name}: {seen}" + (f"\n  Next: {fix}" if fix else "")
        session.output.line({"check": name, "ok": not fix, "seen": seen} | ({"next": fix} if fix else {}), told)
    if wrong:
        click.get_current_context().exit(1)


def _findings(session: Session) -> Iterator[tuple[str, str, str]]:
    profile = session.profile
    yield "address", profile.url, ""
    try:
        answer = requests.get(profile.url + "/readyz", timeout=session.timeout)
    except requests.RequestException:
        yield "server", "does not answer", "Is it running (`make run`)? Otherwise check SENDARIX_URL."
        return
    if "Sendarix-Version" not in answer.headers:
        yield "server", "something else answers there", "Check SENDARIX_URL."
        return
    shapes = answer.headers["Sendarix-Version"]
    yield "server", f"answers, shapes of {shapes}", ""
    ready = answer.status_code == 200
    yield "readiness", "accepts messages" if ready else answer.text[:200], "" if ready else "On the server: make doctor"
    yield _clock(answer)
    yield from _key(session)


def _clock(answer: requests.Response) -> tuple[str, str, str]:
    told = answer.headers.get("Date")
    skew = abs(time.time() - parsedate_to_datetime(told).timestamp()) if told else 0.0
    return (
        "clock",
        f"{skew:.0f} s apart",
        "" if skew < _MOST_SKEW_SECONDS else "Set the clock of this machine or of the server.",
    )


def _key(session: Session) -> Iterator[tuple[str, str, str]]:
    profile = session.profile
    if not profile.api_key:
        yield "key", "none", "Set SENDARIX_API_KEY, or run `sendarix configure`."
        return
    client = Client(profile.url, profile.api_key, timeout=session.timeout, attempts=1)
    shown = f"{profile.api_key[:20]}… from {profile.source}"
    try:
        client.transport.call("GET", "/v1/messages", query={"limit": 1})
    except ApiError as error:
        limited = error.code in ("insufficient_scope", "rate_limited")
        yield "key", f"{shown}: {error}", "" if limited else "Put a valid key into SENDARIX_API_KEY."
    except SendarixError as error:
        yield "key", f"{shown}: {error}", "Try again."
    else:
        yield "key", f"{shown}, accepted", ""


@click.command()
@click.argument("name", default="default")
@click.option("--url", prompt="Address", default="http://127.0.0.1:8000", show_default=True)
@click.option("--api-key", prompt="API key", hide_input=True)
@command
def configure(session: Session, name: str, url: str, api_key: str) -> None:
    """Keep an address and a key in the config file, as the profile NAME.

    Used with --profile NAME or SENDARIX_PROFILE; `default` is used without.
    """
    keep(config_path(), name, url.rstrip("/"), api_key.strip())
    session.output.note(f"Kept as {name} in {config_path()}. Try it: sendarix doctor")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS), default=lambda: Path(os.environ.get("SHELL", "bash")).name)
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion for a shell.

    bash: eval "$(sendarix completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc;
    fish: sendarix completion fish > ~/.config/fish/completions/sendarix.fish
    """
    found: Any = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"No completion for {shell}.")
    click.echo(found(ctx.find_root().command, {}, "sendarix", "_SENDARIX_COMPLETE").source())
