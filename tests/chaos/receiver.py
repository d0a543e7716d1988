"""W, the customer's webhook endpoint: a process that writes each call down before it answers 204.

`python -m tests.chaos.receiver --log FILE --fail 10 --seed 7` prints its port and serves until its
standard input ends; `fail` is the percentage answered 500. It flaps: for a while after every so many calls it is down
and answers 503. Signatures are judged afterwards.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from common.domain.signatures import sign

FLAP_CALLS, FLAP_SECONDS = 400, 1.0


@dataclass(frozen=True, slots=True)
class Call:
    """One POST as it came in, and the status it was given."""

    webhook_id: str
    timestamp: int
    signature: str
    body: str
    status: int

    def is_signed_with(self, secret: str) -> bool:
        return sign(secret, self.webhook_id, self.timestamp, self.body.encode()) in self.signature.split()

    @property
    def told(self) -> tuple[str, int, str]:
        """Message id, sequence number and type of the event."""
        event: dict[str, Any] = json.loads(self.body)
        return event["data"]["message_id"], event["data"]["seq"], event["type"]


class Receiver:
    """The endpoint as a child process; `url` is what to subscribe."""

    def __init__(self, log: Path, *, fail: float, seed: int) -> None:
        self._log = log
        command = [sys.executable, "-m", "tests.chaos.receiver", "--log", str(log)]
        command += ["--fail", str(fail), "--seed", str(seed)]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._child.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._child.stdout.readline())}/hook"

    def calls(self) -> list[Call]:
        return [Call(**json.loads(line)) for line in self._log.read_text().split("\n")[:-1]]

    def stop(self) -> None:
        """End the process and wait for it."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.close()
        self._child.wait(10)
        self._child.stdout.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log_file = -1
    fail = 0.0
    chance = random.Random()
    lock = threading.Lock()
    answered = 0
    down_until = 0.0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        status = 503 if self._is_down() else 500 if self.chance.random() * 100 < self.fail else 204
        line = {
            "webhook_id": self.headers["webhook-id"],
            "timestamp": int(self.headers["webhook-timestamp"]),
            "signature": self.headers["webhook-signature"],
            "body": body,
            "status": status,
        }
        os.write(self.log_file, json.dumps(line).encode() + b"\n")
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    @classmethod
    def _is_down(cls) -> bool:
        """Whether it is down: the first `FLAP_SECONDS` after each `FLAP_CALLS` calls that it answered."""
        with cls.lock:
            if time.monotonic() < cls.down_until:
                return True
            cls.answered += 1
            if cls.answered % FLAP_CALLS == 0:
                cls.down_until = time.monotonic() + FLAP_SECONDS
            return False

    def log_message(self, *_: Any) -> None:
        """Nothing on the console."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_: Any) -> None:
        """A caller was killed in the middle of a call: that is what this is for."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="A webhook endpoint that writes a line before it answers.")
    parser.add_argument("--log", required=True)
    parser.add_argument("--fail", type=float, default=0.0, help="percent answered 500")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    _Handler.log_file = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    _Handler.fail, _Handler.chance = options.fail, random.Random(f"receiver {options.seed}")
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
