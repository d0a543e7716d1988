"""The guard of outgoing URLs (threats A1, F4): addresses, names that lead to them, or change their mind."""

import socket
import threading
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from common.domain.egress import Refused, may_reach, read_networks, read_url, refusal, to_ascii_host
from tests.fakes.dns_lab import DnsLab, InTurn
from tests.fakes.receiver import FakeReceiver
from workers.guard import Blocked, Guard, make_guard
from workers.pinned import Pinned, Timings, connect
from workers.resolver import NoName
from workers.webhooks.sender import Endpoint, Sender

REFUSED = (
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.9.9",
    "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:0:7f00:1", "::5efe:7f00:1", "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1", "100::1", "2001::7f00:1", "2001:db8::1", "2002:7f00:1::1", "3fff::1", "5f00::1", "fc00::1",
    "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "8.8.8.8", "151.101.1.140", "2606:4700::1111", "2a00:1450:4001:80b::200e")


def lookup(answers: dict[str, list[str]]) -> Callable[[str, str], list[str]]:
    def look_up(name: str, kind: str) -> list[str]:
        found = [each for each in answers.get(name, []) if (":" in each) == (kind == "AAAA")]
        if not found:
            raise NoName(name)
        return found

    return look_up


def word(guard: Guard, url: str, *, plain: bool = False) -> str:
    try:
        guard.admit(url, plain=plain)
    except Blocked as error:
        return error.word
    return "admitted"


@pytest.mark.parametrize("address", REFUSED)
def test_a_refused_address_is_admitted(address: str) -> None:
    """As a literal, as the only record, and beside a public one of either family, first and last."""
    host = f"[{address}]" if ":" in address else address
    answers = {
        "alone.example": [address],
        "first.example": [address, *PUBLIC],
        "last.example": [*PUBLIC, address],
    }
    guard = Guard(lookup(answers), ())
    assert not may_reach(address, ())
    assert word(guard, f"https://{host}/x") == "blocked_address"
    assert refusal(read_url(f"https://{host}/x"), (), plain=False) is not None
    for name in answers:
        assert word(guard, f"https://{name}/x") == "blocked_address"


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_refused(address: str) -> None:
    guard = Guard(lookup({"good.example": [address]}), ())
    assert guard.admit("https://good.example/x").addresses == (address,)


@pytest.mark.parametrize(
    "url",
    [
        "https://0x7f.1/",
        "https://2130706433/",
        "https://017700000001/",
        "https://127.1/",
        "https://127.0.0.1.0x1/",
        "https://localhost/",
        "https://printer.local/",
        "https://metadata.google.internal/",
        "https://x.localhost/",
        "https://x.onion/",
        "https://[fe80::1%25eth0]/",
        "https://user@good.example/",
        "https://good.example/#x",
        "https://good.example:22/",
        "https://good.example:6379/",
        "https://good.example:2375/",
        "ftp://good.example/",
        "https:///x",
        "https://good.example\\@127.0.0.1/",
        "https://127.0.0.1%2f@good.example/",
        "https://good.example:0/",
        "http://good.example/",
    ],
)
def test_a_form_of_url_slips_through(url: str) -> None:
    guard = Guard(lookup({"good.example": ["1.1.1.1"]}), ())
    assert word(guard, url) in ("blocked_url", "blocked_address"), url


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://bücher.example/hook?x=1", "https://xn--bcher-kva.example/hook?x=1"),
        ("https://BÜCHER.example:8443/", "https://xn--bcher-kva.example:8443/"),
        ("https://例え。テスト/x", "https://xn--r8jz45g.xn--zckzah/x"),
        ("https://１２７.０.０.１/x", "https://127.0.0.1/x"),
        ("https://good.example/ü", "https://good.example/ü"),
    ],
)
def test_an_international_name_is_called_by_another(url: str, kept: str) -> None:
    assert to_ascii_host(url) == kept


@pytest.mark.parametrize(
    "url", ["https://a\u202eb.example/", "https://ｇood。.example/", "https://\u00ad/", "https://☃.example/"]
)
def test_a_name_with_what_nobody_sees_passes(url: str) -> None:
    with pytest.raises(Refused):
        read_url(to_ascii_host(url))


def test_metadata_is_reached_because_the_operator_allows_everything() -> None:
    guard = Guard(lookup({"m.example": ["169.254.169.254"]}), read_networks("0.0.0.0/0,::/0"))
    for url in ("https://m.example/", "http://169.254.169.254/latest", "http://[fd00:ec2::254]/"):
        assert word(guard, url) == "blocked_address"


def test_the_operators_own_network_cannot_be_reached() -> None:
    guard = Guard(lookup({"hooks.example": ["10.0.0.7"]}), read_networks("10.0.0.0/8,127.0.0.0/8,::1/128"))
    assert guard.admit("http://hooks.example:8080/x").addresses == ("10.0.0.7",)
    assert "127.0.0.1" in guard.admit("http://localhost:9000/x").addresses
    assert word(guard, "https://192.168.0.1/") == "blocked_address"
    assert word(Guard(lookup({"x.example": ["1.1.1.1"]}), read_networks("10.0.0.0/8")), "http://x.example/") == (
        "blocked_url"
    )


