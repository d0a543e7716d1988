"""What every command has: the client, the output, and where both come from. Never here: commands."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, TypeVar

import click

from sendarix.cli.output import Output
from sendarix.cli.profiles import Profile, resolve
from sendarix.client import Client

R = TypeVar("R")


@dataclass
class Session:
    """The options before the command."""

    url: str | None = None
    api_key: str | None = None
    profile_name: str | None = None
    machine: bool | None = None
    timeout: float = 30.0

    @cached_property
    def profile(self) -> Profile:
        """Which installation and key. Raises ProfileError."""
        return resolve(self.url, self.api_key, self.profile_name)

    @cached_property
    def client(self) -> Client:
        """A client for them."""
        return Client(self.profile.url, self.profile.api_key, timeout=self.timeout, sleep=self._wait)

    def _wait(self, seconds: float) -> None:
        self.output.note(f"[dim]No success yet: trying again in {seconds:.0f} s.[/dim]")
        time.sleep(seconds)

    @cached_property
    def output(self) -> Output:
        """Where results go."""
        return Output(self.machine)


def command(function: Callable[..., R]) -> Callable[..., R]:
    """A click command whose first argument is the Session."""

    @wraps(function)
    def with_session(*arguments: Any, **named: Any) -> R:
        return function(click.get_current_context().ensure_object(Session), *arguments, **named)

    return with_session


def pairs(values: tuple[str, ...], option: str) -> dict[str, Any]:
    """`name=value` options as a dict. Raises UsageError."""
    found = {}
    for each in values:
        name, sign, value = each.partition("=")
        if not (sign and name):
            raise click.UsageError(f"{option} takes name=value, not {each}.")
        found[name] = value
    return found
