"""What is an address and what would smuggle a second one into a command or a header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.addresses import AddressError, parse_address, split_display_name

GOOD = [
    ("a@example.com", "a@example.com", "a@example.com"),
    ("A.B@Example.COM", "A.B@example.com", "a.b@example.com"),
    ("user+tag@example.com", "user+tag@example.com", "user+tag@example.com"),
    ("o'brien@example.com", "o'brien@example.com", "o'brien@example.com"),
    ("a_b-c@sub.example.co.uk", "a_b-c@sub.example.co.uk", "a_b-c@sub.example.co.uk"),
    ("!#$%&*/=?^`{|}~@example.com", "!#$%&*/=?^`{|}~@example.com", "!#$%&*/=?^`{|}~@example.com"),
    ("x" * 64 + "@example.com", "x" * 64 + "@example.com", "x" * 64 + "@example.com"),
    ("delivered@simulator.sendarix.test", "delivered@simulator.sendarix.test", "delivered@simulator.sendarix.test"),
    ("a@1.example.com", "a@1.example.com", "a@1.example.com"),
    ("user@例え.jp", "user@xn--r8jz45g.jp", "user@xn--r8jz45g.jp"),
    ("user@xn--r8jz45g.jp", "user@xn--r8jz45g.jp", "user@xn--r8jz45g.jp"),
    ("user@bücher.example", "user@xn--bcher-kva.example", "user@xn--bcher-kva.example"),
    ("taro..yamada@docomo.ne.jp", '"taro..yamada"@docomo.ne.jp', "taro..yamada@docomo.ne.jp"),
    ("taro.@ezweb.ne.jp", '"taro."@ezweb.ne.jp', "taro.@ezweb.ne.jp"),
    ("taro@docomo.ne.jp", "taro@docomo.ne.jp", "taro@docomo.ne.jp"),
]

BAD = [
    "", "@", "a", "a@", "@example.com", "a@@example.com", "a@b@example.com", "a@x>,<b@y.com", "a@x.com>,<b@y.com",
    "a@example.com\r\nRCPT TO:<b@example.com>", "a@example.com\n", "a\r\n@example.com", "\na@example.com",
    "a@example.com\0", "a\0@example.com", "a b@example.com", "a@exa mple.com", " a@example.com", "a@example.com ",
    '"a b"@example.com', '"a"@example.com', "a..b@example.com", ".a@example.com", "a.@example.com", "a@.example.com",
    "a@example..com", "a@-example.com", "a@example-.com", "a@example", "a@[127.0.0.1]", "a@127.0.0.1",
    "x" * 65 + "@example.com", "a@" + "x" * 64 + ".com", "a@" + "x." * 126 + "com", "a,b@example.com",
    "a;b@example.com", "a<b@example.com", "Anna <a@example.com>", "a@example.com,b@example.com", "a(c)@example.com",
    "a\\b@example.com", "a@exam_ple.com", "taro yamada@docomo.ne.jp", "a@xn--a.com", "a@example.com.", "a@example.com>",
    "\u202ea@example.com", "a@example\u3002",
]  # fmt: skip


@pytest.mark.parametrize(("text", "wire", "key"), GOOD)
def test_a_good_address_is_refused(text: str, wire: str, key: str) -> None:
    found = parse_address(text)
    assert (found.email, found.key) == (wire, key)
    assert found.domain == key.rpartition("@")[2]
    assert not found.smtputf8


@pytest.mark.parametrize("text", BAD)
def test_a_bad_address_is_taken(text: str) -> None:
    with pytest.raises(AddressError):
        parse_address(text)


def test_an_international_local_part_needs_smtputf8() -> None:
    found = parse_address("用户@例え.jp")
    assert found.smtputf8
    assert found.key == "用户@xn--r8jz45g.jp"


@pytest.mark.parametrize("text", ["taro..yamada@docomo.ne.jp", "taro.@ezweb.ne.jp", ".a@au.com", "a@example.com"])
def test_an_address_is_another_one_when_it_is_read_again(text: str) -> None:
    assert parse_address(parse_address(text).email) == parse_address(text)


@given(st.text(max_size=80) | st.from_regex(r"[\x00-\x7f]{1,20}@[\x00-\x7f]{1,20}", fullmatch=True))
def test_whatever_is_taken_cannot_leave_its_brackets(text: str) -> None:
    try:
        found = parse_address(text)
    except AddressError:
        return
    assert not set(found.email) & set("\r\n\0<> \t")
    assert len(found.email.rpartition("@")[0].strip('"').encode()) <= 64


@pytest.mark.parametrize(
    ("text", "name", "email"),
    [
        ("a@example.com", None, "a@example.com"),
        ("Anna <a@example.com>", "Anna", "a@example.com"),
        ('"Doe, \\"J\\"" <a@example.com>', 'Doe, "J"', "a@example.com"),
        ("<a@example.com>", None, "a@example.com"),
        ("Anna <b@y> <a@example.com>", None, "Anna <b@y> <a@example.com>"),
        ("a@x>,<b@y", None, "a@x>,<b@y"),
    ],
)
def test_a_display_name_is_split_off(text: str, name: str | None, email: str) -> None:
    assert split_display_name(text) == (name, email)
