"""The quick reader and marshmallow never disagree: on random messages, right and wrong ones."""

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from api.v1.schemas.batches import BATCH_IN, MESSAGE_ITEM_IN
from api.v1.schemas.messages import MESSAGE_IN, RESCHEDULE_IN
from api.v1.schemas.plain import read_plainly

_ADDRESSES = st.sampled_from(
    ["a@example.com", "Ann <a@Example.com>", "b", "@", "ü@example.com", "x@xn--bcher-kva.example", {"email": "c@d.org"},
     {"email": "c@d.org", "name": "N"}, {"email": 7}, {"name": "N"}, {"email": "c@d.org", "more": 1}, 5, True, None, []]
)  # fmt: skip
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 3_000_000), st.floats(allow_nan=False), st.text(max_size=8)
)
_JUNK = st.one_of(_SCALARS, st.lists(_SCALARS, max_size=3), st.dictionaries(st.text(max_size=5), _SCALARS, max_size=3))
_TIMES = st.sampled_from(
    ["2026-04-19T14:30:00Z", "2026-04-19T14:30:00+02:00", "2026-04-19", "now", "2026-04-19T14:30:00"]
)
_FIELDS: dict[str, Any] = {
    "recipient": _ADDRESSES,
    "from": _ADDRESSES,
    "cc": st.one_of(_ADDRESSES, st.lists(_ADDRESSES, max_size=3), st.just(["a@b.example"] * 49)),
    "bcc": st.one_of(_ADDRESSES, st.lists(_ADDRESSES, max_size=3), st.just(["a@b.example"] * 2)),
    "reply_to": st.one_of(_ADDRESSES, st.lists(_ADDRESSES, max_size=12)),
    "subject": st.one_of(st.text(max_size=6), st.just("x" * 999), st.just("Your code")),
    "html": st.one_of(st.text(max_size=6), st.just("<p>x</p>")),
    "text": st.text(max_size=6),
    "template": st.one_of(st.sampled_from(["otp-code", "No Such", ""]), _JUNK),
    "template_data": _JUNK,
    "headers": st.dictionaries(
        st.sampled_from(["X-Case", "Subject", "DKIM-Test", "bad name", ""]), _SCALARS, max_size=3
    ),
    "attachments": st.one_of(
        _JUNK,
        st.just([{"filename": "a.txt", "content": "MTIuMDAgRVVS"}]),
        st.just([{"filename": "a.txt", "content": "not base64!"}]),
    ),
    "metadata": st.dictionaries(st.one_of(st.text(max_size=5), st.just("k" * 41)), _JUNK, max_size=3),
    "tags": st.one_of(_JUNK, st.lists(st.sampled_from(["otp", "a,b", "", "x y", 3, None]), max_size=12)),
    "priority": st.one_of(st.sampled_from(["critical", "normal", "bulk", "urgent"]), _JUNK),
    "stream": st.sampled_from(["product-updates", "Not A Stream", "", 5]),
    "topic": st.sampled_from(["weekly", "-", 5]),
    "supersede_key": st.sampled_from(["weekly", "-", 5]),
    "ttl": st.one_of(st.integers(-1, 40 * 86400), st.just(60.0), _JUNK),
    "expires_at": _TIMES,
    "scheduled_time": st.one_of(_TIMES, _JUNK),
    "sensitive": st.sampled_from([True, False, "true", 1, None]),
    "locale": st.sampled_from(["en-GB", "e", "en_US_x", 4]),
    "unknown": _JUNK,
}
_MESSAGES = st.fixed_dictionaries({}, optional=_FIELDS)
_LIKELY = st.fixed_dictionaries(
    {"recipient": st.just("a@example.com"), "subject": st.just("Your code"), "text": st.just("847291")},
    optional={name: values for name, values in _FIELDS.items() if name not in ("recipient", "subject", "text")},
)


def _agree(schema: Any, body: dict[str, Any]) -> bool:
    given_body = {name: value for name, value in copy.deepcopy(body).items() if value is not None}
    try:
        expected = schema.load(given_body)
    except ValidationError:
        expected = None
    found = read_plainly(schema, copy.deepcopy(body))
    assert found == expected
    return found is not None


@settings(max_examples=400, deadline=None)
@given(st.one_of(_MESSAGES, _LIKELY))
def test_random_messages_are_read_alike(body: dict[str, Any]) -> None:
    _agree(MESSAGE_IN, body)
    _agree(MESSAGE_ITEM_IN, body)


def test_every_sample_is_read_quickly() -> None:
    for sample in MESSAGE_IN.samples.values():
        assert _agree(MESSAGE_IN, sample)
    assert _agree(RESCHEDULE_IN, {"scheduled_time": "2026-04-19T14:30:00Z"})


def test_every_field_of_a_message_is_tried() -> None:
    assert set(_FIELDS) == {*MESSAGE_IN.load_fields, "unknown"}


def test_a_shape_that_is_not_plain_is_left_to_the_framework() -> None:
    assert read_plainly(BATCH_IN, {"messages": [{}]}) is None
