"""`make run`: engines, migrations, the quickstart account and every Procfile process, in the foreground."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from common.config import SettingError, Settings, read_settings
from deploy.banner import print_banner
from deploy.engines import EngineError, Engines
from deploy.lock import HomeLock, lock_holder
from deploy.logs import log_tail
from deploy.ports import PortTaken, accepts, reachable_host, settle_ports
from deploy.supervisor import Formation, sweep_leftovers

ROOT = Path(__file__).resolve().parents[1]
READY_SECONDS = 120.0
LOOPBACK = "127.0.0.0/8,::1/128"


class StartFailed(RuntimeError):
    """The formation cannot come up; the text says why."""


def home_of(settings: Settings) -> Path:
    """The absolute home folder; the default stands in the checkout, wherever the command is run from."""
    return settings.home_path if "SENDARIX_HOME" in os.environ else ROOT / settings.home


class LocalRun:
    """One `make run`, from the lock to the last stopped process."""

    def __init__(self, settings: Settings, lock: HomeLock) -> None:
        self._settings, self._lock = settings, lock
        self._home = home_of(settings)
        self._quickstart = self._home / "quickstart.json"
        self._began = time.monotonic()
        self._stop = threading.Event()
        self._engines: Engines | None = None
        self._formation: Formation | None = None

    def main(self) -> int:
        """Run until a signal; returns the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            self._start()
            while not self._stop.wait(1.0):
                pass
        except (EngineError, PortTaken, StartFailed) as error:
            print(f"\n{error}", file=sys.stderr)
            return 3
        finally:
            self._shut_down()
        return 0

    def _on_signal(self, *_: object) -> None:
        if self._stop.is_set() and self._formation:
            self._formation.hurry()
        self._stop.set()

    def _start(self) -> None:
        self._quickstart.unlink(missing_ok=True)
        left = sweep_leftovers(self._home)
        if left:
            self._step(f"ended {left} processes that an earlier run left behind")
        environ = self._environment()
        if self._stop.is_set():
            return
        self._command(environ, "migrate")
        self._step("database is up to date")
        keys = json.loads(self._command(environ, "quickstart", "--json", "--sign-in"))
        self._step("quickstart account is there")
        if self._stop.is_set():
            return
        self._formation = Formation(ROOT / "Procfile", self._home, environ, engines=self._engines, say=self._say)
        self._formation.start()
        facts = self._facts(environ) | keys
        facts["sign_in_url"] = facts["api_url"] + facts.pop("sign_in_path")
        self._lock.tell(url=facts["api_url"], **self._urls(environ))
        if self._wait_ready(environ, str(facts["api_url"])):
            self._step("everything is ready")
            self._publish(facts)

    def _environment(self) -> dict[str, str]:
        """Start what has no address of its own, and name every address for the processes."""
        settings = self._settings
        ports = settle_ports(_wanted_ports(settings))
        self._engines = Engines(self._home, postgres=not settings.database_url, valkey=not settings.redis_url)
        self._engines.start()
        self._step("engines are up: " + (", ".join(self._engines.pids) or "none, all addresses are given"))
        environ = {"SENDARIX_EGRESS_ALLOW": LOOPBACK, "SENDARIX_MAILBOX_PAGE": "true", **os.environ}
        environ |= {name: str(port) for name, port in ports.items()}
        environ |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
            "SENDARIX_PUBLIC_URL": settings.public_url
            or f"http://{reachable_host(settings.api_host)}:{ports['SENDARIX_API_PORT']}",
            "SENDARIX_HOME": str(self._home),
            "SENDARIX_DATABASE_URL": settings.database_url or self._engines.database_url,
            "SENDARIX_REDIS_URL": settings.redis_url or self._engines.redis_url,
        }
        self._lock.tell(url="", **self._urls(environ))
        return environ

    @staticmethod
    def _urls(environ: dict[str, str]) -> dict[str, str]:
        return {"database_url": environ["SENDARIX_DATABASE_URL"], "redis_url": environ["SENDARIX_REDIS_URL"]}

    def _command(self, environ: dict[str, str], *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "api.cli", *arguments],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
        if done.returncode != 0:
            raise StartFailed(f"`sendarix {' '.join(arguments)}` failed:\n{done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def _facts(self, environ: dict[str, str]) -> dict[str, Any]:
        host = reachable_host(self._settings.api_host)
        url = f"http://{host}:{environ['SENDARIX_API_PORT']}"
        return {
            "api_url": url,
            "dashboard_url": f"{url}/dashboard",
            "smtp_host": reachable_host(self._settings.smtp_host),
            "smtp_port": int(environ.get("SENDARIX_SMTP_PORT", self._settings.smtp_port)),
            "mailbox_url": f"{url}/mailbox",
        }

    def _wait_ready(self, environ: dict[str, str], url: str) -> bool:
        host = reachable_host(self._settings.smtp_host)
        ports = [(host, int(environ[name])) for name in ("SENDARIX_SMTP_PORT", "SENDARIX_INBOUND_PORT")]
        ports.append((reachable_host(self._settings.mailbox_host), int(environ["SENDARIX_MAILBOX_PORT"])))
        deadline = time.monotonic() + READY_SECONDS
        while not self._stop.is_set():
            if _answers(f"{url}/readyz") and all(accepts(*each) for each in ports):
                return True
            if time.monotonic() > deadline:
                tail = log_tail(self._home / "logs" / "web.log")
                raise StartFailed(
                    f"{url}/readyz does not answer 200 after {READY_SECONDS:.0f} s. End of web.log:\n{tail}"
                )
            self._stop.wait(0.1)
        return False

    def _publish(self, facts: dict[str, Any]) -> None:
        draft = self._quickstart.with_suffix(".draft")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(facts, file, indent=2)
            file.write("\n")
        draft.replace(self._quickstart)
        print_banner(facts, str(uuid.uuid4()))
        sys.stdout.flush()

    def _shut_down(self) -> None:
        print("\nStopping.", flush=True)
        self._quickstart.unlink(missing_ok=True)
        if self._formation:
            self._formation.stop()
        elif self._engines:
            self._engines.stop()
        self._lock.release()
        print("Stopped. The data is kept; `make run` goes on from here.", flush=True)

    def _step(self, text: str) -> None:
        print(f"[{time.monotonic() - self._began:5.1f} s] {text}", flush=True)

    def _say(self, name: str, text: str) -> None:
        print(f"{name} | {text}", flush=True)


def _wanted_ports(settings: Settings) -> dict[str, tuple[str, int]]:
    """Ports to settle: those that every formation listens on."""
    return {
        "SENDARIX_API_PORT": (settings.api_host, settings.api_port),
        "SENDARIX_MAILBOX_PORT": (settings.mailbox_host, settings.mailbox_port),
        "SENDARIX_SMTP_PORT": (settings.smtp_host, settings.smtp_port),
        "SENDARIX_INBOUND_PORT": (settings.smtp_host, settings.inbound_port),
    }


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=3) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def main() -> int:
    """Exit code 0 after a stop or when it runs already, 2 for a wrong setting, 3 when it cannot start."""
    try:
        settings = read_settings()
    except SettingError as error:
        print(error, file=sys.stderr)
        return 2
    home = home_of(settings)
    lock = HomeLock(home)
    if not lock.take(url=""):
        holder = lock_holder(home) or {}
        where = holder.get("url") or "not ready yet"
        print(f"Sendarix already runs on this home folder: pid {holder.get('pid', 'unknown')}, {where}")
        return 0
    return LocalRun(settings, lock).main()


if __name__ == "__main__":
    sys.exit(main())
