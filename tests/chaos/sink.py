"""S, the mail server at the other end: an SMTP sink process that writes a line before it answers 250.

`python -m tests.chaos.sink --log FILE --tempfail 20 --drop 1 --seed 7` prints its port and serves
until its standard input ends. `tempfail` and `drop` are percentages: a temporary refusal (at RCPT,
at DATA or after the dot), and a connection cut after the dot, once the mail is written down.
Never here: what the sender should have done.
"""

import argparse
import asyncio
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HEADER = re.compile(rb"(?im)^(X-Sendarix-Message-Id|Subject):[ \t]*([^\r\n]*)")
_REFUSALS = ("rcpt", "data", "dot")


@dataclass(frozen=True, slots=True)
class Received:
    """One mail the sink took: seconds since the epoch, envelope, and SHA-256 in hex of all bytes and of the body."""

    at: float
    sender: str
    recipient: str
    message_id: str
    subject: str
    sha256: str
    body_sha256: str
    dropped: bool


def read_log(path: Path) -> list[Received]:
    """Every mail taken so far; a half-written last line is left out."""
    lines = path.read_text().split("\n")[:-1]
    return [Received(**json.loads(line)) for line in lines]


class Sink:
    """The sink as a child process; `port` is where it listens on loopback."""

    def __init__(self, log: Path, *, tempfail: float, drop: float, seed: int, delay: float = 0.0) -> None:
        self.log = log
        options = {"--tempfail": tempfail, "--drop": drop, "--seed": seed, "--delay": delay}
        command = [sys.executable, "-m", "tests.chaos.sink", "--log", str(log)]
        command += [str(part) for option in options.items() for part in option]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._child.stdout is not None
        self._read, self._lines = 0, 0
        self.port = int(self._child.stdout.readline())

    def count(self) -> int:
        """How many mails were taken so far; cheap."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            fresh = log.read()
        self._read += len(fresh)
        self._lines += fresh.count(b"\n")
        return self._lines

    def received(self) -> list[Received]:
        return read_log(self.log)

    def stop(self) -> None:
        """End the process and wait for it."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.close()
        self._child.wait(10)
        self._child.stdout.close()


class _Server:
    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._chance = random.Random(f"sink {options.seed}")
        self._log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    async def serve(self) -> None:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0, limit=1 << 26)
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        server.close()
        os._exit(0)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"220 sink ESMTP\r\n")
            await _Session(self, reader, writer).run()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def refusal(self) -> str | None:
        """Where this mail is refused for now, if it is."""
        if self._chance.random() * 100 < self._options.tempfail:
            return self._chance.choice(_REFUSALS)
        return None

    async def take(self, sender: str, recipient: str, content: bytes) -> bool:
        """Write the mail down; False when the answer shall never come."""
        if self._options.delay:
            await asyncio.sleep(self._options.delay)
        dropped = self._chance.random() * 100 < self._options.drop
        head, _, body = content.partition(b"\r\n\r\n")
        found = {name.lower(): text.decode() for name, text in _HEADER.findall(head)}
        line: dict[str, Any] = {
            "at": time.time(),
            "sender": sender,
            "recipient": recipient,
            "message_id": found.get(b"x-sendarix-message-id", ""),
            "subject": found.get(b"subject", ""),
            "sha256": hashlib.sha256(content).hexdigest(),
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "dropped": dropped,
        }
        os.write(self._log, json.dumps(line).encode() + b"\n")
        return not dropped


class _Session:
    def __init__(self, server: _Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server, self._reader, self._writer = server, reader, writer
        self._sender, self._recipient = "", ""
        self._refusal: str | None = None

    async def run(self) -> None:
        while line := await self._reader.readline():
            verb, _, rest = line.decode(errors="replace").strip().partition(" ")
            if not await self._answer(verb.upper(), rest):
                break
            await self._writer.drain()

    async def _answer(self, verb: str, rest: str) -> bool:
        if verb in ("EHLO", "HELO"):
            self._say(b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8")
        elif verb == "MAIL":
            self._sender, self._recipient = _address(rest), ""
            self._refusal = self._server.refusal()
            self._say(b"250 2.1.0 OK")
        elif verb == "RCPT" and self._refusal == "rcpt":
            self._say(b"451 4.3.0 try again later")
        elif verb == "RCPT":
            self._recipient = _address(rest)
            self._say(b"250 2.1.5 OK")
        elif verb == "DATA":
            return await self._data()
        elif verb == "QUIT":
            self._say(b"221 2.0.0 bye")
            return False
        else:
            self._say(b"250 2.0.0 OK")
        return True

    async def _data(self) -> bool:
        if not self._recipient or self._refusal == "data":
            self._say(b"503 5.5.1 no recipient" if not self._recipient else b"451 4.3.0 try again later")
            return True
        self._say(b"354 go on")
        await self._writer.drain()
        content = await self._reader.readuntil(b"\r\n.\r\n")
        if self._refusal == "dot":
            self._say(b"451 4.3.0 try again later")
            return True
        taken = await self._server.take(self._sender, self._recipient, content[:-3].replace(b"\r\n..", b"\r\n."))
        if taken:
            self._say(b"250 2.0.0 taken")
        return taken

    def _say(self, text: bytes) -> None:
        self._writer.write(text + b"\r\n")


def _address(rest: str) -> str:
    return rest[rest.find("<") + 1 : rest.find(">")]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="An SMTP sink that writes a line before it answers 250.")
    parser.add_argument("--log", required=True)
    parser.add_argument("--tempfail", type=float, default=0.0, help="percent refused with 451")
    parser.add_argument("--drop", type=float, default=0.0, help="percent cut after the dot, although taken")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before the answer to the dot")
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(_Server(parser.parse_args(arguments)).serve())


if __name__ == "__main__":
    main()
