"""delivery.md 3.2, lines 32 to 43: content, time-outs, what a cut means, reuse, and old addresses from Japan."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.clock import monotonic
from tests.fakes.certificates import localhost
from tests.fakes.scripted import Drop, Expect, Scripted, StartTls, Step, hello, mail
from workers.delivery import sessions as module
from workers.delivery.sessions import Sessions
from workers.delivery.smtp import Deadlines, Demand, Mail, Target, connect
from workers.delivery.wire import stuff

QUICK = Deadlines(connect=2, banner=2, ehlo=2, envelope=2, block=2, dot=2)
MAIL = Mail("m1", "a@example.com", ("b@example.net",), b"Subject: x\r\n\r\nhello\r\n")
ENDINGS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r.\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r.\r",
    b"\n.\r",
    b"\r\n\x00.\r\n",
    b"\r\n.\x00\r\n",
]


@pytest.mark.parametrize("content", [b"a\rb\r\n", b"a\nb\r\n", b"a\0\r\n", b"a\r\n\n", b"\r\r\n"])
def test_32_content_with_a_bare_line_end_or_nul_leaves(content: bytes) -> None:
    with pytest.raises(ValueError):
        stuff(content)


@given(st.lists(st.sampled_from([b".", b"..", b"a", b".a", b""]), max_size=8))
def test_34_a_dot_is_lost_doubled_or_ends_the_mail(lines: list[bytes]) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    wire = stuff(content) + b".\r\n"
    assert wire.count(b"\r\n.\r\n") + wire.startswith(b".\r\n") == 1
    arrived = [line.removeprefix(b".") for line in wire.split(b"\r\n")[:-2]]
    assert arrived == (lines or [b""])


@given(st.binary(max_size=60), st.sampled_from(ENDINGS), st.binary(max_size=60))
def test_35_content_is_smuggled_past_the_dot(before: bytes, ending: bytes, behind: bytes) -> None:
    try:
        wire = b"\r\n" + stuff(before + ending + behind)
    except ValueError:
        return
    assert not any(each in wire for each in ENDINGS)


def test_36_a_trace_header_is_written_by_us() -> None:
    with Scripted([*hello("PIPELINING"), *mail()]) as server:
        connection = connect(Target("127.0.0.1", server.port, tls="none"), QUICK)
        connection.send([MAIL], lambda _: True)
        connection.quit()
    assert server.seen[0].contents == [MAIL.content]


def test_the_final_dot_waits_less_than_ten_minutes() -> None:
    limits = Deadlines()
    assert (limits.connect, limits.banner, limits.ehlo, limits.envelope) == (15, 60, 60, 120)
    assert (limits.data, limits.block, limits.dot, limits.session) == (120, 180, 600, 900)


@pytest.mark.parametrize("phase", ["banner", "ehlo", "envelope", "dot"])
def test_a_phase_waits_for_ever(phase: str) -> None:
    steps: dict[str, list[Step]] = {
        "banner": [],
        "ehlo": [*hello()[:1], Expect("EHLO", "")],
        "envelope": [*hello("PIPELINING"), Expect("MAIL", "")],
        "dot": [*hello("PIPELINING"), *mail(answer="")],
    }
    limits = replace(QUICK, **{phase: 0.2})
    since = monotonic()
    with Scripted(steps[phase]) as server:
        try:
            connection = connect(Target("127.0.0.1", server.port, tls="none"), limits)
            [(_, outcome)] = connection.send([MAIL], lambda _: True)
        except Exception as error:
            outcome = error.outcome  # type: ignore[attr-defined]
    assert monotonic() - since < 2
    assert outcome.kind == ("unknown" if phase == "dot" else "deferred")


def test_37_a_cut_behind_the_dot_is_a_failure_or_changes_the_bytes() -> None:
    with Scripted([*hello("PIPELINING"), *mail(answer=""), Drop()], [*hello("PIPELINING"), *mail()]) as server:
        kinds = []
        for _ in range(2):
            connection = connect(Target("127.0.0.1", server.port, tls="none"), QUICK)
            [(_, outcome)] = connection.send([MAIL], lambda _: True)
            connection.quit()
            kinds.append(outcome.kind)
            assert outcome.transcript[-1][2]
    assert kinds == ["unknown", "delivered"]
    assert server.seen[0].contents == server.seen[1].contents


BASE = Target("mx.example.net", 25, "192.0.2.1", key="source")


@pytest.mark.parametrize(
    "other",
    [
        replace(BASE, key="another source"),
        replace(BASE, ip="192.0.2.2"),
        replace(BASE, port=26),
        replace(BASE, tls="encrypted"),
        replace(BASE, username="u", password="p"),
        replace(BASE, demand=Demand("required", "policy", "sts")),
        replace(BASE, bind="192.0.2.9"),
        replace(BASE, ehlo_name="other.example.com"),
    ],
    ids=["source", "ip", "port", "tls", "auth", "demand", "bind", "name"],
)
def test_39_mail_of_another_demand_shares_a_connection(other: Target) -> None:
    assert BASE.reuse_key != other.reuse_key


def test_39_two_domains_at_one_host_never_share_a_connection() -> None:
    assert BASE.reuse_key == replace(BASE, host="mx.other.example", domain="other.example").reuse_key


def test_39_a_verified_connection_serves_another_name() -> None:
    verified = replace(BASE, demand=Demand("required", "policy", "sts"))
    assert verified.reuse_key != replace(verified, host="mx.other.example").reuse_key


def test_39_a_connection_in_clear_serves_mail_that_asked_for_tls() -> None:
    """After its TLS failed an opportunistic connection is kept for opportunistic mail alone."""
    broken = [*hello("STARTTLS"), Expect("STARTTLS", "454 no")]
    with Scripted(broken, hello()) as server:
        sessions = Sessions()
        target = Target("127.0.0.1", server.port)
        connection = sessions.take(target)
        sessions.give_back(connection)
        assert sessions.take_idle(replace(target, tls="encrypted")) is None
        assert sessions.take_idle(replace(target, tls="none")) is None
        assert sessions.take_idle(target) is connection
        connection.quit()


def test_40_a_connection_carries_more_than_its_share() -> None:
    steps: list[Step] = [*hello("PIPELINING"), *mail(), *mail()]
    with Scripted(steps) as server:
        connection = connect(Target("127.0.0.1", server.port, tls="none", most_mails=2), QUICK)
        results = connection.send([replace(MAIL, id=f"m{n}") for n in range(4)], lambda _: True)
    assert [outcome.kind for _, outcome in results] == ["delivered", "delivered", "untried", "untried"]
    assert server.seen[0].rest == b"QUIT\r\n"
    assert (module.AGE_SECONDS, module.IDLE_SECONDS) == (300, 5)


def test_40_a_server_that_says_how_many_it_takes_is_overrun() -> None:
    with Scripted([*hello("PIPELINING", "LIMITS MAILMAX=1"), *mail()]) as server:
        connection = connect(Target("127.0.0.1", server.port, tls="none"), QUICK)
        results = connection.send([MAIL, replace(MAIL, id="m2")], lambda _: True)
    assert [outcome.kind for _, outcome in results] == ["delivered", "untried"]


def test_41_rset_is_said_between_good_mails_or_not_behind_a_failed_one() -> None:
    steps = [*hello("PIPELINING"), *mail(), *mail(), Expect("MAIL"), Expect("RCPT", "550 no"), Expect("DATA", "503 no")]
    with Scripted([*steps, Expect("RSET"), *mail()]) as server:
        connection = connect(Target("127.0.0.1", server.port, tls="none"), QUICK)
        results = connection.send([replace(MAIL, id=f"m{n}") for n in range(4)], lambda _: True)
        connection.quit()
    assert [outcome.kind for _, outcome in results] == ["delivered", "delivered", "bounced", "delivered"]
    assert [line for line in server.seen[0].lines if line == "RSET"] == ["RSET"]


def test_42_enough_for_one_connection_fails_the_mail() -> None:
    steps = [*hello("PIPELINING"), *mail(), Expect("MAIL", "421 4.7.0 too many messages in this session"), Drop()]
    with Scripted(steps) as server:
        connection = connect(Target("127.0.0.1", server.port, tls="none"), QUICK)
        results = connection.send([MAIL, replace(MAIL, id="m2")], lambda _: True)
    assert [outcome.kind for _, outcome in results] == ["delivered", "untried"]


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("a..b@docomo.ne.jp", '"a..b"@docomo.ne.jp'),
        ("a.@ezweb.ne.jp", '"a."@ezweb.ne.jp'),
        (".a@au.com", '".a"@au.com'),
        ('"a..b"@docomo.ne.jp', '"a..b"@docomo.ne.jp'),
        ("a.b@docomo.ne.jp", "a.b@docomo.ne.jp"),
    ],
)
def test_43_an_old_japanese_address_is_sent_unquoted(address: str, written: str) -> None:
    with Scripted([*hello("PIPELINING"), *mail()]) as server:
        connection = connect(Target("127.0.0.1", server.port, tls="none"), QUICK)
        [(_, outcome)] = connection.send([replace(MAIL, recipients=(address,))], lambda _: True)
        connection.quit()
    assert outcome.kind == "delivered"
    assert f"RCPT TO:<{written}>" in server.seen[0].lines


def test_tls_to_the_end_loses_the_last_mail() -> None:
    tls: list[Step] = [Expect("STARTTLS", "220 go"), StartTls(localhost().server_context())]
    with Scripted([*hello("STARTTLS"), *tls, *hello("PIPELINING")[1:], *mail(), *mail()]) as server:
        connection = connect(Target("127.0.0.1", server.port, tls="encrypted"), QUICK)
        results = connection.send([MAIL, replace(MAIL, id="m2")], lambda _: True)
        connection.quit()
    assert [outcome.kind for _, outcome in results] == ["delivered", "delivered"]
    assert len(server.seen[0].contents) == 2
