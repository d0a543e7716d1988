"""Hosts of a recipient's domain, from zones that are absent, broken or hostile."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

import pytest

from common import clock
from common.domain.egress import read_networks
from tests.fakes.dns_lab import DnsLab, InTurn, Zone
from workers.delivery.mx import MOST_ADDRESSES, Verdict, find_hosts
from workers.resolver import NoAnswer, NoName, Unclear, read_servers

Server = DnsLab


@pytest.fixture
def server() -> Iterator[Server]:
    with DnsLab(ttl=1) as found:
        yield found


def hosts(
    server: Server, zone: Mapping[tuple[str, str], list[str] | str | InTurn], allowed: str = ""
) -> list[tuple[str, int]]:
    server.zone = dict(zone)
    found = find_hosts(server.resolver, "example.net", read_networks(allowed))
    return [(each.name, len(each.ips)) for each in found]


def verdict(
    server: Server, zone: Mapping[tuple[str, str], list[str] | str | InTurn]
) -> tuple[str, int | None, str | None]:
    with pytest.raises(Verdict) as caught:
        hosts(server, zone)
    outcome = caught.value.outcome
    assert outcome.stage == "dns"
    return outcome.kind, outcome.code, outcome.enhanced


MX, PUBLIC = ("example.net", "MX"), ["8.8.4.4"]


def test_hosts_come_out_of_order(server: Server) -> None:
    zone = {MX: ["20 second.example.net.", "10 First.example.net."]}
    addresses = {
        ("first.example.net", "A"): PUBLIC,
        ("second.example.net", "A"): PUBLIC,
        ("first.example.net", "AAAA"): ["2606:4700::1"],
    }
    assert hosts(server, zone | addresses) == [("first.example.net", 2), ("second.example.net", 1)]


def test_equal_hosts_are_always_asked_in_the_same_order(server: Server) -> None:
    names = [f"m{n}.example.net" for n in range(5)]
    zone: Zone = {MX: [f"10 {name}." for name in names]} | {(name, "A"): PUBLIC for name in names}
    server.zone = zone
    resolver = server.resolver
    firsts = {find_hosts(resolver, "example.net", ())[0].name for _ in range(60)}
    assert len(firsts) > 1


def test_a_domain_names_a_hundred_hosts(server: Server) -> None:
    names = [f"m{n}.example.net" for n in range(30)]
    assert (
        len(hosts(server, {MX: [f"10 {name}." for name in names]} | {(name, "A"): PUBLIC for name in names}))
        == MOST_ADDRESSES
    )


def test_a_domain_without_mx_has_its_own_address(server: Server) -> None:
    assert hosts(server, {("example.net", "A"): PUBLIC}) == [("example.net", 1)]


def test_a_null_mx_is_tried_at_the_address(server: Server) -> None:
    assert verdict(server, {MX: ["0 ."], ("example.net", "A"): PUBLIC}) == ("bounced", 556, "5.1.10")


def test_a_domain_does_not_exist(server: Server) -> None:
    assert verdict(server, {MX: "NXDOMAIN"}) == ("bounced", 550, "5.1.2")
    assert server.asked == [MX, MX]


def test_one_nxdomain_bounces(server: Server) -> None:
    zone = {MX: InTurn(("NXDOMAIN", ["10 m.example.net."])), ("m.example.net", "A"): PUBLIC}
    assert hosts(server, zone) == [("m.example.net", 1)]
    assert verdict(server, {MX: InTurn(("NXDOMAIN", "SERVFAIL"))}) == ("deferred", None, "4.4.3")


def test_servfail_bounces_or_falls_back_to_the_address(server: Server) -> None:
    assert verdict(server, {MX: "SERVFAIL", ("example.net", "A"): PUBLIC}) == ("deferred", None, "4.4.3")


def test_an_mx_without_any_address_bounces(server: Server) -> None:
    assert verdict(server, {MX: ["10 gone.example.net."]})[0] == "deferred"


PRIVATE = ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"]
PRIVATE_6 = [
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
]


@pytest.mark.parametrize("address", PRIVATE + PRIVATE_6)
def test_an_mx_points_into_our_own_network(server: Server, address: str) -> None:
    zone: Zone = {MX: ["10 inside.example.net."], ("inside.example.net", "AAAA" if ":" in address else "A"): [address]}
    kind, code, enhanced = verdict(server, zone)
    assert (kind, code) == ("bounced", 550)
    assert enhanced == ("5.4.6" if address in ("127.0.0.1", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1") else "5.4.4")


def test_a_private_host_hides_a_public_one(server: Server) -> None:
    zone: Zone = {MX: ["10 in.example.net.", "20 out.example.net."], ("in.example.net", "A"): ["10.0.0.1"]}
    assert hosts(server, zone | {("out.example.net", "A"): PUBLIC}) == [("out.example.net", 1)]


def test_a_private_host_beside_an_unclear_one_bounces(server: Server) -> None:
    zone: Zone = {MX: ["10 in.example.net.", "20 out.example.net."], ("in.example.net", "A"): ["10.0.0.1"]}
    assert verdict(server, zone | {("out.example.net", "A"): "SERVFAIL"})[0] == "deferred"


def test_an_allowed_private_host_is_refused(server: Server) -> None:
    zone: Zone = {MX: ["10 in.example.net."], ("in.example.net", "A"): ["127.0.0.1"]}
    assert hosts(server, zone, "127.0.0.0/8") == [("in.example.net", 1)]


def test_a_short_ttl_asks_every_time(server: Server) -> None:
    server.zone = {MX: ["10 m.example.net."], ("m.example.net", "A"): PUBLIC}
    resolver = server.resolver
    for _ in range(3):
        find_hosts(resolver, "example.net", ())
    assert sorted(server.asked) == [MX, ("m.example.net", "A"), ("m.example.net", "AAAA")]


@pytest.mark.parametrize(("found", "error"), [("NXDOMAIN", NoName), ([], NoAnswer), ("SERVFAIL", Unclear)])
def test_absence_and_silence_are_confused(server: Server, found: list[str] | str, error: type[Exception]) -> None:
    server.zone = {MX: found}
    resolver = server.resolver
    for _ in range(2):
        with pytest.raises(error):
            resolver.look_up("example.net", "MX")


@pytest.mark.parametrize("before", [["10 m.example.net."], "NXDOMAIN"], ids=["stale", "stale-absence"])
def test_servfail_forgets_what_was_known_or_keeps_an_absence(
    server: Server, before: list[str] | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.zone = {MX: before}
    resolver, now = server.resolver, [0.0]
    base = clock.now()
    for module in ("resolver", "dns_cache"):
        monkeypatch.setattr(f"workers.{module}.now", lambda: base + timedelta(seconds=now[0]))
    try:
        resolver.look_up("example.net", "MX")
    except NoName:
        pass
    now[0], server.zone = 3600.0, {MX: "SERVFAIL"}
    if isinstance(before, list):
        assert resolver.look_up("example.net", "MX") == before
    else:
        with pytest.raises(Unclear):
            resolver.look_up("example.net", "MX")


def test_a_server_list_is_misread() -> None:
    assert read_servers("192.0.2.1, 192.0.2.2:5353,[2001:db8::1]:54,2001:db8::2") == [
        ("192.0.2.1", 53),
        ("192.0.2.2", 5353),
        ("2001:db8::1", 54),
        ("2001:db8::2", 53),
    ]
