"""The web server: `python -m api.wsgi`. The application is built in each web process, never before.

The only import-time effect of this room is in `application`, which the server calls in its processes.
"""

import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from api import create_app
from common import clock, telemetry
from common.config import current_settings
from common.fleet import OTHERS, Pulse, Worker
from common.services import keys
from common.services.measuring import measure

log = structlog.get_logger()

BACKLOG = 2048
USAGE_SECONDS = 60.0
SWITCH_SECONDS = 0.0005
"""How long one thread may keep the interpreter: with the default 5 ms, a publish would delay every answer."""


def application() -> Callable[..., Any]:
    """The WSGI application of one process (a factory)."""
    sys.setswitchinterval(SWITCH_SECONDS)
    telemetry.setup(current_settings())
    app = create_app()
    settings = current_settings()
    Pulse(settings, Worker(str(uuid.uuid4()), "web", (), settings.api_threads), measure, index=OTHERS).start()
    threading.Thread(target=_write_usage, name="key-usage", daemon=True).start()
    return app


def _write_usage() -> None:
    while True:
        time.sleep(USAGE_SECONDS)
        try:
            keys.note_usage(clock.now())
        except Exception as error:  # the database may be away; the next minute tells it again
            log.warning("key_usage_not_written", error=str(error)[:200])


def main() -> None:
    """Serve until stopped; a web process that dies is started again."""
    settings = current_settings()
    telemetry.setup(settings)
    Granian(
        "api.wsgi:application",
        factory=True,
        address=settings.api_host,
        port=settings.api_port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        workers=settings.api_processes,
        blocking_threads=settings.api_threads,
        backlog=BACKLOG,
        respawn_failed_workers=True,
        respawn_interval=1.0,
        workers_kill_timeout=10,
        websockets=False,
        log_level=LogLevels.error,
    ).serve()


if __name__ == "__main__":
    main()
