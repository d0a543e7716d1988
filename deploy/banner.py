"""What `make run` prints once everything is ready. Text only."""

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console

_EXAMPLE = {
    "recipient": "user@example.com",
    "subject": "Your verification code",
    "template": "otp-code",
    "template_data": {"code": "847291", "expires_in": "5 minutes"},
}
_ROWS = (
    ("API", "api_url"),
    ("Dashboard", "dashboard_url"),
    ("Sign in", "sign_in_url"),
    ("Mailbox", "mailbox_url"),
    ("Live key", "live_key"),
    ("Test key", "test_key"),
    ("Admin key", "admin_key"),
)


def example_curl(facts: Mapping[str, Any], idempotency_key: str) -> str:
    """A command that sends the example message with the live key."""
    body = {**_EXAMPLE, "headers": {"X-Idempotency-Key": idempotency_key}}
    lines = json.dumps(body, indent=2).replace("\n", "\n  ")
    return (
        f"curl {facts['api_url']}/v1/messages \\\n"
        f'  -H "Authorization: Bearer {facts["live_key"]}" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d '{lines}'"
    )


def print_banner(facts: Mapping[str, Any], idempotency_key: str) -> None:
    """Addresses, keys and the example, copyable: nothing is wrapped or cut."""
    console = Console(highlight=False, soft_wrap=True)
    console.print("\n[bold green]Sendarix is ready[/bold green]\n")
    for label, name in _ROWS:
        console.print(f"  [bold]{label:10}[/bold] [cyan]{facts[name]}[/cyan]")
    console.print(f"  [bold]{'Docs':10}[/bold] [cyan]{facts['api_url']}/docs[/cyan]\n")
    console.print("Send a first mail:\n")
    console.print(example_curl(facts, idempotency_key), markup=False)
    console.print(f"\nIt arrives in the built-in mailbox: {facts['mailbox_url']}\nCtrl-C stops everything.\n")
