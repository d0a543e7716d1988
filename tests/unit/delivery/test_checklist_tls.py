"""delivery.md 3.2, lines 26 to 31: which TLS is demanded, what becomes of it, and that its reason is told."""

import hashlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from common.config import read_settings
from common.domain.egress import read_networks
from tests.fakes.certificates import Authority, Leaf, authority, localhost
from tests.fakes.dns_lab import DnsLab, Zone
from tests.fakes.scripted import Drop, Expect, Raw, Scripted, StartTls, Step, hello, mail
from tests.unit.delivery.test_checklist_dns import ALLOW, Direct, a_mail, claimed, direct
from workers.delivery.mx import Verdict
from workers.delivery.smtp import ConnectFailed, Deadlines, Demand, Mail, Target, Tlsa, connect, encryption
from workers.delivery.smtp.certificates import matches, usable
from workers.delivery.sts import MOST_BYTES, Policies, Policy, read_id, read_policy
from workers.delivery.tls import TlsRecords
from workers.delivery.ways import Ways, says_tls_optional

QUICK = Deadlines(connect=2, banner=2, ehlo=2, envelope=2, block=2, dot=2)
MAIL = Mail("m1", "a@example.com", ("b@example.net",), b"Subject: x\r\n\r\nhello\r\n")
MX = ("example.net", "MX")
GOOGLE = "alt1.aspmx.l.google.com"


def encrypted(leaf: Leaf | None = None) -> list[Step]:
    """Greeting, STARTTLS taken up, EHLO again."""
    context = (leaf or localhost()).server_context()
    return [*hello("STARTTLS"), Expect("STARTTLS", "220 go"), StartTls(context), *hello("8BITMIME")[1:]]


BROKEN: list[Step] = [*hello("STARTTLS"), Expect("STARTTLS", "220 go"), Raw(b"this is no TLS at all\r\n"), Drop()]


@pytest.fixture
def lab() -> Iterator[DnsLab]:
    with DnsLab() as found:
        yield found


def zone(host: str = "mx.example.net", **more: Any) -> Zone:
    found: Zone = {MX: [f"10 {host}."], (host, "A"): ["127.0.0.1"]}
    return found | more


def demand_of(lab: DnsLab, host: str = "mx.example.net", **options: Any) -> Demand:
    settings = lab.settings(egress_allow=ALLOW, smtp_remote_port=25)
    lab.zone = zone(host) | lab.zone
    policies = _Fixed(options.pop("policy", None))
    [target] = Ways(settings, policies=policies).of_exit(  # type: ignore[arg-type]
        direct(tls=options.pop("level", "opportunistic")), "example.net", **options
    )
    return target.wanted


class _Fixed:
    def __init__(self, policy: Policy | None) -> None:
        self._policy = policy

    def find(self, _: str) -> tuple[Policy | None, str]:
        return self._policy, "fixed"


def test_26_an_unknown_certificate_stops_opportunistic_mail() -> None:
    with Scripted([*encrypted(Authority("nobody").leaf("elsewhere.example")), *mail()]) as server:
        connection = connect(Target("127.0.0.1", server.port), QUICK)
        [(_, outcome)] = connection.send([MAIL], lambda _: True)
        connection.quit()
    assert (outcome.kind, outcome.tls) == ("delivered", "TLSv1.3")
    assert outcome.tls_reason is not None and outcome.tls_reason.startswith("not verified: ")


def test_26_broken_tls_is_tried_again_at_every_mail() -> None:
    records = TlsRecords(read_settings({}))
    with Scripted(BROKEN, [*hello("STARTTLS"), *mail()], [*hello("STARTTLS"), *mail()]) as server:
        for _ in range(2):
            connection = connect(Target("127.0.0.1", server.port, domain="example.net"), QUICK, records)
            [(_, outcome)] = connection.send([MAIL], lambda _: True)
            connection.quit()
            assert (outcome.kind, outcome.tls) == ("delivered", None)
            assert "TLS with this host failed" in str(outcome.tls_reason)
    assert "remembered for 3 days" in str(outcome.tls_reason)
    assert [seen.lines[1][:8] for seen in server.seen] == ["STARTTLS", "MAIL FRO", "MAIL FRO"]


def test_26_a_temporary_refusal_is_remembered_for_three_days() -> None:
    records = TlsRecords(read_settings({}))
    with Scripted([*hello("STARTTLS"), Expect("STARTTLS", "454 not now")], hello()) as server:
        connect(Target("127.0.0.1", server.port), QUICK, records).quit()
        assert records.broken(Target("127.0.0.1", server.port)) is None


