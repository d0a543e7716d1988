"""A trace of the caller's is kept as W3C Trace Context has it, and what is not one is ignored."""

from uuid import UUID

import pytest

from common.domain.traceparents import passed_on, read, trace_of

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "text",
    [f"00-{TRACE}-{PARENT}-01", f" 00-{TRACE}-{PARENT}-01 ", f"cc-{TRACE}-{PARENT}-01", f"01-{TRACE}-{PARENT}-01-more"],
)
def test_a_trace_is_not_read(text: str) -> None:
    assert read(text) == f"00-{TRACE}-{PARENT}-01"


@pytest.mark.parametrize(
    "text",
    [None, "", "x", f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01",
     f"00-{TRACE.upper()}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01-more", f"00-{TRACE}-{PARENT}-1",
     f"00-{TRACE}-{PARENT}-011", f"01-{TRACE}-{PARENT}-01-" + "x" * 600, f"00-{TRACE}-{PARENT}-01\nx: y"],
)  # fmt: skip
def test_what_is_no_trace_is_read(text: str | None) -> None:
    assert read(text) is None


def test_two_attempts_are_told_the_same_parent() -> None:
    first, second = (passed_on(f"00-{TRACE}-{PARENT}-00", UUID(int=2**64 - 1), number) for number in (1, 2))
    assert trace_of(first) == trace_of(second) == TRACE and read(first) == first and read(second) == second
    assert first != second and first.endswith("-00")
