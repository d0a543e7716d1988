"""A DNS server on loopback that answers from scripted zones over UDP and TCP, and remembers what it was asked.

`zone` maps (name, kind) to records as text; NXDOMAIN, SERVFAIL, REFUSED or SILENCE instead of records; or a
list of such answers, played one after the other (the last one stays). Names in `secure` are answered with
the AD bit. CNAMEs are followed inside the zone, as a resolver would.
"""

import socketserver
import threading
from dataclasses import dataclass, field
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from common.config import Settings, read_settings
from workers.resolver import Resolver

Answer = list[str] | str
Zone = dict[tuple[str, str], Answer]


@dataclass(frozen=True, slots=True)
class InTurn:
    """One answer after the other; the last one stays."""

    answers: tuple[Answer, ...]


@dataclass(slots=True)
class DnsLab:
    """Use as a context manager."""

    zone: dict[tuple[str, str], Answer | InTurn] = field(default_factory=dict)
    ttl: int = 300
    secure: set[str] = field(default_factory=set)
    all_secure: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)
    _servers: list[socketserver.BaseServer] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> Self:
        for server in _bound():
            self.port = server.server_address[1]
            server.daemon_threads = True
            server.lab = self  # type: ignore[attr-defined]
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            self._servers.append(server)
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join(10)

    def settings(self, **changes: object) -> Settings:
        return read_settings({}, dns_servers=f"127.0.0.1:{self.port}", **changes)

    @property
    def resolver(self) -> Resolver:
        return Resolver(self.settings())

    def reply(self, data: bytes) -> bytes | None:
        """The answer to a question, or None for silence."""
        query = dns.message.from_wire(data)
        [question] = query.question
        kind = dns.rdatatype.to_text(question.rdtype)
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append((name, kind))
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        owner = name
        for _ in range(8):
            alias = self._found(owner, "CNAME") if kind != "CNAME" else []
            if not isinstance(alias, list) or not alias:
                break
            answer.answer.append(dns.rrset.from_text(f"{owner}.", self.ttl, "IN", "CNAME", alias[0]))
            owner = alias[0].rstrip(".").lower()
        found = self._found(owner, kind)
        if found == "SILENCE":
            return None
        if isinstance(found, str):
            answer.set_rcode(dns.rcode.from_text(found))
        elif found:
            answer.answer.append(dns.rrset.from_text_list(f"{owner}.", self.ttl, "IN", kind, found))
        if self.all_secure or {name, owner} <= self.secure:
            answer.flags |= dns.flags.AD
        return answer.to_wire()

    def _found(self, name: str, kind: str) -> Answer:
        found = self.zone.get((name, kind), [])
        if isinstance(found, InTurn):
            first, *rest = found.answers
            if rest:
                self.zone[name, kind] = InTurn(tuple(rest))
            return first
        return found


def _bound() -> tuple[socketserver.BaseServer, socketserver.BaseServer]:
    """A UDP and a TCP server on one port that is free for both."""
    while True:
        udp = socketserver.ThreadingUDPServer(("127.0.0.1", 0), _Udp)
        try:
            return udp, _Tcp(udp.server_address, _TcpHandler)
        except OSError:
            udp.server_close()


class _Udp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, sock = self.request
        if (answer := self.server.lab.reply(data)) is not None:  # type: ignore[attr-defined]
            sock.sendto(answer, self.client_address)


class _Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


class _TcpHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        size = int.from_bytes(self.rfile.read(2), "big")
        answer = self.server.lab.reply(self.rfile.read(size)) if size else None  # type: ignore[attr-defined]
        if answer is not None:
            self.wfile.write(len(answer).to_bytes(2, "big") + answer)
