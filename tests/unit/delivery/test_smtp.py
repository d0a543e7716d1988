"""One connection against servers that misbehave: each mail must end in the right outcome at the right stage."""

import base64
import socket
from collections.abc import Sequence
from uuid import uuid4

import pytest

from common.clock import monotonic
from tests.fakes.scripted import BANNER, Content, Drop, Expect, Lonely, Raw, Say, Scripted, Step, hello, mail
from workers.delivery.sessions import Sessions
from workers.delivery.smtp import ConnectFailed, Connection, Deadlines, Mail, Target, connect

QUICK = Deadlines(connect=2, banner=1, ehlo=1, envelope=1, block=1, dot=1)
PIPELINED = ("PIPELINING", "8BITMIME")


def a_mail(name: str = "m1", content: bytes = b"Subject: x\r\n\r\nhello\r\n", recipient: str = "b@example.net") -> Mail:
    return Mail(name, "a@example.com", (recipient,), content)


def always(_: Mail) -> bool:
    return True


def target(port: int, **changes: object) -> Target:
    return Target(**({"host": "127.0.0.1", "port": port, "tls": "none"} | changes))  # type: ignore[arg-type]


def opened(server: Scripted, **changes: object) -> Connection:
    return connect(target(server.port, **changes), QUICK)


def outcomes(script: Sequence[Step], *mails: Mail) -> tuple[list[tuple[str, str, int | None]], Scripted]:
    """Kind, stage and code of each mail over one connection that plays this script."""
    with Scripted(script) as server:
        connection = opened(server)
        results = connection.send(mails, always)
        connection.quit()
    return [(outcome.kind, outcome.stage, outcome.code) for _, outcome in results], server


OFFERS = pytest.mark.parametrize("offer", [PIPELINED, ()], ids=["pipelined", "lockstep"])


@OFFERS
def test_a_good_server_gets_the_mail(offer: tuple[str, ...]) -> None:
    found, server = outcomes([*hello(*offer), *mail()], a_mail())
    assert found == [("delivered", "dot", 250)]
    assert server.seen[0].contents == [a_mail().content]


@OFFERS
def test_a_cut_after_the_dot_is_unknown(offer: tuple[str, ...]) -> None:
    found, _ = outcomes([*hello(*offer), *mail(answer=""), Drop()], a_mail("m1"), a_mail("m2"))
    assert [each[:2] for each in found] == [("unknown", "dot"), ("untried", "mail")]


@OFFERS
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
def test_a_cut_in_the_envelope_is_deferred_at_its_stage(offer: tuple[str, ...], stage: str) -> None:
    steps: list[Step] = [Expect("MAIL"), Expect("RCPT"), Expect("DATA")]
    cut = {"mail": 0, "rcpt": 1, "data": 2}[stage]
    last = Expect(stage.upper(), "")
    found, _ = outcomes([*hello(*offer), *steps[:cut], last, Drop()], a_mail())
    assert found == [("deferred", stage, None)]


@pytest.mark.parametrize(
    ("script", "stage", "code"),
    [
        ([Drop()], "banner", None),
        ([Say("421 4.7.0 too busy"), Drop()], "banner", 421),
        ([Say("554 5.7.1 we do not like you"), Drop()], "banner", 554),
        ([BANNER, Expect("EHLO", ""), Drop()], "ehlo", None),
        ([Say("HTTP/1.1 400 Bad Request")], "banner", None),
        ([Raw("²²⁰ hi\r\n".encode())], "banner", None),
        ([Raw(b"x" * 4000)], "banner", None),
        ([Raw(b"220-more\r\n" * 100)], "banner", None),
    ],
    ids=["drops", "421", "554", "drops-at-ehlo", "http", "superscripts", "long-line", "endless-lines"],
)
def test_a_bad_greeting_defers(script: list[Step], stage: str, code: int | None) -> None:
    with Scripted(script) as server, pytest.raises(ConnectFailed) as caught:
        opened(server)
    outcome = caught.value.outcome
    assert (outcome.kind, outcome.stage, outcome.code) == ("deferred", stage, code)


def test_a_silent_server_ends_in_time() -> None:
    since = monotonic()
    with Scripted([Raw(b"220-slow\r\n")]) as server, pytest.raises(ConnectFailed):
        connect(target(server.port), Deadlines(banner=0.2))
    assert monotonic() - since < 3


def test_nobody_listening_is_deferred_at_connect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectFailed) as caught:
        connect(target(port), QUICK)
    assert (caught.value.outcome.kind, caught.value.outcome.stage) == ("deferred", "connect")


