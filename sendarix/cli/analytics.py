"""analytics: what became of mail, as a table. Never here: counting."""

from typing import Any

import click

from sendarix.cli.session import Session, command

_METRICS = ("accepted", "delivered", "deferred", "bounced", "complained", "suppressed", "failed", "delivery_rate")


@click.command()
@click.option("--start", metavar="TIME", help="From this time on; RFC 3339 or a date.")
@click.option("--end", metavar="TIME", help="Before this time; now unless given.")
@click.option("--interval", type=click.Choice(["hour", "day", "month", "total"]), help="How long a line is; a day.")
@click.option("--group-by", multiple=True, help="A line for each tag, template, provider, recipient_domain, …")
@click.option("--only", multiple=True, metavar="NAME=VALUE", help="Only mail with this tag, template, …")
@click.option("--identity", is_flag=True, help="Instead: where all accepted mail is, and whether that adds up.")
@command
def analytics(session: Session, only: tuple[str, ...], identity: bool, **question: Any) -> None:
    """What became of mail, by time and by what it is."""
    if identity:
        span = {name: question[name] for name in ("start", "end")}
        session.output.one(session.client.analytics_identity(**span))
        return
    filters: dict[str, list[str]] = {}
    for each in only:
        name, mark, value = each.partition("=")
        if not mark:
            raise click.BadParameter(f"{each} must read NAME=VALUE, such as tag=login", param_hint="--only")
        filters.setdefault(name, []).append(value)
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in question.items()}
    found = session.client.analytics(**given, **filters)
    lines = [
        {
            "start": line["start"],
            **line["dimensions"],
            **line["metrics"],
            "p95_seconds": line["time_to_delivery"]["p95_seconds"],
        }
        for line in found["data"]
    ]
    session.output.many(lines, ("start", *found["group_by"], *_METRICS, "p95_seconds"))
