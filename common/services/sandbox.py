"""Work on what strangers wrote, in a child process that may be killed: bounded in time, memory and crashes.

The child runs domain/template_jobs.py and nothing else: no database, no settings, no secrets. It lives
from one job to the next; whatever goes over its limits costs that job alone. Never here: what a job does.
"""

import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import orjson
import structlog

import common
from common.domain.errors import Unavailable
from common.domain.template_jobs import READY

log = structlog.get_logger()

SECONDS = 30.0
"""Of wall time for one job, for a child that hangs. What a job may work is counted in the child: a busy machine
refuses nobody's template."""
START_SECONDS = 20.0
"""For a new child to come up, on a busy machine; no job's fault, so none of its time."""
CHILDREN = 2
"""At once in one process."""
PATIENCE = 5.0
"""Seconds to wait for a free child."""


class Exceeded(Exception):
    """The job went over its time or memory, or crashed what runs it."""


class _Child:
    def __init__(self) -> None:
        root = str(Path(common.__file__).parents[1])
        # Nothing of ours is in its environment: what it works on must find no secret there.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "common.domain.template_jobs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=root,
            env={"PYTHONPATH": root, "PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"},
            bufsize=0,
        )
        self._ready = False

    def run(self, job: bytes, seconds: float) -> Any:
        """Raises Exceeded; the child must not be used again then."""
        if not self._ready:
            self._ready = self._read(1, time.monotonic() + START_SECONDS) == READY
        deadline = time.monotonic() + seconds
        writer = threading.Thread(target=self._write, args=(len(job).to_bytes(4, "big") + job,), daemon=True)
        writer.start()
        size = int.from_bytes(self._read(4, deadline), "big")
        return orjson.loads(self._read(size, deadline))

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                assert self._process.stdin is not None
                view = view[self._process.stdin.write(view) or 0 :]
        except (OSError, ValueError):
            pass  # it died; the reader sees that

    def _read(self, size: int, deadline: float) -> bytes:
        assert self._process.stdout is not None
        found = bytearray()
        while len(found) < size:
            left = deadline - time.monotonic()
            if self._process.stdout.closed:
                raise Exceeded("it was ended before")
            ready = select.select([self._process.stdout], [], [], max(left, 0))[0]
            piece = os.read(self._process.stdout.fileno(), min(size - len(found), 1 << 20)) if ready else b""
            if not piece:
                raise Exceeded("it took too long" if not ready else "it took too much memory or stack")
            found += piece
        return bytes(found)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


_slots = threading.BoundedSemaphore(CHILDREN)
_lock = threading.Lock()
_idle: list[tuple[int, _Child]] = []


def run(name: str, given: dict[str, Any], seconds: float | None = None) -> Any:
    """What the job answers, as JSON values. Raises Exceeded, Unavailable when no child is free for long."""
    job = orjson.dumps({"job": name, **given})
    if not _slots.acquire(timeout=PATIENCE):
        raise Unavailable("Too many templates are being worked on; try again.", code="overloaded", retry_after=2)
    try:
        child = _take()
        try:
            answer = child.run(job, SECONDS if seconds is None else seconds)
        except BaseException as error:
            child.end()
            if isinstance(error, Exceeded):
                log.warning("template_job_exceeded", job=name, reason=str(error))
            raise
        with _lock:
            _idle.append((os.getpid(), child))
        return answer
    finally:
        _slots.release()


def _take() -> _Child:
    """A child of this process, not of the one it was forked from."""
    with _lock:
        while _idle:
            owner, child = _idle.pop()
            if owner == os.getpid():
                return child
    return _Child()
