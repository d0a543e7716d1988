"""The built-in mailbox on a free port, in a thread of the test. Never here: what it should have kept."""

import asyncio
import threading
from typing import Any

from common.config import read_settings
from workers.mailbox.server import Server


class Running:
    """A mailbox on a free port, in a thread of its own."""

    def __init__(self, **overrides: Any) -> None:
        self._settings = read_settings(**({"mailbox_port": 0} | overrides))
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        assert self._up.wait(10)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = Server(self._settings)
        running = asyncio.create_task(server.run(self._stop))
        await server.started.wait()
        self.port = server.port
        self._up.set()
        await running

    def ask_to_stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)

    def stop(self) -> None:
        if self._thread.is_alive():
            self.ask_to_stop()
        self._thread.join(15)
        assert not self._thread.is_alive()
