"""A fast SMTP sink in a process of its own: one log line per mail and recipient, written before its 250.

`python -m tests.fakes.sink --log FILE [--tempfail 5] [--drop 1] [--seed 7] [--fsync]` prints its port and
serves until its standard input ends. Never here: what a sender should have done.
"""

import argparse
import asyncio
import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_GREETING = b"220 sink ESMTP\r\n"
_EHLO = b"250-sink\r\n250-PIPELINING\r\n250-SIZE 62914560\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
_OK = b"250 2.0.0 ok\r\n"
_ID_HEADER = b"\r\nX-Sendarix-Message-Id:"


@dataclass(frozen=True, slots=True)
class Taken:
    """One mail for one recipient. Times are nanoseconds since the epoch: of the first bytes of its
    MAIL command, and of the log line. `dropped`: the connection was cut instead of an answer."""

    first_byte: int
    taken: int
    sender: str
    recipient: str
    message_id: str
    sha256: str
    dropped: bool


def read_log(path: Path) -> list[Taken]:
    """Every mail taken so far, oldest first; a half-written last line is left out."""
    found = []
    for line in path.read_text().split("\n")[:-1]:
        first, taken, sender, recipient, message_id, digest, dropped = line.split("\t")
        found.append(Taken(int(first), int(taken), sender, recipient, message_id, digest, dropped == "1"))
    return found


class Sink:
    """The sink as a child process; `port` is where it listens on loopback."""

    def __init__(
        self, log: Path, *, tempfail: float = 0.0, drop: float = 0.0, seed: int = 1, fsync: bool = False
    ) -> None:
        self.log = log
        command = [sys.executable, "-m", "tests.fakes.sink", "--log", str(log), "--tempfail", str(tempfail)]
        command += ["--drop", str(drop), "--seed", str(seed), *(["--fsync"] if fsync else [])]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._child.stdout is not None
        self.pid = self._child.pid
        self._read, self._lines = 0, 0
        self.port = int(self._child.stdout.readline())

    def count(self) -> int:
        """Log lines so far; cheap to ask often."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            fresh = log.read()
        self._read += len(fresh)
        self._lines += fresh.count(b"\n")
        return self._lines

    def taken(self) -> list[Taken]:
        return read_log(self.log)

    def stop(self) -> None:
        """End the process and wait for it."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.close()
        self._child.wait(10)
        self._child.stdout.close()


class _Book:
    """The log file and the dice."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.tempfail, self.drop = options.tempfail / 100, options.drop / 100
        self.dice = random.Random(options.seed)
        self._fsync = options.fsync
        self._log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, lines: list[str]) -> None:
        os.write(self._log, "".join(lines).encode("utf-8", "replace"))
        if self._fsync:
            os.fsync(self._log)


class _Session(asyncio.Protocol):
    """One client. Everything that came in one read is answered in one write, after one log write."""

    def __init__(self, book: _Book) -> None:
        self._book = book
        self._buffer = bytearray()
        self._sender = ""
        self._recipients: list[str] = []
        self._first = 0
        self._receiving = False
        self._answers: list[bytes] = []
        self._lines: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(_GREETING)

    def data_received(self, data: bytes) -> None:
        self._now = time.time_ns()
        self._buffer += data
        open_still = True
        while open_still and (step := self._content() if self._receiving else self._command()) is not None:
            open_still = step
        if self._lines:
            self._book.write(self._lines)
            self._lines.clear()
        if self._answers:
            self._transport.write(b"".join(self._answers))
            self._answers.clear()
        if not open_still:
            self._transport.close()

    def _command(self) -> bool | None:
        """None: more bytes are needed. False: the connection ends."""
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        verb, say = line[:4].upper(), self._answers.append
        if verb == b"MAIL":
            self._sender, self._recipients, self._first = _address(line), [], self._now
            say(_OK)
        elif verb == b"RCPT":
            if self._book.tempfail and self._book.dice.random() < self._book.tempfail:
                say(b"451 4.3.0 try again later\r\n")
            else:
                self._recipients.append(_address(line))
                say(_OK)
        elif verb == b"DATA":
            self._receiving = bool(self._recipients)
            say(b"354 go on\r\n" if self._receiving else b"503 5.5.1 no recipient\r\n")
        elif verb == b"EHLO":
            say(_EHLO)
        elif verb == b"QUIT":
            say(b"221 2.0.0 bye\r\n")
            return False
        else:
            say(_OK)
        return True

    def _content(self) -> bool | None:
        end = -2 if self._buffer.startswith(b".\r\n") else self._buffer.find(b"\r\n.\r\n")
        if end == -1:
            return None
        content = bytes(self._buffer[: end + 2])
        del self._buffer[: end + 5]
        self._receiving = False
        if content.startswith(b".") or b"\r\n.." in content:
            content = (b"\r\n" + content).replace(b"\r\n..", b"\r\n.")[2:]
        digest, message_id = hashlib.sha256(content).hexdigest(), _message_id(content)
        dropped = bool(self._book.drop) and self._book.dice.random() < self._book.drop
        for recipient in self._recipients:
            self._lines.append(
                f"{self._first}\t{time.time_ns()}\t{self._sender}\t{recipient}\t{message_id}\t{digest}\t{dropped:d}\n"
            )
        if not dropped:
            self._answers.append(_OK)
        return not dropped


def _address(line: bytes) -> str:
    return line[line.find(b"<") + 1 : line.find(b">")].decode("utf-8", "replace").replace("\t", " ")


def _message_id(content: bytes) -> str:
    at = content.find(_ID_HEADER)
    if at < 0:
        return ""
    at += len(_ID_HEADER)
    return content[at : content.find(b"\r\n", at)].strip().decode("ascii", "replace")


async def _serve(options: argparse.Namespace) -> None:
    book = _Book(options)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Session(book), "127.0.0.1", options.port, backlog=512)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="An SMTP sink that writes a line before it answers 250.")
    parser.add_argument("--log", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tempfail", type=float, default=0.0, help="percent of recipients refused with 451")
    parser.add_argument("--drop", type=float, default=0.0, help="percent cut after the dot, although taken")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fsync", action="store_true", help="the line is on the disk before the answer")
    asyncio.run(_serve(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
