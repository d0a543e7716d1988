"""Secrets, the exact moment of the dot, and the transcript, against servers that would profit from a slip."""

import socket
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.fakes.certificates import authority, localhost
from tests.fakes.scripted import Drop, Expect, Raw, Scripted, StartTls, Step, hello, mail
from workers.delivery.smtp import ConnectFailed, Connection, Deadlines, Mail, Target, connect, encryption

QUICK = Deadlines(connect=2, banner=1, ehlo=1, envelope=1, block=1, dot=1)
MAIL = Mail("m1", "a@example.com", ("b@example.net",), b"Subject: secret content\r\n\r\nhello\r\n")


def always(_: Mail) -> bool:
    return True


def place(server: Scripted, **changes: object) -> Target:
    return replace(Target("127.0.0.1", server.port, tls="none"), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "breaks",
    [[Expect("STARTTLS", "454 4.7.0 not now")], [Expect("STARTTLS", ""), Raw(b"220 go\r\n250 injected\r\n")]],
    ids=["refused", "injected"],
)
def test_broken_tls_makes_credentials_leave_in_clear(breaks: list[Step]) -> None:
    with Scripted([*hello("STARTTLS", "AUTH PLAIN"), *breaks], hello("AUTH PLAIN")) as server:
        with pytest.raises(ConnectFailed) as caught:
            connect(place(server, tls="opportunistic", username="u", password="p"), QUICK)
        assert caught.value.outcome.stage == "tls"
    assert len(server.seen) == 1
    assert not any("AUTH" in line for line in server.seen[0].lines)


def test_a_stripped_starttls_makes_credentials_leave_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    # The real address is loopback, where clear is allowed: it pretends to be elsewhere.
    begin = Connection.open

    def elsewhere(connection: Connection) -> None:
        connection.session.ip = "192.0.2.1"
        begin(connection)

    monkeypatch.setattr(Connection, "open", elsewhere)
    with Scripted(hello("AUTH PLAIN")) as server, pytest.raises(ConnectFailed) as caught:
        connect(place(server, tls="opportunistic", username="u", password="p"), QUICK)
    assert caught.value.outcome.stage == "auth"
    assert not any("AUTH" in line for line in server.seen[0].lines)


def test_a_password_shows_in_a_repr() -> None:
    assert "hunter2" not in repr(Target("h", 25, username="u", password="hunter2"))


def test_a_server_that_knows_only_login_gets_plain() -> None:
    steps = [*hello("AUTH LOGIN"), Expect("AUTH LOGIN", "334 VXNlcm5hbWU6"), Expect("dQ==", "334 UGFzc3dvcmQ6")]
    with Scripted([*steps, Expect("cA==", "235 2.7.0 ok"), *mail()]) as server:
        connection = connect(place(server, username="u", password="p"), QUICK)
        [(_, outcome)] = connection.send([MAIL], always)
        connection.quit()
    assert outcome.kind == "delivered"
    assert not any(secret in line for _, _, line in outcome.transcript for secret in ("dQ==", "cA=="))


def test_the_transcript_holds_a_password_or_content_or_misses_the_opening() -> None:
    with Scripted([*hello("AUTH PLAIN"), Expect("AUTH PLAIN", "235 2.7.0 ok"), *mail(), *mail()]) as server:
        connection = connect(place(server, username="user", password="hunter2"), QUICK)
        (_, first), (_, second) = connection.send([MAIL, replace(MAIL, id="m2")], always)
        connection.quit()
    assert [line for _, who, line in first.transcript if who == "C"] == [
        "EHLO localhost.localdomain",
        "AUTH PLAIN ***",
        "MAIL FROM:<a@example.com>",
        "RCPT TO:<b@example.net>",
        "DATA",
        f"<{len(MAIL.content)} octets> .",
    ]
    assert not any("secret" in line for _, _, line in (*first.transcript, *second.transcript))
    assert [line[1:] for line in second.transcript[:2]] == [
        ("*", "connection reused, in clear"),
        ("C", "MAIL FROM:<a@example.com>"),
    ]


def test_a_failed_opening_says_nothing_of_what_was_said() -> None:
    steps = [*hello("AUTH PLAIN"), Expect("AUTH PLAIN", "535 5.7.8 no")]
    with Scripted(steps) as server, pytest.raises(ConnectFailed) as caught:
        connect(place(server, username="u", password="p"), QUICK)
    assert [line for _, _, line in caught.value.outcome.transcript][-2:] == ["AUTH PLAIN ***", "535 5.7.8 no"]


@pytest.mark.parametrize(
    "recipient", ["b@example.net> ORCPT=x", "b c@example.net", "<b@example.net", "b@x.net>\r\nDATA"]
)
def test_an_address_brings_a_parameter_of_its_own(recipient: str) -> None:
    bad = replace(MAIL, recipients=(recipient,))
    with Scripted([*hello("PIPELINING"), *mail()]) as server:
        connection = connect(place(server), QUICK)
        results = connection.send([bad, replace(MAIL, id="m2")], always)
        connection.quit()
    assert [outcome.kind for _, outcome in results] == ["bounced", "delivered"]
    assert [line for line in server.seen[0].lines if line.startswith("RCPT")] == ["RCPT TO:<b@example.net>"]


