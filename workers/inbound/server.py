"""`python -m workers.inbound.server`: takes mail for addresses we issued, abuse and postmaster; nothing else.

It answers 250 only after the commit. Never here: what a mail means (common/domain/inbound) or what follows from it
(services/inbound.py).
"""

import asyncio
import re
from typing import Any

import structlog
from aiosmtpd.smtp import Envelope

from common import telemetry
from common.config import Settings, current_settings
from common.db.session import transaction
from common.domain.return_paths import read_local_part
from common.services import inbound, tickets
from common.services.inbound import Returned
from common.services.keys import server_secret
from workers.listening import Crowd, Port, Session, certificate, serve, stop_on_signal
from workers.pulses import tell

log = structlog.get_logger()

MOST_BYTES = 1 << 20
MOST_RECIPIENTS = 50
MOST_HOPS = 25
MOST_COMMANDS = 500
POSTMASTERS = ("postmaster", "abuse")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class Handler:
    """The rules of the port, as aiosmtpd asks for them."""

    def __init__(self, settings: Settings) -> None:
        self._secret = server_secret(settings)

    async def handle_MAIL(
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Any sender, the empty one above all."""
        envelope.mail_from = address or "<>"
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Only what we issued (threats.md B6)."""
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 too many recipients; send another mail"
        local = address.rpartition("@")[0] or address
        if local.lower() not in POSTMASTERS and read_local_part(self._secret, local) is None:
            return "550 5.1.1 no such address"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:
        """Kept and acted on, then 250."""
        raw = envelope.content
        assert isinstance(raw, bytes)
        if _BARE.search(raw):
            return "550 5.6.11 bare carriage returns or line feeds"
        head = raw.partition(b"\r\n\r\n")[0]
        if len(re.findall(rb"(?im)^received:", head)) > MOST_HOPS:
            return "554 5.4.6 mail loop"
        sender = "" if envelope.mail_from in (None, "<>") else str(envelope.mail_from)
        try:
            await asyncio.to_thread(self._keep, sender, list(envelope.rcpt_tos), raw)
        except Exception as error:
            log.warning("returned_mail_not_kept", error=type(error).__name__)
            return "451 4.3.0 it cannot be kept now; try again"
        return "250 2.0.0 kept"

    def _keep(self, sender: str, recipients: list[str], raw: bytes) -> None:
        returned = [Returned(sender, each, read_local_part(self._secret, each.rpartition("@")[0] or each), raw)
                    for each in recipients]  # fmt: skip
        with transaction() as connection:
            applied = inbound.receive(connection, self._secret, returned)
        tickets.leave_webhooks(applied)

    async def handle_exception(self, error: Exception) -> str:
        """A defect of ours is the sender's 451, never a lost mail."""
        log.error("inbound_failed", exc_info=error)
        return "451 4.3.0 internal error; try again"


async def run(settings: Settings, stop: asyncio.Event, started: Any) -> None:
    """Serve until `stop` is set. `started` is called with the port."""
    handler, crowd, tls = Handler(settings), Crowd(most=200, most_of_one=20, most_receiving=64), certificate(settings)
    loop = asyncio.get_running_loop()

    def make() -> Session:
        return Session(
            handler,
            crowd,
            data_size_limit=MOST_BYTES,
            hostname=settings.ehlo_name,
            tls_context=tls,
            command_call_limit=MOST_COMMANDS,
            auth_exclude_mechanism=("PLAIN", "LOGIN"),
            loop=loop,
        )

    ports = [Port(settings.smtp_host, settings.inbound_port)]
    await serve(ports, crowd, make, tls, stop, lambda numbers: started(numbers[0]))


def main() -> None:
    """Run until SIGTERM."""
    settings = current_settings()
    telemetry.setup(settings)
    tell(settings, "inbound")

    async def forever() -> None:
        await run(settings, stop_on_signal(), lambda port: log.info("inbound_listens", port=port))

    asyncio.run(forever())


if __name__ == "__main__":
    main()
