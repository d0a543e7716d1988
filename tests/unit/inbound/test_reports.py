"""Returned mail as mail systems write it: kind, recipients and category of each form."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.domain.inbound.reports import KINDS, classify
from tests.unit.inbound.forms import FORMS, Form


@pytest.mark.parametrize("form", FORMS, ids=[form.name for form in FORMS])
def test_a_form_of_bounce_is_misread(form: Form) -> None:
    report = classify(form.raw())
    assert report.kind == form.kind
    assert sorted(each.recipient for each in report.recipients) == sorted(form.recipients)
    assert {each.category for each in report.recipients} <= {form.category}
    assert any(each.suppress for each in report.recipients) == form.suppress


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=3000))
def test_any_bytes_raise(raw: bytes) -> None:
    assert classify(raw).kind in KINDS


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FORMS), st.integers(0, 4000), st.binary(max_size=40))
def test_a_damaged_report_raises(form: Form, at: int, noise: bytes) -> None:
    raw = form.raw()
    assert classify(raw[:at] + noise + raw[at + len(noise) :]).kind in KINDS
