"""A DNS lab on loopback: scripted name servers that can disagree, fail, be slow to learn or say nothing.

Every server answers as authority, and as resolver to whoever asks for recursion. Never here: caches.
"""

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

Record = tuple[str, str]
"""A name in lower case without its last dot, and a type."""


class Lab:
    """Servers on `ips` of loopback, all at one `port`. `put` tells all of them, or `only` some.

    `silent` ones never answer, `broken` ones say SERVFAIL, `lame` ones answer without authority.
    """

    def __init__(self, ips: Sequence[str] = ("127.0.0.1",)) -> None:
        self.ips = tuple(ips)
        self.silent: set[str] = set()
        self.broken: set[str] = set()
        self.lame: set[str] = set()
        self.asked: list[tuple[str, str, str]] = []
        self._records: dict[str, dict[Record, list[str]]] = {ip: {} for ip in self.ips}
        self._sockets: list[socket.socket] = []
        self.port = self._open()

    def put(self, name: str, kind: str, *texts: str, only: Sequence[str] = ()) -> None:
        """Let the records of `name` and `kind` be `texts`; none removes them. TXT texts need no quotes."""
        for ip in only or self.ips:
            place = (name.lower().rstrip("."), kind)
            if texts:
                self._records[ip][place] = [_quoted(text) if kind == "TXT" else text for text in texts]
            else:
                self._records[ip].pop(place, None)

    def put_zone(self, zone: str) -> None:
        """A zone whose name servers are all of this lab's."""
        self.put(zone, "NS", *(f"ns{number}.{zone}." for number in range(1, len(self.ips) + 1)))
        for number, ip in enumerate(self.ips, 1):
            self.put(f"ns{number}.{zone}", "A", ip)

    def close(self) -> None:
        for each in self._sockets:
            each.close()

    def _open(self) -> int:
        """One port that is free at every address, for UDP and TCP."""
        for _ in range(50):
            port, opened = 0, []
            try:
                for ip in self.ips:
                    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                        made = _bound(ip, port, kind)
                        opened.append((ip, kind, made))
                        port = made.getsockname()[1]
            except OSError:
                for _, _, made in opened:
                    made.close()
                continue
            for ip, kind, made in opened:
                self._sockets.append(made)
                serve = self._serve_tcp if kind == socket.SOCK_STREAM else self._serve_udp
                threading.Thread(target=serve, args=(ip, made), daemon=True).start()
            return port
        raise OSError("no port is free at all addresses")

    def _serve_udp(self, ip: str, on: socket.socket) -> None:
        while True:
            try:
                data, peer = on.recvfrom(4096)
                answer = self._answer(ip, data)
                if answer is not None:
                    wire = answer.to_wire()
                    if len(wire) > 1232:
                        answer.answer.clear()
                        answer.flags |= dns.flags.TC
                        wire = answer.to_wire()
                    on.sendto(wire, peer)
            except OSError:
                return

    def _serve_tcp(self, ip: str, on: socket.socket) -> None:
        while True:
            try:
                peer, _ = on.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(5)
                [length] = struct.unpack("!H", peer.recv(2))
                answer = self._answer(ip, peer.recv(length))
                if answer is not None:
                    wire = answer.to_wire()
                    peer.sendall(struct.pack("!H", len(wire)) + wire)

    def _answer(self, ip: str, data: bytes) -> dns.message.Message | None:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        self.asked.append((ip, name, kind))
        if ip in self.silent:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if ip not in self.lame:
            response.flags |= dns.flags.AA
        if ip in self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
            return response
        self._fill(response, self._records[ip], name, kind, bool(query.flags & dns.flags.RD))
        return response

    def _fill(
        self, response: dns.message.Message, known: dict[Record, list[str]], name: str, kind: str, follow: bool
    ) -> None:
        for _ in range(9):
            texts = known.get((name, kind))
            if texts is not None:
                response.answer.append(_rrset(name, kind, texts))
                return
            alias = known.get((name, "CNAME"))
            if alias is None:
                break
            response.answer.append(_rrset(name, "CNAME", alias))
            if not follow:
                return
            name = alias[0].rstrip(".").lower()
        exists = any(other == name or other.endswith("." + name) for other, _ in known)
        if not exists and not response.answer:
            response.set_rcode(dns.rcode.NXDOMAIN)


def _rrset(name: str, kind: str, texts: Sequence[str]) -> dns.rrset.RRset:
    return dns.rrset.from_text(dns.name.from_text(name), 300, "IN", kind, *texts)


def _quoted(text: str) -> str:
    pieces = [text[at : at + 255] for at in range(0, len(text), 255)] or [""]
    return " ".join('"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces)


def _bound(ip: str, port: int, kind: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind)
    if kind == socket.SOCK_STREAM:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((ip, port))
    except OSError:
        made.close()
        raise
    if kind == socket.SOCK_STREAM:
        made.listen(8)
    return made


@contextmanager
def a_lab(*ips: str) -> Iterator[Lab]:
    """A lab that is closed again."""
    lab = Lab(ips or ("127.0.0.1",))
    try:
        yield lab
    finally:
        lab.close()
