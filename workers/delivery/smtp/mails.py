"""What goes over a connection: mails and the seconds each phase may take. Values only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds per phase. The final dot waits RFC 5321's ten minutes: less would make duplicates."""

    connect: float = 15.0
    banner: float = 60.0
    ehlo: float = 60.0
    envelope: float = 120.0
    data: float = 120.0
    block: float = 180.0
    dot: float = 600.0
    session: float = 900.0


@dataclass(frozen=True, slots=True)
class Mail:
    """One envelope and its content with CRLF line ends, not stuffed. The first recipient is the message's own.

    `require_tls` asks for RFC 8689's REQUIRETLS. `sender` may be empty, for a notice that must not bounce.
    """

    id: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    smtputf8: bool = False
    require_tls: bool = False
