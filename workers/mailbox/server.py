"""`python -m workers.mailbox.server`: the built-in mailbox. It answers 250 only after the commit.

Never here: what a session means (protocol.py), batching of commits (keeper.py) or SQL (services/mailbox.py).
"""

import asyncio
import contextlib
import signal

import structlog

from common import telemetry
from common.config import Settings, current_settings
from workers.mailbox.keeper import Keeper
from workers.mailbox.protocol import Mail, Patience, Session
from workers.pulses import tell

log = structlog.get_logger()

IDLE_SECONDS = 300.0
SLOW_SECONDS = 2.0
DRAIN_SECONDS = 10.0
_READ_BYTES = 1 << 18


class Server:
    """Listens, and gives each client a session. `port` is known once `started` is set."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keeper = Keeper(settings)
        self._patience = Patience()
        self._idle: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None]] = set()
        self._stopping = False
        self.started = asyncio.Event()
        self.port = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; then let mails that were taken get their answer."""
        keeper = asyncio.create_task(self._keeper.run())
        server = await asyncio.start_server(
            self._client, self._settings.mailbox_host, self._settings.mailbox_port, limit=1 << 20, backlog=512
        )
        self.port = server.sockets[0].getsockname()[1]
        self.started.set()
        log.info("mailbox_listens", port=self.port)
        await stop.wait()
        self._stopping = True
        server.close()
        for client in list(self._idle):
            client.cancel()
        clients = self._idle | self._busy
        if clients:
            await asyncio.wait(clients, timeout=DRAIN_SECONDS)
        keeper.cancel()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            writer.write(b"220 sendarix mailbox\r\n")
            await self._converse(task, reader, writer)
            if self._stopping:
                writer.write(b"421 4.3.2 the mailbox stops\r\n")
        except asyncio.CancelledError:
            writer.write(b"421 4.3.2 the mailbox stops\r\n")
        except (TimeoutError, OSError):
            pass
        finally:
            self._idle.discard(task)
            self._busy.discard(task)
            writer.close()
            with contextlib.suppress(Exception):
                await writer.wait_closed()

    async def _converse(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        session = Session(self._patience)
        while not session.ended and not self._stopping:
            self._idle.add(task)
            data = await asyncio.wait_for(reader.read(_READ_BYTES), IDLE_SECONDS)
            self._idle.discard(task)
            if not data:
                return
            self._busy.add(task)
            await self._answer(session.feed(data), writer)
            self._busy.discard(task)

    async def _answer(self, answers: list[bytes | Mail], writer: asyncio.StreamWriter) -> None:
        """In order; but mails that came together are committed together."""
        pending = [each if isinstance(each, bytes) else self._finish(each) for each in answers]
        for each in pending:
            writer.write(each if isinstance(each, bytes) else await each)
        await writer.drain()

    def _finish(self, mail: Mail) -> "asyncio.Future[bytes]":
        if mail.slow:
            return asyncio.ensure_future(self._finish_slowly(mail))
        return self._keeper.keep(mail)

    async def _finish_slowly(self, mail: Mail) -> bytes:
        await asyncio.sleep(SLOW_SECONDS)
        return await self._keeper.keep(mail)


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Server(settings).run(stop)


def main() -> None:
    """Run until SIGTERM."""
    settings = current_settings()
    telemetry.setup(settings)
    tell(settings, "mailbox")
    asyncio.run(_serve(settings))


if __name__ == "__main__":
    main()
