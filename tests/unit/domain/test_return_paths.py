"""Tokens that prove themselves: nobody else's are taken, and mail servers' habits do not break ours."""

import random
import string
from dataclasses import replace

import pytest

from common.domain.bulk_headers import feedback_id, list_unsubscribe
from common.domain.ids import new_id
from common.domain.return_paths import BOUNCE, UNSUBSCRIBE, read_local_part, write_local_part
from common.domain.unsubscribe_tokens import Unsubscription, read_token, write_token

SECRET = b"a secret of this installation"


@pytest.mark.parametrize("kind", [BOUNCE, UNSUBSCRIBE])
def test_a_return_path_does_not_name_its_message(kind: str) -> None:
    message_id = new_id()
    local = write_local_part(SECRET, kind, message_id)
    assert len(local) == 40 and local.isalnum() and local.islower()
    assert read_local_part(SECRET, local) == (kind, message_id)
    assert read_local_part(SECRET, local.upper()) == (kind, message_id)


def test_a_forged_or_changed_return_path_counts() -> None:
    local = write_local_part(SECRET, BOUNCE, new_id())
    assert read_local_part(b"another secret", local) is None
    assert read_local_part(SECRET, "u" + local[1:]) is None
    for at in range(1, 40):
        for other in random.Random(at).sample(string.ascii_lowercase + "234567", 8):
            if other != local[at]:
                assert read_local_part(SECRET, local[:at] + other + local[at + 1 :]) is None
    for junk in ("", "b", "bounce", "b" + "a" * 39, "b" + "1" * 39, "b" + "é" * 39, local + "a", local[:-1]):
        assert read_local_part(SECRET, junk) is None


def test_an_unsubscribe_token_loses_something_or_can_be_forged() -> None:
    what = Unsubscription(new_id(), new_id(), "用户@xn--fsq.jp", "topic:news")
    token = write_token(SECRET, what)
    assert read_token(SECRET, token) == what
    assert set(token) <= set(string.ascii_letters + string.digits + "-_")
    assert read_token(b"another", token) is None
    for at in range(len(token)):
        assert read_token(SECRET, token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]) is None
    for junk in ("", "A", "AAAA", "x" * 500, token + "A", token[:-2], "é"):
        assert read_token(SECRET, junk) is None
    assert write_token(SECRET, replace(what, scope="all")) != token


def test_one_click_is_promised_without_an_address_to_post_to() -> None:
    assert list_unsubscribe(None, None) == {}
    assert list_unsubscribe(None, "u1@example.com") == {
        "List-Unsubscribe": "<mailto:u1@example.com?subject=unsubscribe>"
    }
    both = list_unsubscribe("https://m.example/u/t", "u1@example.com")
    assert both["List-Unsubscribe"].startswith("<https://m.example/u/t>, <mailto:")
    assert both["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_feedback_id_has_another_number_of_fields() -> None:
    assert feedback_id(["news", "weekly digest", "abc123"], "sendarix") == "news:weekly-digest:abc123:sendarix"
    assert feedback_id([None, "", "a:b"], "sendarix") == "none:none:a-b:sendarix"
