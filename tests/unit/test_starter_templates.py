"""The starter templates: each renders with its required variables alone and with all, and stays simple."""

from typing import Any

import pytest

from common.domain.template_building import build
from common.domain.template_variables import Variable, examples
from common.domain.templates import Template
from common.domain.tiers import TIERS
from common.services import quickstart
from common.services.rendering import render

STARTERS = quickstart.starters()


def starter(slug: str) -> Template:
    """As it is when it is published."""
    fields = STARTERS[slug]
    made = build("template", fields, {})
    assert made.warnings == []
    return Template(
        id="",
        slug=slug,
        version=1,
        sender=None,
        subject=made.parts.subject,
        html=made.parts.html,
        text=made.parts.text,
        variables=made.variables,
        tier=fields["priority"],
    )


def value(variable: Variable) -> Any:
    if variable.type == "list":
        return [{"description": "Seat <1>", "amount": "$5"}]
    return f"https://<{variable.name}>" if variable.type == "url" else f"<{variable.name}>"


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("slug", STARTERS)
def test_a_starter_renders_escaped_and_without_remote_content(slug: str, everything: bool) -> None:
    template = starter(slug)
    names = {each.name: value(each) for each in template.variables if each.required or everything}
    done = render(template, names)
    assert done.html is not None
    assert done.text is not None
    assert done.subject
    assert template.tier in TIERS
    for name in names:
        shown = "Seat <1>" if name == "lines" else names[name]
        assert shown in done.text + done.subject, name
        assert shown not in done.html, name
    for word in ("<img", "<script", "src=", "{{", "{%"):
        assert word not in done.html, word
    assert "prefers-color-scheme: dark" in done.html


def test_the_six_starters_are_there() -> None:
    assert set(STARTERS) == {"otp-code", "password-reset", "new-login-alert", "invoice", "welcome", "payment-failed"}


@pytest.mark.parametrize("slug", STARTERS)
def test_a_starter_has_no_example_of_a_variable(slug: str) -> None:
    template = starter(slug)
    assert all(each.example is not None and each.description for each in template.variables)
    render(template, examples(template.variables))
