"""The shape of a job."""

from api.v1.schemas import out
from common.domain.jobs import KINDS, STATES


class JobOut(out.Out):
    """Work on many rows, and how far it is."""

    id = out.ident("job", "Its id.")
    kind = out.text(f"What it does: {', '.join(KINDS)}. More may come.", "dead_letters.replay")
    state = out.text(f"{', '.join(STATES)}.", "done")
    dry_run = out.flag("Whether it only finds out what it would do.")
    total = out.whole("How many rows it has; null while that is unknown.", 1200, null=True)
    processed = out.whole("How many of them it has looked at.", 1200)
    progress = out.number("The same as a share of 1; null while the total is unknown.", 1.0, null=True)
    counts = out.mapped("What became of them, by outcome.", {"replayed": 1197, "already_replayed": 2})
    rejected = out.whole("How many were refused: `GET /v1/jobs/{id}/rejects` names each with its reason.", 1)
    error = out.text("Why it failed.", null=True)
    created_by = out.ident("key", "The key that started it. When that ends, so does the job.", null=True)
    created_at = out.moment("When it was started.")
    updated_at = out.moment("When it last moved.")
    started_at = out.moment("When a worker took it up.", null=True)
    ended_at = out.moment("When it ended.", null=True)
