"""A webhook endpoint for measuring: a process that notes when each POST was there, and the plain loop beside ours.

`python -m tests.bench.hooks LOG` prints its port and serves until its standard input ends. Never here: figures.
"""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import requests

from common.domain.signatures import sign

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


class Hooks:
    """The endpoint as a child process. `calls` are (epoch nanoseconds, recipient), in the order they came."""

    def __init__(self, log: Path) -> None:
        self._log = log
        log.touch()
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.hooks", str(log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._child.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._child.stdout.readline())}/hook"

    def calls(self, prefix: str = "") -> list[tuple[int, str]]:
        pairs = (line.split(" ", 1) for line in self._log.read_text().splitlines())
        return [(int(at), recipient) for at, recipient in pairs if recipient.startswith(prefix)]

    def stop(self) -> None:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.close()
        self._child.wait(10)
        self._child.stdout.close()


class _Protocol(asyncio.Protocol):
    def __init__(self, log: IO[str]) -> None:
        self._log, self._buffer = log, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            if len(self._buffer) < end + 4 + length:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
            self._log.write(f"{time.time_ns()} {json.loads(body)['data'].get('recipient', '')}\n")
            self._transport.write(_ANSWER)


async def _serve(path: str) -> None:
    with open(path, "a", buffering=1) as log:
        server = await asyncio.get_running_loop().create_server(lambda: _Protocol(log), "127.0.0.1", 0, backlog=256)
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def plain_rate(url: str, count: int) -> float:
    """Signed posts per second of one thread with a requests.Session, one after the other."""
    body = json.dumps({"type": "message.queued", "data": {"recipient": "plain@example.net", "pad": "x" * 500}}).encode()
    with requests.Session() as session:
        began = time.perf_counter()
        for number in range(count):
            webhook_id, stamp = f"evt_{number}", int(time.time())
            headers = {
                "content-type": "application/json",
                "webhook-id": webhook_id,
                "webhook-timestamp": str(stamp),
                "webhook-signature": sign(SECRET, webhook_id, stamp, body),
            }
            session.post(url, data=body, headers=headers, timeout=15).raise_for_status()
        return count / (time.perf_counter() - began)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