@pytest.mark.parametrize("level", ["encrypted", "required", "dane"])
def test_27_demanded_tls_falls_back(level: str) -> None:
    demand = Demand(level, "asked for", "source", (), (Tlsa(3, 1, 1, bytes(32)),))
    for script in (BROKEN, hello()):
        with Scripted(script, hello()) as server, pytest.raises(ConnectFailed) as caught:
            connect(Target("127.0.0.1", server.port, demand=demand), QUICK, TlsRecords(read_settings({})))
        assert (caught.value.outcome.kind, caught.value.outcome.stage) == ("deferred", "tls")
        assert len(server.seen) == 1


def test_27_google_gets_mail_in_clear(lab: DnsLab) -> None:
    found = demand_of(lab, GOOGLE)
    assert (found.level, found.source) == ("encrypted", "provider")
    assert "google" in found.reason


POLICY = "version: STSv1\r\nmode: enforce\r\nmx: mx.example.net\r\nmx: *.mail.example.net\r\nmax_age: 604800\r\n"


class TestSts:
    """Line 28."""

    @pytest.mark.parametrize(
        ("host", "allowed"),
        [
            ("mx.example.net", True),
            ("MX.example.net.", True),
            ("a.mail.example.net", True),
            ("a.b.mail.example.net", False),
            ("mail.example.net", False),
            ("evil.net", False),
        ],
    )
    def test_28_a_wildcard_stands_for_more_than_one_label(self, host: str, allowed: bool) -> None:
        assert read_policy(POLICY, "1").allows(host) is allowed

    @pytest.mark.parametrize(
        "broken",
        ["", "mode: enforce\nmx: a\nmax_age: 1", POLICY.replace("enforce", "maybe"), POLICY.replace("604800", "-1")],
    )
    def test_28_a_broken_policy_is_read(self, broken: str) -> None:
        with pytest.raises(ValueError):
            read_policy(broken, "1")

    @pytest.mark.parametrize(
        ("records", "found"),
        [
            (['"v=STSv1; id=20260101"'], "20260101"),
            (['"v=STSv1;" " id=2026"'], "2026"),
            (['"v=STSv1; id=1"', '"v=STSv1; id=2"'], None),
            (['"v=spf1 -all"', '"v=STSv1; id=3;"'], "3"),
            (['"v=STSv1; id=no-good"'], None),
        ],
    )
    def test_28_the_id_is_misread(self, records: list[str], found: str | None) -> None:
        assert read_id(records) == found

    def test_28_a_policy_is_fetched_for_every_mail_or_forgotten_when_it_cannot_be(self, lab: DnsLab) -> None:
        with PolicyServer(POLICY) as server:
            self.publish(lab, "1")
            policies = server.policies(lab)
            for _ in range(3):
                found, _ = policies.find("example.net")
                assert found is not None and found.mode == "enforce"
            assert server.asked == ["/.well-known/mta-sts.txt"]
            server.status = 500
            self.publish(lab, "2")
            lab_again = server.policies(lab, policies)
            kept, why = lab_again.find("example.net")
            assert kept is not None and kept.id == "1"
            assert "500" in why

    @pytest.mark.parametrize(
        "changes",
        [
            {"status": 301},
            {"kind": "text/html"},
            {"body": POLICY + "#" * MOST_BYTES},
            {"leaf": Authority("nobody").leaf("mta-sts.example.net")},
            {"leaf": authority().leaf("other.example.net")},
        ],
        ids=["redirect", "html", "large", "untrusted", "other-name"],
    )
    def test_28_a_policy_from_anybody_is_believed(self, lab: DnsLab, changes: dict[str, Any]) -> None:
        with PolicyServer(**({"body": POLICY} | changes)) as server:
            self.publish(lab, "1")
            found, why = server.policies(lab).find("example.net")
        assert found is None
        assert "cannot be fetched" in why

    def test_28_the_fetch_reaches_a_private_address(self, lab: DnsLab) -> None:
        with PolicyServer(POLICY) as server:
            self.publish(lab, "1")
            policies = Policies(
                lab.settings(), lab.resolver, (), port=server.port, context=authority().client_context()
            )
            assert policies.find("example.net")[0] is None
            assert server.asked == []

    def test_28_an_enforced_policy_lets_a_strange_host_or_certificate_pass(self, lab: DnsLab) -> None:
        policy = read_policy(POLICY, "7")
        found = demand_of(lab, policy=policy)
        assert (found.level, found.source) == ("required", "sts")
        assert "7" in found.reason
        lab.zone = {}
        with pytest.raises(Verdict) as caught:
            demand_of(lab, "evil.example.org", policy=policy)
        assert (caught.value.outcome.kind, caught.value.outcome.category) == ("deferred", "tls")

    def test_28_a_tested_policy_stops_mail(self, lab: DnsLab) -> None:
        found = demand_of(lab, "evil.example.org", policy=read_policy(POLICY.replace("enforce", "testing"), "7"))
        assert (found.level, found.source) == ("opportunistic", "sts-testing")

    @staticmethod
    def publish(lab: DnsLab, policy_id: str) -> None:
        lab.zone[("_mta-sts.example.net", "TXT")] = [f'"v=STSv1; id={policy_id};"']
        lab.zone[("mta-sts.example.net", "A")] = ["127.0.0.1"]


