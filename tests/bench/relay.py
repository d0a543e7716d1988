"""Mails per second into an SMTP port over sixteen connections that stay open, from the first to the last 250.

`python -m tests.bench.relay PORT COUNT [KEY]` prints it; the same load goes to our relay and to Postfix's smtpd. Never
here: starting either.
"""

import base64
import socket
import subprocess
import sys
import threading
import time

CONNECTIONS = 16
_MAIL = (
    b"From: Example <hello@example.com>\r\nTo: relay@example.net\r\nSubject: Your order\r\n\r\n"
    + b"Thank you for your order, which leaves today.\r\n" * 8
    + b".\r\n"
)
_ENVELOPE = b"MAIL FROM:<hello@example.com>\r\nRCPT TO:<relay%d@example.net>\r\nDATA\r\n"


def rate(port: int, count: int, key: str = "", seconds: float = 120) -> float:
    """By a process of its own. Raises RuntimeError when a mail was refused or it took too long."""
    command = [sys.executable, "-m", "tests.bench.relay", str(port), str(count), *([key] if key else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{count} mails by SMTP took over {seconds:.0f} s") from error
    if done.returncode:
        raise RuntimeError(f"mail by SMTP failed: {done.stderr.strip()[-300:]}")
    return float(done.stdout)


class _Client:
    """One connection in lock-step, with the envelope of a mail pipelined."""

    def __init__(self, port: int, key: str) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), 60)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._sock.makefile("rb")
        self._hear(b"220")
        self._say(b"EHLO bench.example.com\r\n", b"250")
        if key:
            self._say(b"AUTH PLAIN " + base64.b64encode(b"\0apikey\0" + key.encode()) + b"\r\n", b"235")

    def send(self, number: int) -> None:
        """One mail, to its 250."""
        self._say(_ENVELOPE % number, b"250", b"250", b"354")
        self._say(_MAIL, b"250")

    def _say(self, what: bytes, *codes: bytes) -> None:
        self._sock.sendall(what)
        for code in codes:
            self._hear(code)

    def _hear(self, code: bytes) -> None:
        line = self._lines.readline()
        while line[3:4] == b"-":
            line = self._lines.readline()
        if not line.startswith(code):
            raise RuntimeError(f"{line.decode('ascii', 'replace').strip()!r} where {code.decode()} was due")


def main() -> None:
    """Print the mails per second; ends with 1 when one was refused."""
    port, count, key = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else ""
    clients = [_Client(port, key) for _ in range(CONNECTIONS)]
    faults: list[str] = []

    def work(client: _Client, first: int) -> None:
        try:
            for number in range(first, count, CONNECTIONS):
                client.send(number)
        except (OSError, RuntimeError) as error:
            faults.append(str(error))

    threads = [threading.Thread(target=work, args=each) for each in zip(clients, range(CONNECTIONS), strict=True)]
    began = time.perf_counter()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    spent = time.perf_counter() - began
    if faults:
        sys.exit(faults[0])
    print(count / spent)


if __name__ == "__main__":
    main()
