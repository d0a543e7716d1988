"""SMTP as bytes: replies in any pieces, content in any shape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.delivery.wire import MOST_LINE_BYTES, ProtocolError, ReplyReader, command, stuff


def read(data: bytes, pieces: int = 1) -> list[tuple[int, str]]:
    reader, found = ReplyReader(), []
    size = max(1, -(-len(data) // pieces))
    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])
        while (reply := reader.take()) is not None:
            found.append((reply.code, reply.text))
    assert not reader.pending
    return found


REPLIES = (
    b"220-a\r\n220-\r\n220 c\r\n250 2.0.0 ok\r\n250 2.0.0 ok\r\n354\r\n"
    b"550-5.1.1 no\r\n550 5.1.1 one\n421 \xff\x00bye\r\n"
)
MEANT = [
    (220, "a  c"),
    (250, "2.0.0 ok"),
    (250, "2.0.0 ok"),
    (354, ""),
    (550, "5.1.1 no 5.1.1 one"),
    (421, "\N{REPLACEMENT CHARACTER}?bye"),
]


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 1000])
def test_a_reply_in_pieces_is_another_reply(pieces: int) -> None:
    assert read(REPLIES, pieces) == MEANT


@pytest.mark.parametrize(
    "data",
    [
        b"x" * (MOST_LINE_BYTES + 1),
        b"250 " + b"x" * MOST_LINE_BYTES + b"\r\n",
        b"250-a\r\n" * 65,
        (b"250-" + b"x" * 1000 + b"\r\n") * 9,
        b"\r\n",
        b"25\r\n",
        b"250x\r\n",
        b"600 no such class\r\n",
        b"100 no such class\r\n",
        "²50 ok\r\n".encode(),
        b" 250 ok\r\n",
        b"-25 ok\r\n",
    ],
    ids=range(12),
)
def test_a_hostile_reply_is_read_or_fills_the_memory(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(data)


@given(st.binary(max_size=300))
def test_any_bytes_raise_something_else(data: bytes) -> None:
    reader = ReplyReader()
    reader.feed(data)
    try:
        while reader.take() is not None:
            pass
    except ProtocolError:
        pass


@given(st.lists(st.text("a.", max_size=6)))
def test_dots_are_lost_or_added_on_the_way(lines: list[str]) -> None:
    content = "".join(f"{line}\r\n" for line in lines).encode()
    stuffed = stuff(content)
    arrived = b"".join(line.removeprefix(b".") for line in stuffed.splitlines(keepends=True))
    assert arrived == (content or b"\r\n")
    assert b"\r\n.\r\n" not in b"\r\n" + stuffed


@given(st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\0"])).map(b"".join))
def test_no_content_ends_data_early_for_any_server(content: bytes) -> None:
    """The ends of data that some server takes for one (CVE-2023-51764 and its kin), and NUL forms of them."""
    try:
        stuffed = b"\r\n" + stuff(content)
    except ValueError:
        return
    for end in (
        b"\n.\n",
        b"\n.\r\n",
        b"\r.\r\n",
        b"\r\n.\n",
        b"\r\n.\r",
        b"\r.\r",
        b"\n.\r",
        b"\r\n\x00.\r\n",
        b"\r\n.\r\n",
    ):
        assert end not in stuffed


@pytest.mark.parametrize("text", ["a\r", "a\n", "RCPT TO:<a@b>\r\nDATA", "a\0"])
def test_a_command_is_two(text: str) -> None:
    with pytest.raises(ValueError):
        command(text)
