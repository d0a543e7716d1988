"""delivery.md 3.2, lines 13 to 25: what is said to a server, and when."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from common.domain.outcomes import Outcome
from tests.fakes.certificates import authority, localhost
from tests.fakes.scripted import BANNER, Content, Drop, Expect, Raw, Say, Scripted, StartTls, Step, hello, mail
from workers.delivery.smtp import ConnectFailed, Deadlines, Demand, Mail, Target, connect, encryption
from workers.delivery.wire import ProtocolError, ReplyReader

QUICK = Deadlines(connect=2, banner=2, ehlo=2, envelope=2, block=2, dot=2)
MAIL = Mail("msg_1", "a@example.com", ("b@example.net",), b"Subject: x\r\n\r\nhello\r\n")
PIPELINED = ("PIPELINING", "8BITMIME")


def sent(script: Sequence[Step], *mails: Mail, **changes: object) -> tuple[list[Outcome], Scripted]:
    with Scripted(script) as server:
        target = Target("127.0.0.1", server.port, tls="none")
        connection = connect(replace(target, **changes), QUICK)  # type: ignore[arg-type]
        results = connection.send(mails or [MAIL], lambda _: True)
        connection.quit()
    return [outcome for _, outcome in results], server


def lines(server: Scripted, start: str) -> list[str]:
    return [line for line in server.seen[0].lines if line.startswith(start)]


def test_13_ehlo_says_another_name_than_the_sources() -> None:
    _, server = sent([*hello(), *mail()], ehlo_name="out1.example.com")
    assert lines(server, "EHLO") == ["EHLO out1.example.com"]


def test_14_a_server_without_ehlo_gets_no_mail() -> None:
    [outcome], server = sent([BANNER, Expect("EHLO", "500 what"), Expect("HELO"), *mail()])
    assert outcome.kind == "delivered"
    assert lines(server, "MAIL") == ["MAIL FROM:<a@example.com>"]


@pytest.mark.parametrize("code", [421, 450, 554, 550])
def test_15_a_greeting_that_refuses_bounces(code: int) -> None:
    with Scripted([Say(f"{code} no"), Drop()]) as server, pytest.raises(ConnectFailed) as caught:
        connect(Target("127.0.0.1", server.port, tls="none"), QUICK)
    assert (caught.value.outcome.kind, caught.value.outcome.stage) == ("deferred", "banner")


def test_16_a_reply_is_misread() -> None:
    reader = ReplyReader()
    reader.feed(b"250-one\r\n250-\xff\xfe\r\n250 three\r\n550 4.1.1 classes differ\r\n")
    first, second = reader.take(), reader.take()
    assert first is not None and first.lines == ("one", "\N{REPLACEMENT CHARACTER}" * 2, "three")
    outcomes, _ = sent([*hello(), Expect("MAIL"), Expect("RCPT", "550 4.1.1 classes differ")])
    assert outcomes[0].enhanced is None and second is not None
    for hostile in (b"250-" + b"x" * 9000, b"250-x\r\n" * 600):
        with pytest.raises(ProtocolError):
            reader = ReplyReader()
            reader.feed(hostile)
            while reader.take() is None:
                pass


def test_17_what_came_before_tls_is_used_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [*hello("STARTTLS", "SIZE 1"), Expect("STARTTLS", "220 go"), StartTls(localhost().server_context())]
    outcomes, server = sent([*steps, *hello("DSN")[1:], *mail()], tls="encrypted")
    assert outcomes[0].kind == "delivered"
    assert "ENVID=" in lines(server, "MAIL")[0]
    with (
        Scripted([*hello("STARTTLS"), Expect("STARTTLS", ""), Raw(b"220 go\r\n250 injected\r\n")]) as hostile,
        pytest.raises(ConnectFailed) as caught,
    ):
        connect(Target("127.0.0.1", hostile.port, tls="encrypted"), QUICK)
    assert caught.value.outcome.stage == "tls"


@pytest.mark.parametrize("at", ["MAIL", "RCPT", "DATA"])
def test_18_a_421_leaves_the_connection_in_use(at: str) -> None:
    steps: list[Step] = [Expect("MAIL"), Expect("RCPT"), Expect("DATA", "354 go")]
    place = ["MAIL", "RCPT", "DATA"].index(at)
    outcomes, server = sent(
        [*hello(), *steps[:place], Expect(at, "421 4.3.2 bye"), Drop()], MAIL, replace(MAIL, id="2")
    )
    assert [(each.kind, each.code) for each in outcomes] == [("deferred", 421), ("untried", None)]


def test_19_commands_go_ahead_of_a_server_that_does_not_pipeline() -> None:
    outcomes, server = sent([*hello(), Expect("MAIL"), Expect("RCPT", "550 no"), Expect("RSET"), *mail()], MAIL, MAIL)
    assert [each.kind for each in outcomes] == ["bounced", "delivered"]
    refused = [*hello(*PIPELINED), Expect("MAIL"), Expect("RCPT", "550 no"), Expect("DATA", "354 go")]
    outcomes, server = sent([*refused, Content("554 none"), Expect("RSET"), *mail()], MAIL, MAIL)
    assert server.seen[0].contents == [b"", MAIL.content]
    assert lines(server, "DATA") == ["DATA", "DATA"]


def test_20_a_mail_over_the_servers_size_is_sent() -> None:
    [outcome], server = sent(hello("SIZE 20"))
    assert (outcome.code, outcome.enhanced, outcome.kind) == (552, "5.3.4", "bounced")
    assert lines(server, "MAIL") == []
    _, server = sent([*hello("SIZE 1000"), *mail()])
    assert lines(server, "MAIL") == [f"MAIL FROM:<a@example.com> SIZE={len(MAIL.content)}"]


def test_21_8bitmime_is_said_where_it_is_not_offered_or_not_needed() -> None:
    eight = replace(MAIL, content="Subject: x\r\n\r\n\N{EURO SIGN}\r\n".encode())
    [outcome], server = sent(hello(), eight)
    assert (outcome.kind, outcome.enhanced) == ("bounced", "5.6.3")
    _, server = sent([*hello("8BITMIME"), *mail(), *mail()], eight, replace(MAIL, id="2"))
    assert lines(server, "MAIL") == ["MAIL FROM:<a@example.com> BODY=8BITMIME", "MAIL FROM:<a@example.com>"]


def test_22_smtputf8_is_said_to_everybody_or_an_address_is_mangled() -> None:
    foreign = replace(MAIL, recipients=("用户@example.net",))
    [outcome], _ = sent(hello("8BITMIME"), foreign)
    assert (outcome.kind, outcome.enhanced) == ("bounced", "5.6.7")
    _, server = sent([*hello("SMTPUTF8"), *mail(), *mail()], MAIL, replace(foreign, id="2"))
    assert [line.endswith("SMTPUTF8") for line in lines(server, "MAIL")] == [False, True]
    assert lines(server, "RCPT")[1] == "RCPT TO:<用户@example.net>"


class TestBdat:
    """Line 23."""

    OFFER = (*PIPELINED, "CHUNKING")

    @staticmethod
    def chunk(mail: Mail, answer: str = "250 taken") -> list[Step]:
        """Envelope and a whole small content; the script reads the content's lines as commands."""
        inner: list[Step] = [Expect(line.decode() or "", "") for line in mail.content.split(b"\r\n")[:-1]]
        return [Expect("MAIL"), Expect("RCPT"), Expect(f"BDAT {len(mail.content)} LAST", ""), *inner, Say(answer)]

    def test_23_bdat_is_used_unasked(self) -> None:
        _, server = sent([*hello(*self.OFFER), *mail()])
        assert lines(server, "BDAT") == []

    def test_23_a_small_mail_takes_two_turns(self) -> None:
        held: list[Step] = [Expect("MAIL", ""), Expect("RCPT", ""), Expect("BDAT", "")]
        inner: list[Step] = [Expect("Subject", ""), Expect("", ""), Expect("hello", "")]
        answers = Say("250 ok\r\n250 ok\r\n250 2.0.0 taken")
        outcomes, server = sent([*hello(*self.OFFER), *held, *inner, answers], chunking=True)
        assert (outcomes[0].kind, outcomes[0].stage) == ("delivered", "dot")

    def test_23_a_refused_recipient_is_called_the_chunks_fault(self) -> None:
        first = self.chunk(MAIL, "503 no recipient")
        first[1] = Expect("RCPT", "550 5.1.1 no such user")
        second = self.chunk(MAIL)
        outcomes, _ = sent(
            [*hello(*self.OFFER), *first, Expect("RSET"), *second], MAIL, replace(MAIL, id="2"), chunking=True
        )
        assert [(each.kind, each.stage) for each in outcomes] == [("bounced", "rcpt"), ("delivered", "dot")]

    def test_23_a_cut_behind_the_chunk_is_a_deferral(self) -> None:
        outcomes, _ = sent([*hello(*self.OFFER), *self.chunk(MAIL, "")[:-1], Drop()], chunking=True)
        assert outcomes[0].kind == "unknown"

    def test_23_two_recipients_are_not_waited_for(self) -> None:
        two = replace(MAIL, recipients=("b@example.net", "c@example.net"))
        steps: list[Step] = [Expect("MAIL"), Expect("RCPT"), Expect("RCPT"), *self.chunk(MAIL)[2:]]
        outcomes, _ = sent([*hello(*self.OFFER), *steps], two, chunking=True)
        assert outcomes[0].kind == "delivered"

    def test_23_a_dot_is_stuffed_in_a_chunk(self) -> None:
        dotted = replace(MAIL, content=b"Subject: x\r\n\r\n.dot\r\n")
        outcomes, server = sent([*hello(*self.OFFER), *self.chunk(dotted)], dotted, chunking=True)
        assert ".dot" in server.seen[0].lines and outcomes[0].kind == "delivered"


