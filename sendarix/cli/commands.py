"""`sendarix`: the group, its options, and how errors end. Never here: the commands themselves."""

from typing import Any

import click

from sendarix.cli import (
    analytics,
    dead_letters,
    following,
    installation,
    keys,
    messages,
    queues,
    suppressions,
    templates,
    webhooks,
)
from sendarix.cli.profiles import ProfileError
from sendarix.cli.session import Session
from sendarix.errors import SendarixError


class Commands(click.Group):
    """Ends with 0 when it worked, 1 when not, 2 when it was called wrongly."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SendarixError as error:
            session = ctx.ensure_object(Session)
            session.output.failure(error, session.profile.url)
        except ProfileError as error:
            click.echo(f"Error: {error}", err=True)
        return ctx.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--url", metavar="URL", help="Address of the installation; otherwise SENDARIX_URL.")
@click.option("--api-key", metavar="KEY", help="Better in SENDARIX_API_KEY: options are seen by other users.")
@click.option("--profile", "profile_name", metavar="NAME", help="A profile of the config file.")
@click.option("--json/--table", "machine", default=None, help="JSON is the default when stdout is no terminal.")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=30.0, help="Seconds to wait for an answer.")
@click.version_option(package_name="sendarix", prog_name="sendarix")
@click.pass_context
def sendarix(ctx: click.Context, /, **options: Any) -> None:
    """Send mail and follow it, from the command line.

    The key comes from SENDARIX_API_KEY, from the config file (sendarix configure), or from the quickstart of this
    folder. Results are JSON when stdout is not a terminal: sendarix list | jq .
    """
    ctx.obj = Session(**options)


for _each in (
    messages.send,
    messages.get,
    messages.list_messages,
    following.tail,
    messages.cancel,
    keys.keys,
    suppressions.suppressions,
    webhooks.webhooks,
    templates.templates,
    dead_letters.dead_letters,
    analytics.analytics,
    queues.queues,
    queues.holds,
    installation.doctor,
    installation.configure,
    installation.completion,
):
    sendarix.add_command(_each)
