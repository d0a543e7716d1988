"""W3C Trace Context: the caller's trace that a message belongs to. Pure. What cannot be read is ignored, as it says."""

import re
from uuid import UUID

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?=-|\Z)")
MOST = 512


def read(text: str | None) -> str | None:
    """The header in the form of version 00; None when there is none or it is not one."""
    if text is None or len(text) > MOST:
        return None
    found = _FORM.match(text.strip())
    if found is None:
        return None
    version, trace, parent, flags = found.groups()
    if version == "ff" or not trace.strip("0") or not parent.strip("0"):
        return None
    if version == "00" and found.end() != len(text.strip()):
        return None
    return f"00-{trace}-{parent}-{flags}"


def trace_of(traceparent: str) -> str:
    """The id of the trace."""
    return traceparent[3:35]


def passed_on(traceparent: str, span: UUID, number: int) -> str:
    """What the next in line is told: the same trace, and as parent the attempt of this number at `span`."""
    parent = 1 + (span.int + number) % 0xFFFF_FFFF_FFFF_FFFF  # never 0
    return f"00-{trace_of(traceparent)}-{parent:016x}-{traceparent[-2:]}"
