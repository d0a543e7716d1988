"""tell(...): the heartbeat of a process that is no Celery worker. Never here: a worker's own (shell.py)."""

import uuid

from common.config import Settings
from common.fleet import OTHERS, Pulse, Worker
from common.services.measuring import measure


def tell(settings: Settings, line: str) -> None:
    """Begin telling of this process until it ends; `line` is its name in the Procfile."""
    Pulse(settings, Worker(str(uuid.uuid4()), line, (), 1), measure, index=OTHERS).start()
