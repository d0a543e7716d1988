"""Commits of the mailbox: whatever gathered while the previous commit was in flight goes in one INSERT.

Never here: sockets or SMTP.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from common import clock
from common.config import Settings
from common.db.session import transaction
from common.domain.ids import new_id
from common.services import mailbox
from common.services.mailbox import Caught
from workers.mailbox.protocol import Mail

log = structlog.get_logger()

KEPT = b"250 2.0.0 kept\r\n"
NOT_KEPT = b"451 4.3.0 the mailbox cannot write now; try again\r\n"
MOST_TOGETHER = 200
PRUNE_EVERY = 1000


class Keeper:
    """One writer thread; its tasks live in one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._keep = settings.mailbox_keep
        self._waiting: asyncio.Queue[tuple[Mail, asyncio.Future[bytes]]] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, "keeper")
        self._since_prune = PRUNE_EVERY

    def keep(self, mail: Mail) -> "asyncio.Future[bytes]":
        """The answer to the final dot, once it is known."""
        done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((mail, done))
        return done

    async def run(self) -> None:
        """Until cancelled. A failure is an answer, never the end of this loop."""
        loop = asyncio.get_running_loop()
        while True:
            together = [await self._waiting.get()]
            while len(together) < MOST_TOGETHER and not self._waiting.empty():
                together.append(self._waiting.get_nowait())
            kept = await loop.run_in_executor(self._thread, self._store_all, [mail for mail, _ in together])
            for (_, done), safe in zip(together, kept, strict=True):
                if not done.done():
                    done.set_result(KEPT if safe else NOT_KEPT)

    def _store_all(self, mails: list[Mail]) -> list[bool]:
        """Whether each is safe. One that cannot be written never takes its neighbours with it."""
        caught = [_catch(mail) for mail in mails]
        outcome = self._store([each for group in caught for each in group])
        if outcome == "refused" and len(mails) > 1:
            return [self._store(group) == "kept" for group in caught]
        return [outcome == "kept"] * len(mails)

    def _store(self, caught: Sequence[Caught]) -> str:
        """kept, away (no database) or refused (these rows). A lost connection is replaced once: ids make it safe."""
        for last in (False, True):
            try:
                self._write(caught)
                return "kept"
            except Exception as error:  # whatever it is, the client must get its 451
                lost = isinstance(error, DBAPIError) and error.connection_invalidated
                if lost and not last:
                    continue
                log.warning("mail_not_kept", mails=len(caught), error=type(error).__name__)
                return "away" if lost or _is_away(error) else "refused"
        return "away"

    def _write(self, caught: Sequence[Caught]) -> None:
        with transaction() as connection:
            mailbox.store(connection, caught)
        self._since_prune += len(caught)
        if self._since_prune < PRUNE_EVERY:
            return
        self._since_prune = 0
        try:
            with transaction() as connection:
                mailbox.prune(connection, self._keep)
        except SQLAlchemyError as error:  # the mails are safe; the next thousand prunes again
            log.warning("mailbox_not_pruned", error=type(error).__name__)


def _is_away(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and type(error).__name__ in ("OperationalError", "InterfaceError")


def _catch(mail: Mail) -> list[Caught]:
    now = clock.now()
    return [
        Caught(new_id(), mail.sender.replace("\x00", ""), recipient.replace("\x00", ""), now, mail.source)
        for recipient in mail.recipients
    ]