def test_lockstep_without_pipelining() -> None:
    wait = Lonely()
    steps: list[Step] = [*hello("8BITMIME"), Expect("MAIL", ""), wait, Say("250 ok"), Expect("RCPT", ""), wait]
    steps += [Say("250 ok"), Expect("DATA", ""), wait, Say("354 go"), Content(""), wait, Say("250 ok"), *mail()]
    found, _ = outcomes(steps, a_mail("m1"), a_mail("m2"))
    assert [kind for kind, _, _ in found] == ["delivered", "delivered"]


def test_lockstep_says_no_data_after_a_refusal() -> None:
    steps = [*hello(), Expect("MAIL"), Expect("RCPT", "550 5.1.1 no such user"), Expect("RSET"), *mail()]
    found, server = outcomes(steps, a_mail("m1"), a_mail("m2"))
    assert found == [("bounced", "rcpt", 550), ("delivered", "dot", 250)]
    assert server.seen[0].rest == b"QUIT\r\n"


def test_greylisting_at_rcpt_with_503_at_data_is_the_451() -> None:
    steps = [*hello(*PIPELINED), Expect("MAIL"), Expect("RCPT", "451 4.7.1 greylisted"), Expect("DATA", "503 5.5.1 no")]
    found, _ = outcomes([*steps, Expect("RSET"), *mail()], a_mail("m1"), a_mail("m2"))
    assert found == [("deferred", "rcpt", 451), ("delivered", "dot", 250)]


def test_data_is_taken_although_all_recipients_were_refused() -> None:
    steps = [*hello(*PIPELINED), Expect("MAIL"), Expect("RCPT", "550 5.1.1 no"), Expect("DATA", "354 go")]
    found, server = outcomes([*steps, Content("554 5.5.1 nobody"), Expect("RSET"), *mail()], a_mail("m1"), a_mail("m2"))
    assert found == [("bounced", "rcpt", 550), ("delivered", "dot", 250)]
    assert server.seen[0].contents[0] == b""


def test_a_refused_copy_decides_about_the_message() -> None:
    two = Mail("m1", "a@example.com", ("b@example.net", "c@example.net"), b"x\r\n")
    steps = [
        *hello(*PIPELINED),
        Expect("MAIL"),
        Expect("RCPT"),
        Expect("RCPT", "550 5.1.1 no"),
        Expect("DATA", "354 g"),
    ]
    found, server = outcomes([*steps, Content("250 ok")], two)
    assert found == [("delivered", "dot", 250)]
    assert server.seen[0].contents == [b"x\r\n"]


def test_a_taken_copy_of_a_refused_message_gets_an_empty_mail() -> None:
    two = Mail("m1", "a@example.com", ("b@example.net", "c@example.net"), b"x\r\n")
    steps = [
        *hello(*PIPELINED),
        Expect("MAIL"),
        Expect("RCPT", "550 5.1.1 no"),
        Expect("RCPT"),
        Expect("DATA", "354 g"),
    ]
    found, server = outcomes(steps, two)
    assert found == [("bounced", "rcpt", 550)]
    assert server.seen[0].rest == b""


def test_a_refusal_is_kept_when_the_server_cuts_behind_it() -> None:
    steps = [*hello(*PIPELINED), Expect("MAIL"), Expect("RCPT", "550 5.1.1 no"), Expect("DATA", "354 go"), Drop()]
    found, _ = outcomes(steps, a_mail())
    assert found == [("bounced", "rcpt", 550)]


@OFFERS
def test_421_in_the_first_envelope_is_deferred_with_its_code(offer: tuple[str, ...]) -> None:
    found, _ = outcomes([*hello(*offer), Expect("MAIL"), Expect("RCPT", "421 4.3.2 bye"), Drop()], a_mail())
    assert found == [("deferred", "rcpt", 421)]


@OFFERS
def test_421_for_the_second_mail_leaves_it_untried(offer: tuple[str, ...]) -> None:
    steps = [*hello(*offer), *mail(), Expect("MAIL", "421 4.4.5 enough for one connection"), Drop()]
    found, _ = outcomes(steps, a_mail("m1"), a_mail("m2"), a_mail("m3"))
    assert [kind for kind, _, _ in found] == ["delivered", "untried", "untried"]


