"""Ids, the retry schedule and the table of replies: small words that many rely on."""

import os
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.ids import decode, encode, new_id
from common.domain.replies import enhanced_of
from common.domain.retry import MAX_ATTEMPTS, STANDARD, delay_after, with_jitter


@given(st.uuids())
def test_an_id_comes_back(value: UUID) -> None:
    assert decode("msg", encode("msg", value)) == value


@given(st.uuids(), st.uuids())
def test_ids_sort_as_their_uuids(one: UUID, other: UUID) -> None:
    assert (encode("msg", one) < encode("msg", other)) == (one < other)


def test_new_ids_are_version_7_and_do_not_go_back() -> None:
    found = [new_id() for _ in range(1000)]
    assert {each.version for each in found} == {7}
    assert {each.variant for each in found} == {"specified in RFC 4122"}
    moments = [each.int >> 64 for each in found]
    assert moments == sorted(moments)
    assert len(set(found)) == 1000


GOOD = encode("msg", UUID(int=1))


@pytest.mark.parametrize(
    "text",
    ["", "msg", "msg_", GOOD[:-1], GOOD + "0", GOOD.replace("msg", "evt"), GOOD.upper(), "msg_8" + "0" * 25,
     "msg_" + "u" * 26, "msg_" + "٠" * 26, GOOD + "\n"],
)  # fmt: skip
def test_what_is_no_id_is_none(text: str) -> None:
    assert decode("msg", text) is None


def test_the_standard_schedule_is_six_attempts_in_27330_seconds() -> None:
    delays = [delay_after(attempt) for attempt in range(1, MAX_ATTEMPTS + 1)]
    assert delays == [30.0, 300.0, 1800.0, 7200.0, 18000.0, None]
    assert sum(STANDARD) == 27_330


@given(st.sampled_from(STANDARD), st.floats(0, 1))
def test_jitter_is_never_early_and_at_most_a_minute(delay: float, chance: float) -> None:
    assert delay <= with_jitter(delay, chance) <= delay + min(60.0, 0.1 * delay)


@given(st.floats(60, 100_000))
def test_the_schedule_fits_into_the_life_left(life: float) -> None:
    left = life
    for attempt in range(1, MAX_ATTEMPTS):
        delay = delay_after(attempt, left)
        assert delay is not None
        assert 1.0 <= delay <= STANDARD[attempt - 1]
        left -= delay
    assert left >= 0
    assert delay_after(MAX_ATTEMPTS, left) is None


@pytest.mark.parametrize(
    ("code", "text", "found"),
    [(550, "5.1.1 no", "5.1.1"), (550, "4.1.1 no", None), (250, "2.0.0", "2.0.0"), (550, "no 5.1.1", None)],
)
def test_an_enhanced_code_must_fit_its_code(code: int, text: str, found: str | None) -> None:
    assert enhanced_of(code, text) == found


def test_a_forked_child_draws_its_parents_ids() -> None:
    new_id()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"".join(new_id().bytes[8:] for _ in range(100)))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reader, 800)
    mine = {new_id().bytes[8:] for _ in range(300)}
    assert not mine & {theirs[at : at + 8] for at in range(0, 800, 8)}
