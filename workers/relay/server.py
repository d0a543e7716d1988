"""`python -m workers.relay.server`: SMTP for tools that speak nothing else. A host name and an API key are enough.

What the API checks is checked here by the same verbs; 250 comes after the commit and names the message
(delivery.md 7). Never here: reading the mail (domain/submissions), accepting it (services/relaying.py).
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from common import telemetry
from common.config import Settings, current_settings
from workers.listening import Crowd, Port, Session, certificate, serve, stop_on_signal
from workers.pulses import tell
from workers.relay.conversation import Conversation

log = structlog.get_logger()

THREADS = 64
"""Mails one process accepts at once; each waits for a commit that they share."""
MOST_COMMANDS = 100_000


def ports(settings: Settings) -> list[Port]:
    """SENDARIX_SMTP_PORT, and what SENDARIX_SMTP_MORE_PORTS adds. Raises ValueError."""
    found = [Port(settings.smtp_host, settings.smtp_port)]
    for each in filter(None, (part.strip() for part in settings.smtp_more_ports.split(","))):
        number, _, kind = each.partition(":")
        if not number.isdigit() or kind not in ("", "tls"):
            raise ValueError(f"SENDARIX_SMTP_MORE_PORTS: {each} is not a port such as 587 or 465:tls")
        found.append(Port(settings.smtp_host, int(number), kind == "tls"))
    return found


async def run(settings: Settings, stop: asyncio.Event, started: Any) -> None:
    """Serve until `stop` is set. `started` is called with the ports."""
    loop, tls = asyncio.get_running_loop(), certificate(settings)
    loop.set_default_executor(ThreadPoolExecutor(THREADS, "relay"))
    listen = ports(settings)
    if tls is None and any(each.implicit for each in listen):
        raise ValueError("a port with :tls needs SENDARIX_SMTP_TLS_CERTIFICATE")
    crowd, conversation = Crowd(most=500, most_of_one=100), Conversation(settings)

    def make() -> Session:
        return Session(
            conversation,
            crowd,
            data_size_limit=settings.max_body_bytes,
            hostname=settings.ehlo_name,
            tls_context=tls,
            auth_required=True,
            command_call_limit=MOST_COMMANDS,
            loop=loop,
        )

    await serve(listen, crowd, make, tls, stop, started)


def main() -> None:
    """Run until SIGTERM."""
    settings = current_settings()
    telemetry.setup(settings)
    tell(settings, "relay")

    async def forever() -> None:
        await run(settings, stop_on_signal(), lambda numbers: log.info("relay_listens", ports=numbers))

    asyncio.run(forever())


if __name__ == "__main__":
    main()