def test_421_at_the_dot_is_deferred() -> None:
    found, _ = outcomes([*hello(*PIPELINED), *mail("421 4.3.0 disk full"), Drop()], a_mail("m1"), a_mail("m2"))
    assert found[0] == ("deferred", "dot", 421)
    assert found[1][0] == "untried"


def test_354_as_the_answer_to_the_dot_is_no_delivery() -> None:
    found, _ = outcomes([*hello(*PIPELINED), *mail("354 go on")], a_mail())
    assert found[0][:2] == ("unknown", "dot")


def test_multi_line_replies_are_one_reply_and_hold_no_nul() -> None:
    steps = [*hello(*PIPELINED), Expect("MAIL", "250-2.1.0 yes\r\n250 2.1.0 sender"), Expect("RCPT")]
    steps += [Expect("DATA", "354-go\r\n354 on"), Content("250-2.0.0 queued\r\n250 2.0.0 as \0 12")]
    with Scripted(steps) as server:
        connection = opened(server)
        [(_, outcome)] = connection.send([a_mail()], always)
        connection.quit()
    assert outcome.reply == "2.0.0 queued 2.0.0 as ? 12"
    assert outcome.enhanced == "2.0.0"


def test_ehlo_refused_falls_back_to_helo_and_lockstep() -> None:
    found, _ = outcomes([BANNER, Expect("EHLO", "502 no"), Expect("HELO"), *mail()], a_mail())
    assert found == [("delivered", "dot", 250)]


def test_pipelined_mails_keep_their_order_and_their_answers() -> None:
    steps = hello(*PIPELINED)
    answers = ["250 ok", "550 5.7.1 spam", "250 ok", "452 4.2.2 full", "250 ok"]
    for answer in answers:
        steps += mail(answer)
    mails = [a_mail(f"m{n}", f"Subject: {n}\r\n\r\n.{n}\r\n".encode(), f"r{n}@example.net") for n in range(5)]
    found, server = outcomes(steps, *mails)
    assert [kind for kind, _, _ in found] == ["delivered", "bounced", "delivered", "deferred", "delivered"]
    assert [line for line in server.seen[0].lines if "RCPT" in line] == [
        f"RCPT TO:<r{n}@example.net>" for n in range(5)
    ]
    assert [content.count(b"Subject: %d" % n) for n, content in enumerate(server.seen[0].contents)] == [1] * 5


@OFFERS
@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\rb\r\n", b"a\0b\r\n", b"a\r\n.\n\r\n", b"a\r\r\n"])
def test_smuggling_content_is_refused_and_its_neighbours_go(offer: tuple[str, ...], content: bytes) -> None:
    found, server = outcomes([*hello(*offer), *mail(), *mail()], a_mail("m1"), a_mail("m2", content), a_mail("m3"))
    assert [kind for kind, _, _ in found] == ["delivered", "bounced", "delivered"]
    assert found[1][1] == "content"
    assert server.seen[0].rest == b"QUIT\r\n"


@pytest.mark.parametrize("recipient", ["b@example.net>\r\nRSET", "b@x\0.net"])
def test_a_recipient_with_a_line_break_says_nothing_to_the_server(recipient: str) -> None:
    bad = a_mail("m2", recipient=recipient)
    found, server = outcomes([*hello(*PIPELINED), *mail(), *mail()], a_mail("m1"), bad, a_mail("m3"))
    assert [kind for kind, _, _ in found] == ["delivered", "bounced", "delivered"]
    assert not any("RSET" in line for line in server.seen[0].lines)


@OFFERS
def test_an_over_long_mail_in_the_middle_is_bounced_unsaid(offer: tuple[str, ...]) -> None:
    steps = [*hello("SIZE 100", *offer), *mail(), *mail()]
    found, server = outcomes(steps, a_mail("m1"), a_mail("m2", b"x" * 101), a_mail("m3"))
    assert found == [("delivered", "dot", 250), ("bounced", "mail", 552), ("delivered", "dot", 250)]
    assert "MAIL FROM:<a@example.com> SIZE=21" in server.seen[0].lines


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE ²", "SIZE " + "9" * 50])
def test_a_strange_size_is_no_limit(size: str) -> None:
    assert outcomes([*hello(size, *PIPELINED), *mail()], a_mail())[0] == [("delivered", "dot", 250)]


def test_an_international_address_without_smtputf8_is_bounced_5_6_7() -> None:
    with Scripted([*hello(*PIPELINED), *mail()]) as server:
        connection = opened(server)
        results = connection.send([a_mail("m1", recipient="用户@example.net"), a_mail("m2")], always)
        connection.quit()
    assert (results[0][1].kind, results[0][1].enhanced) == ("bounced", "5.6.7")
    assert results[1][1].kind == "delivered"


