"""A webhook endpoint on loopback that does as it is told, and remembers every POST."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import orjson


@dataclass(frozen=True, slots=True)
class Post:
    """One request: headers by lower-case name, the body, and the time by the monotonic clock."""

    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.body)
        return found


@dataclass
class FakeReceiver:
    """Use as a context manager. `answer(post, number)` is the status; `delay` seconds are waited before it."""

    status: int = 200
    delay: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    answer: Callable[[Post, int], int] | None = None
    posts: list[Post] = field(default_factory=list)
    busiest: int = 0
    connections: int = 0
    port: int = 0
    _busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> Self:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                fake.connections += 1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                post = Post({name.lower(): value for name, value in self.headers.items()}, body, time.monotonic())
                status = fake._take(post)
                self.send_response(status)
                for name, value in fake.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, post: Post) -> int:
        with self._lock:
            self.posts.append(post)
            number = len(self.posts)
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
        try:
            if self.delay:
                threading.Event().wait(self.delay)
            return self.answer(post, number) if self.answer else self.status
        finally:
            with self._lock:
                self._busy -= 1
