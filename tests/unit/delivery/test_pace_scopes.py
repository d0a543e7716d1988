"""What the table of providers says is what their mail is paced by: a value nobody reads protects nobody."""

from dataclasses import fields
from uuid import uuid4

import pytest

from common.domain.providers import PROVIDERS, Provider, provider_named
from common.domain.sites import identify
from common.services.scopes import scope_of_site
from common.services.sources import Exit


def a_way(most_mails: int | None = None) -> Exit:
    given = {each.name: None for each in fields(Exit)} | {"id": uuid4(), "kind": "direct", "most_mails": most_mails}
    return Exit(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("likes", PROVIDERS, ids=lambda each: each.name)
def test_what_a_provider_likes_is_read_by_nobody(likes: Provider) -> None:
    site = identify([f"mx1{likes.suffixes[0]}", f"mx2{likes.suffixes[0]}"])
    assert site.provider == likes.name
    scope = scope_of_site(a_way(), site)
    assert len(scope.levels) == 1 + likes.shared
    for level in scope.levels:
        assert (level.connections, level.per_second) == (likes.connections, likes.per_second)
        assert (level.connects_per_minute, level.failed_connects) == (likes.connects_per_minute, likes.failed_connects)
    assert (scope.most_mails, scope.idle_seconds) == (likes.most_mails, likes.idle_seconds)
    assert scope_of_site(a_way(7), site).most_mails == 7


def test_an_unknown_site_is_paced_by_nothing() -> None:
    likes = provider_named(None)
    (level,) = scope_of_site(a_way(), identify(["mx.example.net"])).levels
    assert (level.connects_per_minute, level.failed_connects) == (likes.connects_per_minute, likes.failed_connects)
    assert (level.connections, level.start) == (10, 5)
