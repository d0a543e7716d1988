"""The Celery app object, the task decorator and the process's start and stop. Never a task's work."""

import sys
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from celery import signals

from common import tallies, telemetry
from common.config import current_settings
from common.db import session
from common.domain.ids import encode_some
from common.fleet import Pulse, Worker
from common.queueing import tasks
from common.queueing.app import make_celery
from common.services.measuring import measure

log = structlog.get_logger()

app = make_celery()

OWNER = uuid.uuid4()
"""This process in `messages.lease_owner`."""


def task(name: str) -> Callable[[Callable[[list[uuid.UUID]], None]], Any]:
    """Bind a function of ids to a name of queueing/tasks.py.

    A task never raises for a message's sake. A surprise is logged and the ticket acknowledged: the
    rows are still due, and the sweep leaves another.
    """

    def bind(function: Callable[[list[uuid.UUID]], None]) -> Any:
        def run(ids: list[str] | None = None, **_: Any) -> None:
            pulse = _pulse[0] if _pulse else None
            if pulse is not None:
                pulse.began()
            about = [uuid.UUID(text) for text in ids or ()]
            try:
                function(about)
            except Exception:
                tallies.OWN.count({("sendarix_tasks_failed_total", (name,)): 1})
                some = encode_some(tasks.PREFIXES[name], about)
                log.exception("task_failed", task=name, count=len(about), ids=some)
            finally:
                if pulse is not None:
                    pulse.ended()

        run.__name__ = function.__name__
        run.__doc__ = function.__doc__
        return app.task(name=name, shared=False)(run)

    return bind


@signals.setup_logging.connect
def _configure_logging(**_: Any) -> None:
    telemetry.setup(current_settings())


@signals.worker_init.connect
def _prepare(**_: Any) -> None:
    """An urgent message's thread must not wait 5 ms for a busy one; no statement may read a whole table."""
    sys.setswitchinterval(0.0005)
    session.prefer_indexes()


_pool = {"threads": 8}


def threads() -> int:
    """How many tasks this process works on at once."""
    return _pool["threads"]


@signals.worker_init.connect
def _note_size(sender: Any = None, **_: Any) -> None:
    _pool["threads"] = int(getattr(sender, "concurrency", 0) or _pool["threads"])


_pulse: list[Pulse] = []


@signals.worker_ready.connect
def _begin_pulse(sender: Any = None, **_: Any) -> None:
    """`routing@host` is the line `routing`."""
    line = str(getattr(sender, "hostname", "") or "worker").partition("@")[0]
    pulse = Pulse(current_settings(), Worker(str(OWNER), line, tuple(app.amqp.queues.consume_from), threads()), measure)
    _pulse.append(pulse)
    pulse.start()


@signals.beat_init.connect
def _begin_scheduler_pulse(**_: Any) -> None:
    Pulse(current_settings(), Worker(str(OWNER), "scheduler", (), 1), measure).start()


@signals.worker_shutdown.connect
def _close(**_: Any) -> None:
    while _pulse:
        _pulse.pop().stop()
    session.close()
