"""Ends the supervised processes when the supervisor is gone without a goodbye (SIGKILL). Standard library only.

Reads `+pid` and `-pid` lines on standard input; the end of input means that the supervisor has ended, and
every process still on the list is stopped: SIGTERM, a few seconds, then SIGKILL for its whole group.
Works wherever pipes do, and reaches the children's children, which a parent-death signal would not.
"""

import contextlib
import os
import signal
import sys
import time

GRACE_SECONDS = 5.0


def _listen() -> set[int]:
    pids: set[int] = set()
    for line in sys.stdin:
        number = int(line[1:])
        if line[0] == "+":
            pids.add(number)
        else:
            pids.discard(number)
    return pids


def _group_lives(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main() -> None:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    left = _listen()
    for pid in left:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline and any(_group_lives(pid) for pid in left):
        time.sleep(0.05)
    for pid in left:
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
