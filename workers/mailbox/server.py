"""`python -m workers.mailbox.server`: the built-in mailbox. It answers 250 only after the commit.

Never here: what a session means (protocol.py) or SQL (services/mailbox.py).
"""

import asyncio
import contextlib
import signal
from concurrent.futures import ThreadPoolExecutor

import structlog
from sqlalchemy.exc import SQLAlchemyError

from common import clock, telemetry
from common.config import Settings, current_settings
from common.db.session import transaction
from common.domain.ids import new_id
from common.services import mailbox
from common.services.mailbox import Caught
from workers.mailbox.protocol import Mail, Patience, Session

log = structlog.get_logger()

IDLE_SECONDS = 300.0
MOST_TOGETHER = 200
PRUNE_EVERY = 1000


class Keeper:
    """Writes whatever gathered while its previous commit was in flight."""

    def __init__(self, settings: Settings) -> None:
        self._keep = settings.mailbox_keep
        self._waiting: asyncio.Queue[tuple[Mail, asyncio.Future[bool]]] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, "keeper")
        self._since_prune = PRUNE_EVERY

    async def keep(self, mail: Mail) -> bool:
        """Whether the mail is safe now."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((mail, done))
        return await done

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            together = [await self._waiting.get()]
            while len(together) < MOST_TOGETHER and not self._waiting.empty():
                together.append(self._waiting.get_nowait())
            kept = await loop.run_in_executor(self._thread, self._store, [mail for mail, _ in together])
            for _, done in together:
                if not done.done():
                    done.set_result(kept)

    def _store(self, mails: list[Mail]) -> bool:
        now = clock.now()
        caught = [
            Caught(new_id(), mail.sender.replace("\x00", ""), recipient.replace("\x00", ""), now, mail.source)
            for mail in mails
            for recipient in mail.recipients
        ]
        try:
            with transaction() as connection:
                mailbox.store(connection, caught)
                self._since_prune += len(caught)
                if self._since_prune >= PRUNE_EVERY:
                    self._since_prune = 0
                    mailbox.prune(connection, self._keep)
        except SQLAlchemyError as error:
            log.warning("mail_not_kept", mails=len(mails), error=type(error).__name__)
            return False
        return True


class Server:
    """Listens, and gives each client a session."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keeper = Keeper(settings)
        self._patience = Patience()
        self._clients: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; then let open transactions finish for a moment."""
        keeper = asyncio.create_task(self._keeper.run())
        server = await asyncio.start_server(
            self._client, self._settings.mailbox_host, self._settings.mailbox_port, limit=1 << 20
        )
        log.info("mailbox_listens", port=server.sockets[0].getsockname()[1])
        await stop.wait()
        server.close()
        for client in self._clients:
            client.cancel()
        keeper.cancel()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        session = Session(self._patience)
        try:
            writer.write(b"220 sendarix mailbox\r\n")
            while not session.ended:
                data = await asyncio.wait_for(reader.read(1 << 18), IDLE_SECONDS)
                if not data:
                    break
                for answer in session.feed(data):
                    writer.write(answer if isinstance(answer, bytes) else await self._finish(answer))
                await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._clients.discard(task)
            writer.close()
            with contextlib.suppress(Exception):
                await writer.wait_closed()

    async def _finish(self, mail: Mail) -> bytes:
        if mail.slow:
            await asyncio.sleep(2.0)
        if await self._keeper.keep(mail):
            return b"250 2.0.0 kept\r\n"
        return b"451 4.3.0 the mailbox's database is away; try again\r\n"


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
    asyncio.run(_serve(settings))


if __name__ == "__main__":
    main()