class PolicyServer:
    """HTTPS on loopback that serves one policy file, or something like it."""

    def __init__(
        self, body: str, status: int = 200, kind: str = "text/plain; charset=utf-8", leaf: Leaf | None = None
    ) -> None:
        self.body, self.status, self.kind = body, status, kind
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                data = outer.body.encode()
                self.send_response(outer.status)
                self.send_header("Location", "https://mta-sts.example.net/elsewhere")
                self.send_header("Content-Type", outer.kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        context = (leaf or authority().leaf("mta-sts.example.net")).server_context()
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        self._server.serve_forever(0.01)

    def policies(self, lab: DnsLab, known: Policies | None = None) -> Policies:
        made = Policies(
            lab.settings(),
            lab.resolver,
            read_networks(ALLOW),
            port=self.port,
            context=authority().client_context(),
        )
        if known is not None:
            made._shelf = known._shelf
        return made

    def __enter__(self) -> "PolicyServer":
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


def spki(leaf: x509.Certificate) -> bytes:
    return leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def tlsa(usage: int, selector: int, matching: int, data: bytes) -> str:
    digest = {0: data, 1: hashlib.sha256(data).digest(), 2: hashlib.sha512(data).digest()}[matching]
    return f"{usage} {selector} {matching} {digest.hex()}"


class TestDane:
    """Line 29."""

    NAME = "_25._tcp.mx.example.net"

    def publish(self, lab: DnsLab, *records: str, answer: str = "") -> None:
        lab.zone[(self.NAME, "TLSA")] = answer or list(records)
        lab.all_secure = True

    def test_29_an_unsigned_zone_binds_mail(self, lab: DnsLab) -> None:
        self.publish(lab, tlsa(3, 1, 1, b"x"))
        lab.all_secure = False
        assert demand_of(lab).level == "opportunistic"
        lab.secure = {"example.net", "mx.example.net"}
        assert demand_of(lab).level == "opportunistic"

    def test_29_the_ad_bit_of_a_far_resolver_is_believed(self, lab: DnsLab) -> None:
        assert not lab.resolver._is_trusted("192.0.2.53")
        assert lab.resolver._is_trusted("127.0.0.1")
        trusting = type(lab.resolver)(lab.settings(dns_trusted=True))
        assert trusting._is_trusted("192.0.2.53")

    def test_29_usable_records_are_ignored_or_sts_goes_first(self, lab: DnsLab) -> None:
        self.publish(lab, tlsa(3, 1, 1, b"x"), tlsa(2, 0, 2, b"y"), "0 0 1 " + "00" * 32)
        found = demand_of(lab, policy=read_policy(POLICY, "7"))
        assert (found.level, found.source, len(found.tlsa)) == ("dane", "dane", 2)

    def test_29_unusable_records_allow_mail_in_clear(self, lab: DnsLab) -> None:
        self.publish(lab, "1 1 1 " + "00" * 32, "3 1 9 00")
        assert demand_of(lab).level == "encrypted"

    def test_29_an_unanswered_question_lets_mail_go_unprotected(self, lab: DnsLab) -> None:
        self.publish(lab, answer="SERVFAIL")
        with pytest.raises(Verdict) as caught:
            demand_of(lab)
        assert (caught.value.outcome.kind, caught.value.question) == ("deferred", True)

    @pytest.mark.parametrize("absent", ["NXDOMAIN", ""])
    def test_29_an_absent_record_binds_mail(self, lab: DnsLab, absent: str) -> None:
        self.publish(lab, answer=absent)
        assert demand_of(lab).level == "opportunistic"

    @pytest.mark.parametrize(
        ("usage", "selector", "matching", "of"),
        [(3, 1, 1, "leaf"), (3, 0, 2, "leaf"), (3, 1, 0, "leaf"), (2, 0, 1, "issuer"), (2, 1, 2, "issuer")],
    )
    def test_29_a_matching_certificate_is_refused(self, usage: int, selector: int, matching: int, of: str) -> None:
        own = Authority("dane")
        leaf = own.leaf("localhost")
        certificate = leaf.certificate if of == "leaf" else own.certificate
        data = spki(certificate) if selector else certificate.public_bytes(Encoding.DER)
        digest = {0: data, 1: hashlib.sha256(data).digest(), 2: hashlib.sha512(data).digest()}[matching]
        demand = Demand("dane", "TLSA records", "dane", ("localhost",), (Tlsa(usage, selector, matching, digest),))
        with Scripted([*encrypted(leaf), *mail()]) as server:
            connection = connect(Target("localhost", server.port, "127.0.0.1", demand=demand), QUICK)
            [(_, outcome)] = connection.send([MAIL], lambda _: True)
            connection.quit()
        assert outcome.kind == "delivered"
        assert str(outcome.tls_reason).startswith("verified: ")

    def test_29_a_strange_certificate_passes(self) -> None:
        own, other = Authority("dane"), Authority("other")
        leaf = own.leaf("mx.example.net")
        chain = [leaf.der, own.der]
        anchor = Tlsa(2, 0, 1, hashlib.sha256(own.der).digest())
        assert matches(chain, [anchor], ["mx.example.net"]) is None
        assert "not for" in str(matches(chain, [anchor], ["evil.example.net"]))
        assert "do not lead" in str(matches([other.leaf("mx.example.net").der, own.der], [anchor], ["mx.example.net"]))
        assert "expired" in str(
            matches([own.leaf("mx.example.net", days=-1).der, own.der], [anchor], ["mx.example.net"])
        )
        assert "no certificate" in str(matches(chain, [Tlsa(3, 1, 1, bytes(32))], ["mx.example.net"]))
        assert not usable(Tlsa(3, 1, 1, b"short"))
        demand = Demand("dane", "TLSA records", "dane", (), (Tlsa(3, 1, 1, bytes(32)),))
        with Scripted(encrypted()[:-1], hello()) as server, pytest.raises(ConnectFailed) as caught:
            connect(Target("localhost", server.port, "127.0.0.1", demand=demand), QUICK)
        assert caught.value.outcome.stage == "tls"


def test_30_nobody_counts_how_tls_went() -> None:
    records = TlsRecords(read_settings({}))
    expired = authority().leaf("localhost", days=-1)
    demand = Demand("required", "policy", "sts")
    context = authority().client_context()
    with pytest.MonkeyPatch.context() as patch, Scripted(encrypted(), encrypted(expired), hello()) as server:
        patch.setattr(encryption, "context_for", lambda verified: context)
        target = Target("localhost", server.port, "127.0.0.1", demand=demand, domain="example.net")
        connect(target, QUICK, records).quit()
        with pytest.raises(ConnectFailed):
            connect(target, QUICK, records)
        connect(Target("127.0.0.1", server.port, domain="example.net"), QUICK, records).quit()
    found = sorted((each.policy_type, each.kind, each.count) for each in records.take())
    assert found == [
        ("no-policy-found", "starttls-not-supported", 1),
        ("sts", "certificate-expired", 1),
        ("sts", "success", 1),
    ]
    assert records.take() == []


def test_31_old_tls_is_spoken() -> None:
    assert encryption.context_for(False).minimum_version == ssl.TLSVersion.TLSv1_2
    assert encryption.context_for(True).minimum_version == ssl.TLSVersion.TLSv1_2


def test_31_another_name_is_asked_for_and_a_session_never_resumed() -> None:
    context, names = localhost().server_context(), []
    context.sni_callback = lambda _, name, __: names.append(name)
    steps = [*hello("STARTTLS"), Expect("STARTTLS", "220 go"), StartTls(context), *hello("8BITMIME")[1:], *mail()]
    reused = []
    with Scripted(steps, steps) as server:
        for _ in range(2):
            connection = connect(Target("localhost", server.port, "127.0.0.1", key="resumed"), QUICK)
            connection.send([MAIL], lambda _: True)
            reused.append(connection._channel._sock.session_reused)  # type: ignore[attr-defined]
            connection.quit()
    assert names == ["localhost"] * 2
    assert reused == [False, True]


def test_25_tls_required_no_is_not_respected(lab: DnsLab) -> None:
    """RFC 8689's header, line 25: the mail says that getting through matters more."""
    assert says_tls_optional(b"Subject: x\r\nTLS-Required: No\r\n\r\nbody")
    assert not says_tls_optional(b"Subject: x\r\n\r\nTLS-Required: yes\r\n")
    found = demand_of(lab, "evil.example.org", policy=read_policy(POLICY, "7"), optional=True)
    assert (found.level, found.source) == ("opportunistic", "message")


def test_the_reason_is_missing_from_the_attempt(lab: DnsLab) -> None:
    with Scripted([*encrypted(), *mail()]) as server:
        lab.zone = zone()
        targets = Direct(lab.settings(egress_allow=ALLOW, smtp_remote_port=server.port), direct())
        [(_, outcome)] = targets.send(claimed(), [a_mail()], lambda _: True)
        targets._sessions.close_all()
    assert outcome.tls_reason == "not verified: TLS if the server offers it, certificate not checked"
    assert any(outcome.tls_reason in line for _, _, line in outcome.transcript)