def over_tls(after: list[Step], *extensions: str) -> list[Step]:
    """STARTTLS, taken up, then EHLO again with these extensions."""
    context = localhost().server_context()
    begin = [*hello("STARTTLS", "SIZE 1", "PIPELINING"), Expect("STARTTLS", "220 go"), StartTls(context)]
    return [*begin, *hello(*extensions)[1:], *after]


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    context = authority().client_context()
    monkeypatch.setattr(encryption, "context_for", lambda verified: context)


def test_what_was_said_before_tls_is_believed_after_it() -> None:
    with Scripted(over_tls([*mail(), *mail()], "PIPELINING")) as server:
        connection = connect(place(server, tls="opportunistic"), QUICK)
        results = connection.send([MAIL, replace(MAIL, id="m2")], always)
        connection.quit()
    assert [(outcome.kind, outcome.tls) for _, outcome in results] == [("delivered", "TLSv1.3")] * 2
    assert [line for line in server.seen[0].lines if line.startswith("EHLO")] == ["EHLO localhost.localdomain"] * 2


def test_required_tls_trusts_a_stranger() -> None:
    with Scripted(over_tls([])) as server, pytest.raises(ConnectFailed) as caught:
        connect(place(server, tls="required"), QUICK)
    assert (caught.value.outcome.kind, caught.value.outcome.stage) == ("deferred", "tls")
    assert [line[:4] for line in server.seen[0].lines] == ["EHLO", "STAR"]


def test_required_tls_refuses_a_friend(trusting: None) -> None:
    steps = [Expect("AUTH PLAIN", "235 2.7.0 ok"), *mail()]
    with Scripted(over_tls(steps, "AUTH PLAIN")) as server:
        connection = connect(place(server, tls="required", username="u", password="p"), QUICK)
        assert connection.send([MAIL], always)[0][1].kind == "delivered"
        connection.quit()


def test_a_big_mail_over_tls_changes() -> None:
    content = b"".join(b".%d\r\n" % n for n in range(100_000))
    with Scripted(over_tls(mail())) as server:
        connection = connect(place(server, tls="opportunistic"), QUICK)
        assert connection.send([replace(MAIL, content=content)], always)[0][1].kind == "delivered"
        connection.quit()
    assert server.seen[0].contents[0].replace(b"\r\n..", b"\r\n.") == b"." + content


class Tap:
    """A socket whose sends fail once this many bytes are through."""

    def __init__(self, inner: socket.socket, room: int) -> None:
        self._inner, self._room = inner, room

    def send(self, data: memoryview) -> int:
        if self._room <= 0:
            raise ConnectionResetError("cut")
        self._room -= (count := self._inner.send(data[: self._room]))
        return count

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


@pytest.mark.parametrize(
    ("room", "found"),
    [(0, "deferred"), (5, "deferred"), (len(MAIL.content) + 2, "deferred"), (len(MAIL.content) + 3, "unknown")],
)
def test_a_write_that_fails_around_the_dot_is_misjudged(room: int, found: str) -> None:
    steps = [*hello("PIPELINING"), Expect("MAIL"), Expect("RCPT"), Expect("DATA", "354 go")]
    with Scripted(steps) as server:
        connection = connect(place(server), QUICK)

        def cut(_: Mail) -> bool:
            connection._channel._sock = Tap(connection._channel._sock, room)  # type: ignore[assignment]
            return True

        results = connection.send([MAIL, replace(MAIL, id="m2")], cut)
    assert [outcome.kind for _, outcome in results] == [found, "untried"]
    assert results[0][1].stage == ("dot" if found == "unknown" else "content")


def test_a_server_that_reads_nothing_holds_a_worker_for_ever() -> None:
    def stall(sock: socket.socket) -> None:
        sock.sendall(b"220 x\r\n250-x\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n354 go\r\n")

    big = replace(MAIL, content=b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 200_000)
    with _listening(stall) as port:
        connection = connect(Target("127.0.0.1", port, tls="none"), replace(QUICK, block=0.2))
        [(_, outcome)] = connection.send([big], always)
    assert (outcome.kind, outcome.stage) == ("deferred", "content")


def test_a_session_lasts_for_ever() -> None:
    with Scripted(hello("PIPELINING")) as server:
        connection = connect(place(server), QUICK)
        connection.session.opened_at -= QUICK.session + 1
        results = connection.send([MAIL, replace(MAIL, id="m2")], always)
        assert not connection.usable
    assert [outcome.kind for _, outcome in results] == ["untried", "untried"]


def test_a_cut_right_after_354_is_a_delivery() -> None:
    steps = [*hello("PIPELINING"), Expect("MAIL"), Expect("RCPT"), Expect("DATA", "354 go"), Drop()]
    with Scripted(steps) as server:
        connection = connect(place(server), QUICK)
        [(_, outcome)] = connection.send([MAIL], always)
    assert outcome.kind in ("unknown", "deferred")


class _listening:
    """One connection, given to `serve` and then left alone until the end of the block."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(serve,), daemon=True)

    def _run(self, serve: Callable[[socket.socket], None]) -> None:
        sock, _ = self._listener.accept()
        with sock:
            serve(sock)
            self._over.wait(10)

    def __enter__(self) -> int:
        self._thread.start()
        return int(self._listener.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)
        self._listener.close()
