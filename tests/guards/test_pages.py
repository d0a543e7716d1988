"""What is generated is up to date, and every event type can be shown."""

import pytest

from common.domain.events import EVENT_TYPES
from common.domain.lifecycle import TRANSITIONS
from common.domain.profiles import PROFILES
from deploy.pages import DOCS, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_older_than_its_code(name: str) -> None:
    assert (DOCS / name).read_text() == PAGES[name](), f"docs/{name} is out of date: run `make docs` and commit it"


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_an_event_type_has_no_sentence_or_example(name: str) -> None:
    kind = EVENT_TYPES[name]
    assert kind.sentence.endswith("."), f"{name}: give it one sentence in common/domain/events.py"
    assert isinstance(kind.example, dict), f"{name}: give it an example in common/domain/events.py"


def test_a_transition_raises_an_event_without_a_type() -> None:
    raised = {arrow.event for arrow in TRANSITIONS.values() if arrow.event}
    assert raised <= EVENT_TYPES.keys(), (
        f"add to EVENT_TYPES in common/domain/events.py: {sorted(raised - EVENT_TYPES.keys())}"
    )


@pytest.mark.parametrize("name", PROFILES)
def test_a_relay_profile_has_no_step_by_step_page(name: str) -> None:
    page, profile = (DOCS / "sources" / f"{name}.md").read_text(), PROFILES[name]
    assert "POST /v1/sources" in page and "## Steps" in page
    facts = f"Host `{profile.host}`, port {profile.port}, TLS `{profile.tls}`"
    assert not profile.host or facts in page, f"docs/sources/{name}.md says something else than the profile: {facts}"
