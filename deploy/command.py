"""The whole `sendarix` command: what speaks to the API, and on the server what speaks to the database.

Never here: a command.
"""

import sys
from collections.abc import Callable

import click

from api import cli
from sendarix.cli.commands import Commands, sendarix

_SERVER = "On the server"


class Whole(Commands):
    """Both kinds of commands, in the help apart."""

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Two lists: for whoever has a key, and for whoever operates the server."""
        for title, wanted in (("Commands", False), (_SERVER, True)):
            listed = [(name, each) for name, each in self.commands.items() if isinstance(each, Operator) == wanted]
            with formatter.section(title):
                formatter.write_dl([(name, each.get_short_help_str(formatter.width)) for name, each in listed])


class Operator(click.Command):
    """An operator's command: its arguments go to api/cli.py as they are."""


def whole() -> click.Group:
    """The group with every command."""
    found = Whole(
        name="sendarix",
        params=sendarix.params,
        callback=sendarix.callback,
        help=sendarix.help,
        context_settings=sendarix.context_settings,
        commands=dict(sendarix.commands),
    )
    for name, sentence in cli.commands().items():
        found.add_command(_operator(name, sentence))
    return found


def _operator(name: str, sentence: str) -> Operator:
    return Operator(
        name,
        help=sentence,
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        callback=_passed_on(name),
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )


def _passed_on(name: str) -> Callable[[tuple[str, ...]], None]:
    def run(arguments: tuple[str, ...]) -> None:
        sys.exit(cli.main([name, *arguments]))

    return run


def main() -> None:
    """Run one command."""
    whole()(prog_name="sendarix")


if __name__ == "__main__":
    main()
