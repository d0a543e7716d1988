"""What the relay answers at each step of a conversation, as aiosmtpd asks for it.

Never here: sockets (workers/listening.py), rows (services/relaying.py).
"""

import asyncio
import base64
import binascii
from email.utils import format_datetime
from typing import Any

import structlog
from aiosmtpd.smtp import MISSING, AuthResult, Envelope

from common import clock
from common.config import Settings
from common.domain.addresses import Address, AddressError, parse_address
from common.domain.errors import DomainError, Unauthenticated
from common.domain.ids import encode, new_id
from common.domain.principals import Principal
from common.domain.restrictions import check_caller
from common.domain.submissions.mails import read
from common.domain.submissions.options import OptionError
from common.limits import Limiter
from common.services import keys, quotas, relaying
from common.services.identities import check_sender
from workers.relay.replies import FULL, REFUSED, TOO_OFTEN, reply_of, taken

log = structlog.get_logger()

MOST_RECIPIENTS = 100
AUTH_FAILURES_PER_MINUTE = 10
SCOPE = "messages:send"


class Conversation:
    """The rules of the relay. One for all sessions; what belongs to one is on aiosmtpd's session and envelope."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limiter = Limiter(settings)

    async def auth_PLAIN(self, server: Any, args: list[str]) -> AuthResult:
        """RFC 4616: the password is the API key, the name does not count."""
        blob = await self._answered(server, args, "")
        parts = blob.split(b"\0") if isinstance(blob, bytes) else None
        if parts is None:
            return AuthResult(success=False, handled=True)
        return await self._prove(server, parts[2]) if len(parts) == 3 else REFUSED

    async def auth_LOGIN(self, server: Any, args: list[str]) -> AuthResult:
        """The old form of the same."""
        if await self._answered(server, args, "Username:") is None:
            return AuthResult(success=False, handled=True)
        password = await server.challenge_auth("Password:")
        if password is MISSING:
            return AuthResult(success=False, handled=True)
        return await self._prove(server, password)

    async def _answered(self, server: Any, args: list[str], challenge: str) -> bytes | None:
        """The initial response, or what the client says when asked; None when it was told what is wrong."""
        if len(args) == 1:
            found = await server.challenge_auth(challenge)
            return None if found is MISSING else bytes(found)
        try:
            return b"" if args[1] == "=" else base64.b64decode(args[1], validate=True)
        except binascii.Error:
            await server.push("501 5.5.2 that is not base64")
            return None

    async def _prove(self, server: Any, password: bytes) -> AuthResult:
        ip = _ip_of(server.session)
        try:
            principal = await asyncio.to_thread(keys.authenticate, password.decode("ascii", "replace").strip(), ip)
            check_caller(principal, SCOPE, ip)
        except Unauthenticated:
            # As by HTTP: whoever fails often is told to wait, and a right key from the same place still works.
            return REFUSED if self._limiter.take(f"auth:{ip}", AUTH_FAILURES_PER_MINUTE).allowed else TOO_OFTEN
        except DomainError as error:
            return AuthResult(success=False, handled=False, message=reply_of(error, at_login=True))
        except Exception as error:
            log.warning("relay_cannot_authenticate", error=type(error).__name__)
            return AuthResult(success=False, handled=False, message="454 4.7.0 cannot authenticate now; try again")
        return AuthResult(success=True, auth_data=password.decode("ascii"))

    async def handle_EHLO(
        self, server: Any, session: Any, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """What aiosmtpd offers, and what it does without saying so."""
        session.host_name = hostname
        kept = [each for each in responses[:-1] if not each.startswith("250-AUTH")]
        if server.may_authenticate():
            kept.append("250-AUTH PLAIN LOGIN")
        return [*kept, "250-PIPELINING", "250 ENHANCEDSTATUSCODES"]

    async def handle_MAIL(
        self, _server: Any, session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """The key is looked at again for every mail, so that a revoked one ends within 5 s here as well."""
        try:
            principal = await self._principal(session)
            if address:
                await asyncio.to_thread(check_sender, self._settings, principal, parse_address(address))
        except AddressError as error:
            return f"553 5.1.7 {error}"
        except DomainError as error:
            return reply_of(error)
        except Exception as error:
            log.warning("relay_cannot_check", error=type(error).__name__)
            return FULL
        envelope.mail_from = address or "<>"
        return "250 2.1.0 OK"

    async def _principal(self, session: Any) -> Principal:
        ip = _ip_of(session)
        principal = await asyncio.to_thread(keys.authenticate, session.auth_data, ip)
        check_caller(principal, SCOPE, ip)
        return principal

    async def handle_RCPT(
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Any address that can exist; a suppressed one is accepted and told as an event."""
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 more than 100 recipients: send the rest as another mail"
        try:
            parse_address(address)
        except AddressError as error:
            return f"553 5.1.3 {error}"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        """Accepted for every recipient, or for none."""
        recipients = list({each.key: each for each in map(parse_address, envelope.rcpt_tos)}.values())
        try:
            principal = await self._principal(session)
            verdict = quotas.take(self._limiter, principal, "send", len(recipients))
            if not verdict.allowed:
                return f"451 4.7.1 more than {verdict.limit} messages in 60 seconds: wait {verdict.wait} s"
            received = _trace(server, session)
            return await asyncio.to_thread(
                self._accept, principal, recipients, envelope.original_content or b"", received
            )
        except OptionError as error:
            return f"550 5.6.0 {error}"
        except DomainError as error:
            return reply_of(error)
        except Exception as error:
            log.error("relay_failed", exc_info=error)
            return FULL

    def _accept(self, principal: Principal, recipients: list[Address], raw: bytes, received: str) -> str:
        request_id = encode("req", new_id())
        domain = self._settings.message_id_domain or self._settings.ehlo_name
        now = clock.now()
        submission = read(
            raw,
            now=now,
            received=f"{received} id {request_id};\r\n {format_datetime(now)}",
            identifier=f"{request_id}@{domain}",
        )
        return taken(relaying.relay(principal, recipients, submission, request_id=request_id))

    async def handle_exception(self, error: Exception) -> str:
        """A defect of ours is the client's 451, never a lost mail."""
        log.error("relay_failed", exc_info=error)
        return FULL


def _ip_of(session: Any) -> str:
    return str(session.peer[0]) if isinstance(session.peer, tuple) else "127.0.0.1"


def _trace(server: Any, session: Any) -> str:
    """RFC 5321 4.4, without the customer's address: what is inside their network is nobody's business."""
    name = "".join(c for c in str(session.host_name) if c.isascii() and (c.isalnum() or c in ".-"))[:100]
    protocol = "ESMTPSA" if server.is_encrypted() else "ESMTPA"
    return f"from {name or 'unknown'} by {server.hostname}\r\n with {protocol}"
