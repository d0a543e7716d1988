"""Log files of supervised processes: size cap at start, last lines, new lines worth showing."""

import re
from pathlib import Path

from deploy.identity import make_folder

_LIMIT = 10_000_000
_LOUD = re.compile(
    r"(?<!%)\b(ERROR|CRITICAL|FATAL|PANIC|WARNING|Traceback)\b|\[(error|warning|critical)\b"
    r'|"level": ?"(error|warning|critical)"'
)


def rotate_log(path: Path) -> None:
    """Move a log that has grown past its limit aside; one older copy is kept."""
    make_folder(path.parent, 0o700)
    if path.exists() and path.stat().st_size > _LIMIT:
        path.replace(path.with_suffix(".log.1"))


def log_tail(path: Path, lines: int = 12) -> str:
    """The last lines of a log, for an error message."""
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - 8192))
        return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])


class LogWatch:
    """Follows one log from its present end and picks the lines that sound like trouble."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0

    def trouble(self, most: int = 3) -> list[str]:
        """At most `most` new warning and error lines since the last call, each cut to 200 characters."""
        if not self._path.exists():
            return []
        size = self._path.stat().st_size
        if size <= self._offset:
            self._offset = size
            return []
        with self._path.open("rb") as log:
            log.seek(max(self._offset, size - 65_536))
            text = log.read().decode(errors="replace")
            self._offset = log.tell()
        found = [line.strip()[:200] for line in text.splitlines() if _LOUD.search(line)]
        return found[:most]
