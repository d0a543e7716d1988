"""The mailbox's side of a session, fed in every size of pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.delivery.wire import stuff
from workers.mailbox.protocol import MOST_LINE_BYTES, MOST_RECIPIENTS, Mail, Patience, Session


def said(*lines: str, content: bytes = b"") -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode() + content


def transaction(recipient: str = "b@example.net", content: bytes = b"hello\r\n") -> bytes:
    return said("MAIL FROM:<a@example.com>", f"RCPT TO:<{recipient}>", "DATA") + stuff(content) + b".\r\n"


def codes(answers: list[bytes | Mail]) -> list[str]:
    return ["mail" if isinstance(each, Mail) else each[:3].decode() for each in answers]


def test_pipelined_transactions_are_answered_in_order() -> None:
    answers = Session(Patience()).feed(said("EHLO x") + transaction("one@example.net") + transaction("two@example.net"))
    assert codes(answers) == ["250", *["250", "250", "354", "mail"] * 2]
    mails = [each for each in answers if isinstance(each, Mail)]
    assert [each.recipients for each in mails] == [["one@example.net"], ["two@example.net"]]


lines = st.lists(st.sampled_from([b"", b".", b"..", b"...", b".x", b"x", b"a." * 9]), max_size=12)


@given(lines, st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_dots_come_back_in_pieces_of_any_size(content: list[bytes], sizes: list[int]) -> None:
    source = b"".join(line + b"\r\n" for line in content) or b"\r\n"
    data, session, answers, at = transaction(content=source), Session(Patience()), [], 0
    for turn in range(len(data)):
        size = sizes[turn % len(sizes)]
        answers += session.feed(data[at : at + size])
        at += size
    assert codes(answers) == ["250", "250", "354", "mail"]
    assert isinstance(answers[-1], Mail)
    assert answers[-1].source == source


def test_an_empty_mail_is_a_mail() -> None:
    answers = Session(Patience()).feed(said("MAIL FROM:<>", "RCPT TO:<b@example.net>", "DATA", "."))
    assert codes(answers) == ["250", "250", "354", "mail"]


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r"])
def test_only_a_whole_dot_line_ends_a_mail(end: bytes) -> None:
    session = Session(Patience())
    session.feed(said("MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>", "DATA"))
    assert session.feed(b"x" + end + b"MAIL FROM:<evil@example.com>") == []
    assert session.receiving


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("delivered", ["250"]), ("bounced", ["550"]), ("deferred", ["451"] * 4), ("BOUNCED+x", ["550"]),
     ("deferred-then-delivered", ["451", "250", "451"]), ("complained", ["250"]), ("unsubscribed", ["250"]),
     ("slow+1", ["250"]), ("nobody", ["550"])],
)  # fmt: skip
def test_magic_recipients_play_their_part(name: str, wanted: list[str]) -> None:
    patience, found = Patience(), []
    for _ in wanted:
        feed = said("MAIL FROM:<a@example.com>", f"RCPT TO:<{name}@simulator.sendarix.test>")
        found.append(codes(Session(patience).feed(feed))[1])
    assert found == wanted


def test_slow_asks_for_patience_and_slowly_elsewhere_does_not() -> None:
    feeds = ["slow@simulator.sendarix.test", "slow@example.net", "delivered@simulator.sendarix.test"]
    found = [Session(Patience()).feed(transaction(each))[-1] for each in feeds]
    assert [each.slow for each in found if isinstance(each, Mail)] == [True, False, False]


def test_a_refused_recipient_makes_data_503_and_the_next_mail_goes() -> None:
    session = Session(Patience())
    refused = said("MAIL FROM:<a@example.com>", "RCPT TO:<bounced@simulator.sendarix.test>", "DATA", "RSET")
    assert codes(session.feed(refused + transaction())) == ["250", "550", "503", "250", "250", "250", "354", "mail"]


@pytest.mark.parametrize(
    ("line", "code"),
    [("MAIL FROM:a@example.com", "501"), ("MAIL FROM:<a b@example.com>", "501"), ("RCPT TO:<b@example.net>", "503"),
     ("RCPT TO:<>", "501"), ("DATA", "503"), ("VRFY x", "502"), ("", "502"), ("STARTTLS", "502"), ("NOOP", "250"),
     ("mail from: <a@example.com> SIZE=1 SMTPUTF8", "250"), ("MAIL FROM:<ü@example.com>", "250")],
)  # fmt: skip
def test_a_line_gets_its_answer(line: str, code: str) -> None:
    assert codes(Session(Patience()).feed(said(line))) == [code]


def test_too_many_recipients_and_too_long_a_line() -> None:
    session = Session(Patience())
    feed = said("MAIL FROM:<a@example.com>", *["RCPT TO:<b@example.net>"] * (MOST_RECIPIENTS + 1))
    assert codes(session.feed(feed))[-2:] == ["250", "452"]
    assert codes(session.feed(b"x" * (MOST_LINE_BYTES + 1))) == ["500"]
    assert session.ended


def test_nothing_is_answered_after_quit() -> None:
    assert codes(Session(Patience()).feed(said("QUIT", "NOOP"))) == ["221"]
