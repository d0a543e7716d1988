"""The embedded Valkey: an append-only log, one private socket, no TCP. Never a queue name."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.daemon import Daemon
from deploy.identity import Identity, forget_socket_folder, make_folder, socket_folder
from deploy.locator import EngineError, valkey_binary
from deploy.logs import log_tail, rotate_log

START_SECONDS = 120.0
_SETTINGS = (
    ("--port", "0"),
    ("--unixsocketperm", "700"),
    ("--daemonize", "no"),
    ("--dir", "."),
    ("--appendonly", "yes"),
    ("--appendfsync", "everysec"),
    ("--save", ""),
    ("--maxmemory", "1gb"),
    ("--maxmemory-policy", "noeviction"),
    ("--loglevel", "notice"),
)


class Valkey:
    """One Valkey server under `home`. Start and stop may be called from any thread."""

    name = "valkey"

    def __init__(self, home: Path) -> None:
        self._folder = home / "valkey"
        self._log = home / "logs" / "valkey.log"
        self._identity = Identity(os.geteuid(), os.getegid(), switch=False)
        self._sockets = socket_folder(home / "run" / "valkey", self._identity)
        self._socket = self._sockets / "valkey.sock"
        self._daemon = Daemon()
        self._mutex = threading.Lock()

    @property
    def url(self) -> str:
        """The address of database 0, over the socket."""
        return f"unix://{self._socket}?db=0"

    @property
    def pid(self) -> int | None:
        return self._daemon.pid

    def alive(self) -> bool:
        return self._daemon.alive() and self._socket.exists()

    def start(self) -> None:
        """Run until commands are answered; adopts a live server on this socket.

        Raises EngineError with the end of the log.
        """
        with self._mutex:
            if self.alive():
                return
            self._daemon.stop((signal.SIGTERM, 10.0))
            socket_folder(self._sockets, self._identity)
            make_folder(self._folder, 0o700)
            if not self._adopt_running():
                self._launch()
            deadline = time.monotonic() + START_SECONDS
            while self._server_pid() is None:
                if not self._daemon.alive() or time.monotonic() > deadline:
                    raise EngineError(f"Valkey does not start. End of {self._log}:\n{log_tail(self._log)}")
                time.sleep(0.02)

    def stop(self) -> None:
        """Flush the log to disk and end."""
        with self._mutex:
            if self._daemon.alive() or self._adopt_running():
                self._daemon.stop((signal.SIGTERM, 20.0))
            self._socket.unlink(missing_ok=True)
            forget_socket_folder(self._sockets)

    def _launch(self) -> None:
        rotate_log(self._log)
        command = [str(valkey_binary()), "--unixsocket", str(self._socket)]
        for name, value in _SETTINGS:
            command += [name, value]
        with self._log.open("ab") as log:
            self._daemon.hold(
                subprocess.Popen(
                    command,
                    cwd=self._folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def _adopt_running(self) -> bool:
        pid = self._server_pid()
        if pid is None:
            return False
        try:
            self._daemon.adopt(psutil.Process(pid))
        except psutil.NoSuchProcess:
            return False
        return True

    def _server_pid(self) -> int | None:
        """The pid the server on the socket reports, or None while it does not answer (or still loads)."""
        # The library would spend seconds on retries of its own; the caller's loop is the retry.
        client = redis.Redis(
            unix_socket_path=str(self._socket),
            socket_timeout=2,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            client.ping()
            return int(client.info("server")["process_id"])
        except (redis.RedisError, OSError):
            return None
        finally:
            client.close()