def test_an_international_address_says_smtputf8() -> None:
    found, server = outcomes([*hello("SMTPUTF8"), *mail()], a_mail(recipient="用户@example.net"))
    assert found == [("delivered", "dot", 250)]
    assert server.seen[0].lines[1].endswith(" SMTPUTF8")


@OFFERS
@pytest.mark.parametrize("size", [10, 600_000])
def test_without_the_lease_no_dot_reaches_the_server(offer: tuple[str, ...], size: int) -> None:
    asked: list[str] = []

    def lost_at_the_last_moment(each: Mail) -> bool:
        asked.append(each.id)
        return size > 300_000 and asked.count(each.id) == 1

    script = [*hello(*offer), Expect("MAIL"), Expect("RCPT"), Expect("DATA", "354 go")]
    with Scripted(script) as server:
        connection = opened(server)
        results = connection.send([a_mail("m1", b"y" * size + b"\r\n"), a_mail("m2")], lost_at_the_last_moment)
        assert not connection.usable
    assert [outcome.kind for _, outcome in results] == ["untried", "untried"]
    assert b"\r\n.\r\n" not in server.seen[0].rest
    assert not server.seen[0].rest.startswith(b".\r\n")


def test_an_idle_connection_that_the_server_closed_leaves_the_mail_untried() -> None:
    with Scripted([*hello(*PIPELINED), *mail(), Drop()], [*hello(*PIPELINED), *mail()]) as server:
        sessions, place = Sessions(), target(server.port)
        first = sessions.take(place)
        assert first.send([a_mail("m1")], always)[0][1].kind == "delivered"
        sessions.give_back(first)
        again = sessions.take(place)
        assert again is first
        assert again.send([a_mail("m2")], always)[0][1].kind == "untried"
        sessions.give_back(again)
        fresh = sessions.take(place)
        assert fresh is not first
        assert fresh.send([a_mail("m2")], always)[0][1].kind == "delivered"
        sessions.give_back(fresh)
        sessions.close_all()


def test_targets_of_different_demands_never_share_a_connection() -> None:
    with Scripted(hello(), hello()) as server:
        sessions = Sessions()
        one, other = target(server.port, key=str(uuid4())), target(server.port, key=str(uuid4()))
        connection = sessions.take(one)
        sessions.give_back(connection)
        assert sessions.take(other) is not connection
        sessions.close_all()


def test_bytes_ahead_of_tls_are_refused() -> None:
    steps = [*hello("STARTTLS"), Expect("STARTTLS", ""), Raw(b"220 go\r\n250 injected\r\n")]
    with Scripted(steps) as server, pytest.raises(ConnectFailed) as caught:
        opened(server, tls="required")
    assert (caught.value.outcome.kind, caught.value.outcome.stage) == ("deferred", "tls")
    assert "ahead of TLS" in caught.value.outcome.reply


def test_required_tls_that_is_not_offered_sends_nothing() -> None:
    with Scripted(hello()) as server, pytest.raises(ConnectFailed) as caught:
        opened(server, tls="required")
    assert caught.value.outcome.stage == "tls"
    assert server.seen[0].lines == ["EHLO localhost.localdomain"]


def test_broken_opportunistic_tls_goes_on_in_clear() -> None:
    broken = [*hello("STARTTLS"), Expect("STARTTLS", "454 4.7.0 not now")]
    with Scripted(broken, [*hello("STARTTLS"), *mail()]) as server:
        connection = opened(server, tls="opportunistic")
        assert connection.send([a_mail()], always)[0][1].kind == "delivered"
        connection.quit()


@pytest.mark.parametrize(("answer", "good"), [("235 2.7.0 ok", True), ("334 ", False), ("535 5.7.8 no", False)])
def test_auth_plain(answer: str, good: bool) -> None:
    with Scripted([*hello("AUTH PLAIN"), Expect("AUTH PLAIN", answer)]) as server:
        if good:
            opened(server, username="u", password="p").quit()
        else:
            with pytest.raises(ConnectFailed) as caught:
                opened(server, username="u", password="p")
            assert (caught.value.outcome.kind, caught.value.outcome.stage) == ("deferred", "auth")
            assert "dQ" not in str(caught.value.outcome)
    assert base64.b64decode(server.seen[0].lines[1].split()[-1]) == b"\0u\0p"