def test_http_in_the_test_environment_is_refused() -> None:
    assert word(Guard(lookup({"x.example": ["1.1.1.1"]}), ()), "http://x.example/", plain=True) == "admitted"


@pytest.mark.parametrize("text", ["https://exa mple.com/", "https://[::1/", "https://example.com:99999/", "//x", ""])
def test_what_is_no_url_raises_something_else(text: str) -> None:
    with pytest.raises(Refused):
        read_url(text)


@pytest.fixture
def lab() -> Iterator[DnsLab]:
    with DnsLab() as found:
        yield found


def test_a_name_changes_its_mind_between_check_and_connection(lab: DnsLab) -> None:
    """Rebinding: the second question would be answered with loopback, where somebody listens. Nobody asks it."""
    with FakeReceiver() as receiver:
        name = "rebind.example"
        lab.zone = {(name, "A"): InTurn((["198.41.0.4"], ["127.0.0.1"]))}
        guard = make_guard(lab.settings())
        admitted = guard.admit(f"http://{name}:{receiver.port}/", plain=True)
        assert admitted.addresses == ("198.41.0.4",)
        assert [question for question in lab.asked if question[1] == "A"] == [(name, "A")]
        lab.zone = {(name, "A"): ["127.0.0.1"]}
        fresh = make_guard(lab.settings())
        sender = Sender(lab.settings(), fresh)
        answered = sender.post(Endpoint(uuid4(), f"http://{name}:{receiver.port}/", (), plain=True), "evt", b"{}", {})
        assert (answered.error, answered.response, receiver.connections) == ("blocked_address", None, 0)


def test_a_kept_connection_outlives_the_check_of_its_address() -> None:
    """The name moves away: what was connected to the old address is not used again."""
    with FakeReceiver() as receiver:
        answers = {"moving.example": ["127.0.0.1"]}
        guard = Guard(lookup(answers), read_networks("127.0.0.0/8"))
        settings = DnsLab().settings()
        sender = Sender(settings, guard)
        endpoint = Endpoint(uuid4(), f"http://moving.example:{receiver.port}/", ())
        assert sender.post(endpoint, "evt", b"{}", {}).ok
        assert sender.post(endpoint, "evt", b"{}", {}).ok and receiver.connections == 1
        answers["moving.example"] = ["127.0.0.1", "10.0.0.1"]
        assert sender.post(endpoint, "evt", b"{}", {}).error == "blocked_address"
        answers["moving.example"] = ["127.0.0.2"]
        assert sender.post(endpoint, "evt", b"{}", {}).error == "connection" and receiver.connections == 1


def test_a_proxy_from_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeReceiver() as receiver, FakeReceiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        sender = Sender(DnsLab().settings(egress_allow="127.0.0.0/8"))
        assert sender.post(Endpoint(uuid4(), receiver.url, ()), "evt", b"{}", {}).ok
        assert proxy.connections == 0


def test_the_second_address_is_not_tried() -> None:
    with FakeReceiver() as receiver:
        guard = Guard(lookup({"two.example": ["127.9.9.9", "127.0.0.1"]}), read_networks("127.0.0.0/8"))
        admitted = guard.admit(f"http://two.example:{receiver.port}/")
        found: Pinned = connect(admitted, None, 1e12, Timings())
        assert found.ip == "127.0.0.1"
        found.close()


class Drip:
    """A server that answers one byte at a time, for ever, or with a body that never ends."""

    def __init__(self, first: bytes, then: bytes) -> None:
        self._first, self._then = first, then
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/"
        self.sent = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
                connection.recv(65536)
                connection.sendall(self._first)
                while True:
                    connection.sendall(self._then)
                    self.sent += len(self._then)
                    threading.Event().wait(0.05 if len(self._then) == 1 else 0)
            except OSError:
                if self._server.fileno() < 0:
                    return

    def close(self) -> None:
        self._server.close()


@pytest.mark.parametrize(
    ("first", "then", "error"),
    [(b"HTTP/1.1 200 OK\r\nx: ", b"y", "timeout"), (b"", b"H", "timeout"), (b"nonsense\r\n\r\n", b"x", "connection")],
)
def test_an_answer_drips_past_the_deadline(first: bytes, then: bytes, error: str) -> None:
    drip = Drip(first, then)
    sender = Sender(DnsLab().settings(egress_allow="127.0.0.0/8"))
    answered = sender.post(Endpoint(uuid4(), drip.url, ()), "evt", b"{}", {}, seconds=0.4)
    drip.close()
    assert answered.error == error
    assert answered.timings.total is not None and answered.timings.total < 1500


def test_an_answer_without_end_is_read_to_its_end() -> None:
    drip = Drip(b"HTTP/1.1 200 OK\r\n\r\n", b"z" * 65536)
    sender = Sender(DnsLab().settings(egress_allow="127.0.0.0/8"))
    answered = sender.post(Endpoint(uuid4(), drip.url, ()), "evt", b"{}", {}, seconds=5)
    drip.close()
    assert answered.ok and answered.response == "z" * 1000 and drip.sent < 20_000_000