def test_24_a_receiver_that_offers_dsn_is_not_told_what_to_return() -> None:
    odd = replace(MAIL, recipients=("b+c=d@example.net",))
    _, server = sent([*hello("DSN"), *mail(), *mail()], odd, replace(MAIL, id="2", sender=""))
    assert lines(server, "MAIL") == [
        "MAIL FROM:<a@example.com> RET=HDRS ENVID=msg_1",
        "MAIL FROM:<> RET=HDRS ENVID=2",
    ]
    assert lines(server, "RCPT") == [
        "RCPT TO:<b+c=d@example.net> NOTIFY=FAILURE,DELAY ORCPT=rfc822;b+2Bc+3Dd@example.net",
        "RCPT TO:<b@example.net> NOTIFY=NEVER",
    ]
    _, server = sent([*hello(), *mail()])
    assert lines(server, "RCPT") == ["RCPT TO:<b@example.net>"]


def test_25_requiretls_is_promised_by_nobody_or_to_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = replace(MAIL, require_tls=True)
    [outcome], _ = sent(hello("REQUIRETLS"), secret)
    assert (outcome.kind, outcome.enhanced) == ("bounced", "5.7.30")
    tls: list[Step] = [Expect("STARTTLS", "220 go"), StartTls(localhost().server_context())]
    script = [*hello("STARTTLS"), *tls, *hello("REQUIRETLS")[1:]]
    [outcome], _ = sent(script, secret, tls="encrypted")
    assert outcome.enhanced == "5.7.30"
    monkeypatch.setattr(encryption, "context_for", lambda verified: authority().client_context())
    demand = Demand("required", "the domain's MTA-STS policy enforces it", "sts")
    [outcome], server = sent([*script, *mail()], secret, demand=demand)
    assert outcome.kind == "delivered" and lines(server, "MAIL")[0].endswith(" REQUIRETLS")


