"""The starter templates: each renders with its required variables alone and with all, and stays simple."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from common.domain.template_variables import Variable, examples, read
from common.domain.templates import Template
from common.domain.tiers import TIERS
from common.services import quickstart
from common.services.rendering import render

FOLDER = Path(quickstart.__file__).parents[1] / "starter_templates"
INDEX: dict[str, Any] = orjson.loads((FOLDER / "index.json").read_bytes())


def starter(slug: str) -> Template:
    about = INDEX[slug]
    return Template(
        id="",
        slug=slug,
        version=1,
        sender=None,
        subject=about["subject"],
        html=(FOLDER / f"{slug}.html").read_text(),
        text=(FOLDER / f"{slug}.text").read_text(),
        variables=read(about["variables"]),
        tier=about["priority"],
    )


def value(variable: Variable) -> Any:
    if variable.type == "list":
        return [{"description": "Seat <1>", "amount": "$5"}]
    return f"https://<{variable.name}>" if variable.type == "url" else f"<{variable.name}>"


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("slug", INDEX)
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
    assert set(INDEX) == {"otp-code", "password-reset", "new-login-alert", "invoice", "welcome", "payment-failed"}


@pytest.mark.parametrize("slug", INDEX)
def test_a_starter_has_no_example_of_a_variable(slug: str) -> None:
    template = starter(slug)
    assert all(each.example is not None and each.description for each in template.variables)
    render(template, examples(template.variables))
