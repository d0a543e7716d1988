"""The embedded PostgreSQL: one data folder, one postmaster, one private socket, no TCP. Never a schema."""

import os
import pwd
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]
import psycopg

from deploy.daemon import Daemon, running
from deploy.identity import (
    data_place,
    find_identity,
    forget_socket_folder,
    make_folder,
    reachable_binaries,
    socket_folder,
)
from deploy.locator import EngineError, postgres_folder
from deploy.logs import log_tail, rotate_log

DATABASE = "sendarix"
START_SECONDS = 120.0
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "1GB",
    "jit": "off",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "min_wal_size": "128MB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "autovacuum_naptime": "15s",
    "log_checkpoints": "off",
    "logging_collector": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# Only users named in the map may connect, although the socket folder is private already.
_ACCESS = "local all all peer map=sendarix\n"


class Postgres:
    """One PostgreSQL server under `home`. Start and stop may be called from any thread."""

    name = "postgres"

    def __init__(self, home: Path) -> None:
        self._home = home
        self._log = home / "logs" / "postgres.log"
        self._identity = find_identity()
        self._place = data_place(home, self._identity)
        self._folder = self._place / "pg"
        self._data = self._folder / "data"
        self._sockets = socket_folder(self._place / "run" / "pg", self._identity)
        self._daemon = Daemon()
        self._mutex = threading.Lock()

    @property
    def url(self) -> str:
        """The libpq address of the database, over the socket."""
        return f"postgresql://postgres@/{DATABASE}?host={quote(str(self._sockets), safe='/')}"

    @property
    def data(self) -> Path:
        return self._data

    @property
    def place(self) -> Path:
        """The folder that holds the data: the home, or its stand-in under root."""
        return self._place

    @property
    def pid(self) -> int | None:
        return self._daemon.pid

    def alive(self) -> bool:
        return self._daemon.alive() and (self._sockets / ".s.PGSQL.5432").exists()

    def start(self) -> None:
        """Run until connections are accepted and the database exists; adopts a live server of this folder.

        Raises EngineError with the end of the log.
        """
        with self._mutex:
            if self.alive():
                return
            self._daemon.stop((signal.SIGINT, 10.0))
            socket_folder(self._sockets, self._identity)
            self._prepare()
            deadline = time.monotonic() + START_SECONDS
            failures = 0
            while not self._run_once(deadline):
                failures += 1
                # Backends of a killed postmaster keep its shared memory for a moment, so one refusal proves nothing.
                if failures >= 20 or time.monotonic() > deadline:
                    raise EngineError(f"PostgreSQL does not start. End of {self._log}:\n{log_tail(self._log)}")
                time.sleep(min(0.1 * failures, 1.0))
            self._create_database()

    def stop(self) -> None:
        """Fast shutdown: clients are cut, everything is on disk, no recovery at the next start."""
        with self._mutex:
            self._adopt_running()
            self._daemon.stop((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0))
            forget_socket_folder(self._sockets)

    def _prepare(self) -> None:
        make_folder(self._folder, 0o700)
        self._identity.own(self._folder)
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        user = pwd.getpwuid(os.geteuid()).pw_name
        self._write("pg_hba.conf", _ACCESS)
        self._write("pg_ident.conf", f'sendarix "{user}" postgres\n')

    def _write(self, name: str, text: str) -> None:
        path = self._data / name
        path.write_text(text)
        self._identity.own(path)

    def _initialise(self) -> None:
        # A folder appears under its name only when complete, so a killed first start leaves nothing half made.
        draft = self._folder / "draft"
        shutil.rmtree(draft, ignore_errors=True)
        options = "-U postgres -E UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"
        command = [str(self._binaries() / "initdb"), "-D", str(draft), "-A", "peer", "--no-instructions"]
        done = subprocess.run(
            command + options.split(),
            cwd=self._folder,
            env=_environment(),
            capture_output=True,
            timeout=START_SECONDS,
            check=False,
            **self._identity.process_options(),
        )
        if done.returncode != 0:
            raise EngineError(f"PostgreSQL's initdb failed: {done.stderr.decode(errors='replace').strip()}")
        draft.rename(self._data)

    def _binaries(self) -> Path:
        return reachable_binaries(postgres_folder(), self._place, self._identity)

    def _run_once(self, deadline: float) -> bool:
        if not self._adopt_running():
            self._launch()
        while self._daemon.alive() and time.monotonic() < deadline:
            if self._answers():
                return True
            time.sleep(0.02)
        return False

    def _launch(self) -> None:
        rotate_log(self._log)
        settings = _SETTINGS | {"unix_socket_directories": str(self._sockets)}
        command = [str(self._binaries() / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self._log.open("ab") as log:
            self._daemon.hold(
                subprocess.Popen(
                    command,
                    cwd=self._folder,
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    **self._identity.process_options(),
                )
            )

    def _adopt_running(self) -> bool:
        """Take over a live postmaster of this data folder; clear a pid file that names anything else."""
        if self._daemon.alive():
            return True
        record = self._data / "postmaster.pid"
        try:
            process = psutil.Process(int(record.read_text().split("\n", 1)[0]))
        except (OSError, ValueError, psutil.NoSuchProcess):
            return False
        if self._is_ours(process):
            self._daemon.adopt(process)
            return True
        # The number was given to somebody else after a crash; PostgreSQL itself would refuse to start.
        record.unlink(missing_ok=True)
        return False

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            named = process.name().startswith("postgres")
            return running(process) and named and Path(process.cwd()).samefile(self._data)
        except (psutil.Error, OSError):
            return False

    def _answers(self) -> bool:
        try:
            self._connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self._sockets), user="postgres", dbname=database, connect_timeout=5, autocommit=True
        )

    def _create_database(self) -> None:
        with self._connect("postgres") as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")


def _environment() -> dict[str, str]:
    """What the server may see: no PG* variable of the user reaches it."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