class TestRecipients:
    """A mail with more recipients than a server takes at once is split, and nobody is left out or served twice."""

    MANY = replace(MAIL, recipients=tuple(f"r{n}@example.net" for n in range(5)))

    def test_a_limit_that_is_announced_is_overrun(self) -> None:
        steps = [*hello("LIMITS RCPTMAX=2", *PIPELINED)]
        for count in (2, 2, 1):
            steps += [Expect("MAIL"), *[Expect("RCPT")] * count, Expect("DATA", "354 go"), Content()]
        outcomes, server = sent(steps, self.MANY)
        assert [each.kind for each in outcomes] == ["delivered"]
        assert [line[9:11] for line in lines(server, "RCPT")] == ["r0", "r1", "r2", "r3", "r4"]

    def test_452_too_many_recipients_loses_the_rest(self) -> None:
        refused = [Expect("RCPT", "452 4.5.3 Too many recipients")] * 2
        steps = [*hello(*PIPELINED), Expect("MAIL"), *[Expect("RCPT")] * 3, *refused, Expect("DATA", "354 go")]
        steps += [Content(), Expect("MAIL"), Expect("RCPT"), Expect("RCPT"), Expect("DATA", "354 go"), Content()]
        outcomes, server = sent(steps, self.MANY)
        assert [each.kind for each in outcomes] == ["delivered"]
        assert len(server.seen[0].contents) == 2

    def test_the_rest_goes_out_although_the_first_is_to_be_tried_again(self) -> None:
        steps = [*hello("LIMITS RCPTMAX=2", *PIPELINED), Expect("MAIL"), *[Expect("RCPT")] * 2]
        outcomes, server = sent([*steps, Expect("DATA", "354 go"), Content("451 later")], self.MANY)
        assert [each.kind for each in outcomes] == ["deferred"]
        assert len(lines(server, "RCPT")) == 2
