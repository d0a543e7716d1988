"""Which processes give way to others. Linux counts `nice` only among the processes of one session wherever the kernel
groups sessions (sched(7), autogroup), and each line has a session of its own: the group needs the same value.
Never here: which line gives way; the Procfile says it.
"""

import re
from contextlib import suppress
from pathlib import Path

_NICE = re.compile(r"nice -n (\d+) ")


def give_way(pid: int, command: str) -> None:
    """Let the session of `pid` give way as far as `nice -n N` at the start of its command says. A kernel that has no
    such groups needs nothing."""
    found = _NICE.match(command)
    if found:
        with suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text(found[1])
