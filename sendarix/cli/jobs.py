"""A job of the API until it has ended: shared by the commands that start one. Never here: what a job does."""

import time
from typing import Any

import click

from sendarix.cli.session import Session

POLL_SECONDS = 0.5
_SHOWN = ("id", "state", "dry_run", "processed", "counts", "rejected", "error")


def follow(session: Session, job: dict[str, Any], label: str) -> dict[str, Any]:
    """Show how far it is, then what became of it; answers the job as it ended."""
    with session.output.progress(label, job["total"]) as steps:
        steps.advance(job["processed"])
        while job["ended_at"] is None:
            time.sleep(POLL_SECONDS)
            done = job["processed"]
            job = session.client.job(job["id"])
            steps.advance(job["processed"] - done, job["total"])
    session.output.one({name: job[name] for name in _SHOWN})
    return job


def finish(job: dict[str, Any]) -> None:
    """End with 1 when something was refused."""
    if job["error"] or job["rejected"]:
        click.get_current_context().exit(1)
