"""Strict JSON: nothing that two readers could read differently gets in."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.body import parse
from common.domain.errors import InvalidRequest


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":2}',
        b'{"a" :1,"a"\n:2}',
        b'{"x":{"a":1,"a":2}}',
        b'{"x":[{"a":1,"a":2}]}',
        b'{"a":":","a":2}',
        b'{"a\\"":1,"a\\"":2}',
        b'{"\\u0061":1,"a":2}',
        b'{"":1,"":2}',
        b'{"a":Infinity}',
        b'{"a":"\\u0000"}',
        b'{"\\u0000":1}',
        b'{"a":1}}',
        b"\xef\xbb\xbf{}",
    ],
)
def test_ambiguous_json_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":"http://x/?a=1:2","b":{"a":1}}',
        b'{"html":"<a style=\\"x\\":y>","b":[{"a":1},{"a":2}]}',
        b'{"a":"\\\\u0000"}',
        b'{"a":":","b":"\\":"}',
    ],
)
def test_colons_inside_strings_are_no_keys(raw: bytes) -> None:
    assert parse(raw) == json.loads(raw)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a loaded machine
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), VALUES))
def test_what_json_writes_is_read_back(found: dict[str, object]) -> None:
    raw = json.dumps(found).encode()
    if "\\u0000" in raw.decode():
        return
    assert parse(raw) == found
