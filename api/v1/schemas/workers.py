"""The shape of a worker."""

from api.v1.schemas import out


class WorkerOut(out.Out):
    """One process that does work."""

    id = out.text("Drawn when it began.", "6ddd3f1b-98d7-4c5a-9a55-0a38b4b92f3d")
    line = out.text("Its line in the Procfile.", "delivery")
    host = out.text("Where it runs.", "mail-1")
    pid = out.whole("Its process there.", 4711)
    queues = out.listed(out.text("A queue.", "delivery.bulk"), "What it works on, the first before the next.")
    concurrency = out.whole("How many tasks it works on at once.", 8)
    busy = out.whole("How many it is working on now.", 3)
    tasks_done = out.whole("How many it has done since it began.", 10342)
    started_at = out.moment("When it began.")
    uptime_seconds = out.number("How long that is.", 3600.5)
    last_heartbeat_at = out.moment("When it was last heard.")


class WorkersOut(out.Out):
    """The workers that are alive."""

    data = out.listed(WorkerOut, "By line, host and process.")
