"""An SMTP receiver that takes a fixed time for each turn, as a far one does; a process of its own.

A turn is whatever arrives at once: pipelined commands share one, lock-step commands pay for each.
`python -m tests.bench.receiver SECONDS` prints its port and ends with its standard input. Never here: measuring.
"""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_EXTENSIONS = b"250-bench\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 52428800\r\n"
_ANSWERS = {
    b"EHLO": _EXTENSIONS, b"HELO": b"250 bench\r\n", b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n",
}  # fmt: skip


@contextmanager
def running(turn_seconds: float) -> Iterator[int]:
    """A receiver on loopback; answers its port."""
    command = [sys.executable, "-m", "tests.bench.receiver", str(turn_seconds)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None and child.stdout is not None
    try:
        yield int(child.stdout.readline())
    finally:
        child.stdin.close()
        child.wait(10)
        child.stdout.close()


def serve(sock: socket.socket, turn_seconds: float) -> None:
    """One connection, to its end."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(b"220 bench ESMTP\r\n")
    buffer, in_content = b"", False
    while data := _read(sock):
        buffer += data
        answers = b""
        while True:
            end = buffer.find(b"\r\n.\r\n") if in_content else buffer.find(b"\r\n")
            if end < 0:
                break
            if in_content:
                buffer, in_content = buffer[end + 5 :], False
                answers += b"250 2.0.0 Ok: queued\r\n"
                continue
            verb, buffer = buffer[:4].upper(), buffer[end + 2 :]
            in_content = verb == b"DATA"
            answers += _ANSWERS.get(verb, b"250 2.1.0 Ok\r\n")
        if answers:
            if turn_seconds:
                time.sleep(turn_seconds)
            sock.sendall(answers)


def _read(sock: socket.socket) -> bytes:
    try:
        return sock.recv(1 << 18)
    except ConnectionResetError:  # a client may leave without waiting for the answer to QUIT
        return b""


def main() -> None:
    """Serve until standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    turn_seconds = float(sys.argv[1])

    def accept() -> None:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=serve, args=(sock, turn_seconds), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
