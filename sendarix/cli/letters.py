"""The options of `send`, and the message they make. Never here: sending."""

import base64
import json
import mimetypes
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

import click

from sendarix.cli.session import pairs
from sendarix.shapes import NewMessage

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--to", "recipient", metavar="ADDRESS", help="Who receives it."),
    click.option(
        "--from", "sender", metavar="ADDRESS", help="Otherwise the template's, the key's, then the account's."
    ),
    click.option("--subject", help="Otherwise the template's."),
    click.option("--template", metavar="SLUG", help="Instead of --text and --html."),
    click.option("--data", multiple=True, metavar="NAME=VALUE", help="A variable of the template."),
    click.option("--text", help="The text; @FILE reads a file, @- stdin."),
    click.option("--html", help="The HTML; @FILE reads a file, @- stdin."),
    click.option("--attach", multiple=True, type=click.Path(exists=True, dir_okay=False), help="A file to attach."),
    click.option("--tag", "tags", multiple=True, help="A label; may be repeated."),
    click.option("--metadata", multiple=True, metavar="NAME=VALUE", help="Comes back in reads and webhooks."),
    click.option("--priority", type=click.Choice(["critical", "normal", "bulk"]), help="The tier."),
    click.option("--at", "scheduled_time", metavar="TIME", help="Send it then, such as 2026-04-19T14:30:00Z."),
    click.option("--ttl", type=int, metavar="SECONDS", help="Let it expire after so long."),
    click.option("--file", type=click.File("r", encoding="utf-8"), help="A message as JSON; - is stdin. Options win."),
)


def options(function: F) -> F:
    """Put the options of a message on a command."""
    for each in reversed(_OPTIONS):
        function = each(function)
    return function


def compose(
    *,
    sender: str | None,
    data: tuple[str, ...],
    text: str | None,
    html: str | None,
    attach: tuple[str, ...],
    tags: tuple[str, ...],
    metadata: tuple[str, ...],
    file: TextIO | None,
    **plain: Any,
) -> NewMessage:
    """The message that the options say. Raises UsageError."""
    found = _read(file) if file else {}
    given = {
        "from": sender,
        "template_data": pairs(data, "--data"),
        "text": _content(text),
        "html": _content(html),
        "attachments": [_attached(Path(each)) for each in attach],
        "tags": list(tags),
        "metadata": pairs(metadata, "--metadata"),
        **plain,
    }
    found |= {name: value for name, value in given.items() if value not in (None, [], {})}
    if "recipient" not in found:
        raise click.UsageError("Name who receives it: --to user@example.com")
    return cast(NewMessage, found)


def _read(file: TextIO) -> dict[str, Any]:
    try:
        found = json.load(file)
    except ValueError as error:
        raise click.UsageError(f"--file is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise click.UsageError("--file holds no JSON object; many messages go through --lines.")
    return found


def _content(value: str | None) -> str | None:
    if value is None or not value.startswith("@"):
        return value
    if value == "@-":
        return sys.stdin.read()
    try:
        return Path(value[1:]).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{value[1:]} cannot be read: {error}") from error


def _attached(path: Path) -> dict[str, str]:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    content = base64.b64encode(path.read_bytes()).decode()
    return {"filename": path.name, "content": content, "content_type": kind}
