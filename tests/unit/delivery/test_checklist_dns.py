"""delivery.md 3.2, lines 1 to 12: from a domain to the addresses that mail may go to."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from common import clock
from common.config import Settings
from common.domain.outcomes import Outcome
from common.services.delivery import Claimed
from common.services.sources import Exit
from tests.fakes.dns_lab import DnsLab, InTurn
from tests.fakes.scripted import Drop, Expect, Say, Scripted, hello, mail
from workers.delivery import mx
from workers.delivery.mx import Verdict, find_hosts
from workers.delivery.smtp import Mail, Target
from workers.delivery.targets import Targets
from workers.delivery.ways import Ways
from workers.resolver import Resolver

MX = ("example.net", "MX")
PUBLIC = ["8.8.4.4"]
ALLOW = "127.0.0.0/8"


@pytest.fixture
def lab() -> Iterator[DnsLab]:
    with DnsLab(ttl=1) as found:
        yield found


def direct(**changes: Any) -> Exit:
    facts: dict[str, Any] = {"id": uuid4(), "account_id": None, "kind": "direct", "host": None, "port": None}
    facts |= {"tls": "opportunistic", "username": None, "password": None, "ehlo_name": "mail.example.com"}
    return Exit(**facts | changes)


def verdict_of(lab: DnsLab, domain: str = "example.net") -> Verdict:
    with pytest.raises(Verdict) as caught:
        find_hosts(lab.resolver, domain, ())
    return caught.value


class Direct(Targets):
    """Targets whose source is at hand, without a database."""

    def __init__(self, settings: Settings, way: Exit) -> None:
        super().__init__(settings)
        self._way = way

    def _targets(self, sample: Claimed, optional: bool) -> list[Target]:
        return list(self._ways.of_exit(self._way, "example.net", optional=optional))

    def _mark(self, sample: Claimed, outcomes: Sequence[Outcome]) -> None:
        """Nor is there anybody to tell how it went."""

    def flush(self) -> None:
        """There is no database here."""


def claimed(age: float = 0.0) -> Claimed:
    row = SimpleNamespace(
        source_id=uuid4(),
        recipient_domain="example.net",
        created_at=clock.now() - timedelta(seconds=age),
        lease_epoch=1,
        attempt_no=0,
    )
    return cast(Claimed, SimpleNamespace(id=uuid4(), epoch=1, row=row))


def a_mail(name: str = "m1") -> Mail:
    return Mail(name, "a@example.com", ("b@example.net",), b"Subject: x\r\n\r\nhello\r\n")


def test_01_equal_preference_is_never_shuffled_or_preference_ignored(lab: DnsLab) -> None:
    names = [f"m{n}.example.net" for n in range(4)]
    lab.zone = {MX: [f"10 {name}." for name in names] + ["5 first.example.net."]}
    lab.zone |= {(name, "A"): PUBLIC for name in (*names, "first.example.net")}
    resolver = lab.resolver
    orders = [tuple(host.name for host in find_hosts(resolver, "example.net", ())) for _ in range(40)]
    assert {order[0] for order in orders} == {"first.example.net"}
    assert len({order[1] for order in orders}) > 1


def test_02_a_domain_without_mx_gets_no_mail(lab: DnsLab) -> None:
    lab.zone = {("example.net", "A"): PUBLIC}
    assert [host.name for host in find_hosts(lab.resolver, "example.net", ())] == ["example.net"]


@pytest.mark.parametrize("answer", ["SERVFAIL", "REFUSED"])
def test_03_servfail_falls_back_to_the_address_or_bounces(lab: DnsLab, answer: str) -> None:
    lab.zone = {MX: answer, ("example.net", "A"): PUBLIC}
    found = verdict_of(lab)
    assert (found.outcome.kind, found.question) == ("deferred", True)
    assert ("example.net", "A") not in lab.asked


def test_03_silence_is_taken_for_an_answer(lab: DnsLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.resolver.LIFETIME_SECONDS", 0.3)
    lab.zone = {MX: "SILENCE"}
    assert verdict_of(lab).outcome.kind == "deferred"


def test_03_an_unanswered_question_counts_as_an_attempt(lab: DnsLab) -> None:
    lab.zone = {MX: "SERVFAIL"}
    targets = Direct(lab.settings(), direct())
    [(_, young)] = targets.send(claimed(age=600), [a_mail()], lambda _: True)
    assert (young.kind, young.stage, young.wait_seconds) == ("untried", "dns", pytest.approx(60, abs=2))
    [(_, old)] = targets.send(claimed(age=2 * 86_400), [a_mail()], lambda _: True)
    assert old.kind == "deferred"


def test_04_one_nxdomain_bounces(lab: DnsLab) -> None:
    lab.zone = {MX: InTurn(("NXDOMAIN", ["10 m.example.net."])), ("m.example.net", "A"): PUBLIC}
    assert find_hosts(lab.resolver, "example.net", ())
    lab.zone = {MX: "NXDOMAIN"}
    outcome = verdict_of(lab).outcome
    assert (outcome.kind, outcome.code, outcome.enhanced, outcome.category) == ("bounced", 550, "5.1.2", "bad_domain")


def test_04_the_second_try_asks_the_same_of_two_servers(lab: DnsLab) -> None:
    with DnsLab(zone={MX: ["10 m.example.net."], ("m.example.net", "A"): PUBLIC}) as other:
        lab.zone = {MX: "NXDOMAIN", ("m.example.net", "A"): PUBLIC, ("m.example.net", "AAAA"): []}
        settings = lab.settings()
        both = type(settings)(dns_servers=f"127.0.0.1:{lab.port},127.0.0.1:{other.port}")
        assert find_hosts(Resolver(both), "example.net", ())[0].name == "m.example.net"
        assert MX in other.asked


def test_05_a_null_mx_is_tried_or_suppresses(lab: DnsLab) -> None:
    lab.zone = {MX: ["0 ."], ("example.net", "A"): PUBLIC}
    resolver = lab.resolver
    for _ in range(2):
        with pytest.raises(Verdict) as caught:
            find_hosts(resolver, "example.net", ())
        outcome = caught.value.outcome
        assert (outcome.kind, outcome.code, outcome.enhanced) == ("bounced", 556, "5.1.10")
        assert outcome.category == "bad_domain"
    assert lab.asked == [MX]


def test_06_an_mx_that_is_an_alias_is_refused_or_renamed(lab: DnsLab) -> None:
    lab.zone = {MX: ["10 mx.example.net."], ("mx.example.net", "CNAME"): ["real.example.org."]}
    lab.zone |= {("real.example.org", "A"): PUBLIC}
    [host] = find_hosts(lab.resolver, "example.net", ())
    assert (host.name, host.canonical, host.ips) == ("mx.example.net", "real.example.org", ("8.8.4.4",))


@pytest.mark.parametrize(("address", "enhanced"), [("127.0.0.1", "5.4.6"), ("10.0.0.1", "5.4.4"), ("0.0.0.0", "5.4.6")])
def test_07_mail_goes_to_our_own_or_a_private_address(lab: DnsLab, address: str, enhanced: str) -> None:
    lab.zone = {MX: ["10 in.example.net."], ("in.example.net", "A"): [address]}
    outcome = verdict_of(lab).outcome
    assert (outcome.kind, outcome.enhanced) == ("bounced", enhanced)


def test_07_a_public_address_of_this_machine_is_a_loop(lab: DnsLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mx, "is_own", lambda ip: ip == "8.8.4.4")
    lab.zone = {MX: ["10 me.example.net."], ("me.example.net", "A"): PUBLIC}
    assert verdict_of(lab).outcome.enhanced == "5.4.6"


def test_08_an_mx_without_any_address_bounces(lab: DnsLab) -> None:
    lab.zone = {MX: ["10 gone.example.net."], ("gone.example.net", "A"): "NXDOMAIN"}
    outcome = verdict_of(lab).outcome
    assert (outcome.kind, outcome.code, outcome.enhanced) == ("deferred", 451, "4.4.4")


def test_09_a_domain_with_many_addresses_holds_a_worker(lab: DnsLab) -> None:
    lab.zone = {MX: [f"10 m{n}.example.net." for n in range(9)]}
    lab.zone |= {(f"m{n}.example.net", "A"): [f"8.8.{n}.1", f"8.8.{n}.2"] for n in range(9)}
    assert sum(len(host.ips) for host in find_hosts(lab.resolver, "example.net", ())) == 5


def test_09_a_third_session_is_opened_for_one_attempt(lab: DnsLab) -> None:
    busy = [*hello(), Expect("MAIL", "421 4.3.2 busy"), Drop()]
    with Scripted(busy, busy, [*hello(), *mail()]) as server:
        lab.zone = {MX: ["10 m.example.net."]}
        lab.zone |= {("m.example.net", "A"): ["127.0.0.1", "127.0.0.2", "127.0.0.3"]}
        settings = lab.settings(egress_allow=ALLOW, smtp_remote_port=server.port)
        targets = Direct(settings, direct(tls="none"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("workers.delivery.ways.Target", lambda h, p, ip, **o: Target(h, p, "127.0.0.1", **o))
            [(_, outcome)] = targets.send(claimed(), [a_mail()], lambda _: True)
        assert (outcome.kind, outcome.code, len(server.seen)) == ("deferred", 421, 2)


def test_10_a_ttl_of_a_second_or_a_year_is_believed(lab: DnsLab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.zone = {MX: ["10 m.example.net."]}
    moment, base = [0.0], clock.now()
    for module in ("resolver", "dns_cache"):
        monkeypatch.setattr(f"workers.{module}.now", lambda: base + timedelta(seconds=moment[0]))
    resolver = lab.resolver
    assert resolver.ask("example.net", "MX").seconds == 60
    moment[0] = 59
    resolver.ask("example.net", "MX")
    assert len(lab.asked) == 1
    lab.ttl, moment[0] = 31_536_000, 61
    assert resolver.ask("example.net", "MX").seconds == 86_400
    lab.zone, moment[0] = {MX: "SERVFAIL"}, 61 + 86_401
    stale = resolver.ask("example.net", "MX")
    assert (stale.stale, stale.records) == (True, ("10 m.example.net.",))


def test_11_mail_goes_to_an_address_literal(lab: DnsLab) -> None:
    assert verdict_of(lab, "[192.0.2.1]").outcome.kind == "bounced"
    assert lab.asked == []


def test_12_ipv6_is_used_without_a_confirmed_name(lab: DnsLab) -> None:
    pointer = "1." + "0." * 23 + "0.0.7.4.6.0.6.2.ip6.arpa"
    lab.zone = {MX: ["10 m.example.net."], ("m.example.net", "A"): PUBLIC}
    lab.zone |= {("m.example.net", "AAAA"): ["2606:4700::9"]}
    settings = lab.settings()

    def families(way: Exit) -> set[bool]:
        return {":" in target.ip for target in Ways(settings).of_exit(way, "example.net")}

    assert families(direct()) == {False}
    own = direct(bind_ipv6="2606:4700::1")
    assert families(own) == {False}
    lab.zone |= {(pointer, "PTR"): ["out.example.com."], ("out.example.com", "AAAA"): ["2606:4700::1"]}
    assert families(own) == {True, False}


def test_12_one_family_takes_every_try(lab: DnsLab) -> None:
    lab.zone = {MX: ["10 m.example.net."], ("m.example.net", "A"): [f"8.8.8.{n}" for n in range(5)]}
    lab.zone |= {("m.example.net", "AAAA"): [f"2606:4700::{n}" for n in range(1, 6)]}
    [host] = find_hosts(lab.resolver, "example.net", ())
    assert [":" in ip for ip in host.ips] == [True, False, True, False, True]


def test_15_a_refusing_host_ends_the_attempt(lab: DnsLab) -> None:
    """Line 15 with its addresses: the next one is asked."""
    with Scripted([Say("554 5.7.1 go away"), Drop()], [*hello(), *mail()]) as server:
        lab.zone = {MX: ["10 a.example.net.", "20 b.example.net."]}
        lab.zone |= {(f"{name}.example.net", "A"): ["127.0.0.1"] for name in "ab"}
        targets = Direct(lab.settings(egress_allow=ALLOW, smtp_remote_port=server.port), direct(tls="none"))
        [(_, outcome)] = targets.send(claimed(), [a_mail()], lambda _: True)
        targets._sessions.close_all()
    assert (outcome.kind, outcome.mx) == ("delivered", "b.example.net")
