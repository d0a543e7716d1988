"""Domains against a DNS lab: what is published, half published, wrong, cut, doubled, or not to be known."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from common.config import Settings, read_settings
from common.domain.dkim import ED25519, RSA, make_pair, record
from common.domain.domain_checks import check, proved, seen_selectors
from common.domain.domain_records import Finding, expected_records
from tests.fakes.names import Lab
from workers.scheduler.authorities import Authorities

PLATFORM = "bounces.platform.example"
PAIRS = {algorithm: make_pair(algorithm) for algorithm in (RSA, ED25519)}


@dataclass(frozen=True)
class Key:
    selector: str
    algorithm: str
    public_key: str
    state: str = "pending"


KEYS = [Key("sx1-abc", RSA, PAIRS[RSA].public), Key("sxe1-abc", ED25519, PAIRS[ED25519].public)]
RSA_NAME, ED25519_NAME = "sx1-abc._domainkey.acme.example", "sxe1-abc._domainkey.acme.example"


@pytest.fixture
def lab() -> Iterator[Lab]:
    found = Lab(("127.0.0.1", "127.0.0.2"))
    found.put_zone("acme.example")
    found.put_zone("platform.example")
    found.put(PLATFORM, "MX", "10 in.platform.example.")
    found.put(PLATFORM, "A", "192.0.2.7")
    found.put(PLATFORM, "TXT", "v=spf1 ip4:192.0.2.0/24 -all")
    yield found
    found.close()


def publish(lab: Lab) -> None:
    """Everything as it should be."""
    lab.put(RSA_NAME, "TXT", record(RSA, PAIRS[RSA].public))
    lab.put(ED25519_NAME, "TXT", record(ED25519, PAIRS[ED25519].public))
    lab.put("bounce.acme.example", "CNAME", f"{PLATFORM}.")
    lab.put("_dmarc.acme.example", "TXT", "v=DMARC1; p=none; rua=mailto:d@acme.example")
    lab.put("acme.example", "MX", "10 mail.acme.example.")


def settings_for(lab: Lab) -> Settings:
    servers = f"127.0.0.1:{lab.port}"
    return read_settings(dns_servers=servers, dns_authority_port=lab.port, egress_allow="127.0.0.0/8")


def look(lab: Lab, settings: Settings | None = None, keys: list[Key] | None = None) -> dict[str, Finding]:
    """Findings by purpose; the two DKIM ones as `dkim` and `ed25519`."""
    records = expected_records(
        "acme.example", keys or KEYS, return_path="bounce", bounce_domain=PLATFORM, tracking_domain=""
    )
    found = check("acme.example", records, PLATFORM, Authorities(settings or settings_for(lab)).ask)
    return {"ed25519" if each.name == ED25519_NAME else each.purpose: each for each in found}


def test_a_domain_that_is_right_is_called_wrong(lab: Lab) -> None:
    publish(lab)
    found = look(lab)
    assert {name: each.state for name, each in found.items()} == dict.fromkeys(
        ("dkim", "ed25519", "return_path", "dmarc", "spf", "mx"), "found"
    )
    assert {each.via for each in found.values()} == {"authoritative"}
    assert proved(found.values()) is True
    assert seen_selectors(found.values()) == ["sx1-abc", "sxe1-abc"]
    assert {ip for ip, name, _ in lab.asked if name == RSA_NAME} == {"127.0.0.1", "127.0.0.2"}
    assert not [each for each in found.values() if not each.diagnosis.endswith(".")]


def test_nothing_published_is_called_anything_but_missing(lab: Lab) -> None:
    found = look(lab)
    assert {each.state for each in found.values()} == {"missing"}
    assert all(each.fix.endswith(".") for each in found.values())
    assert "'sx1-abc._domainkey'" in found["dkim"].fix
    assert proved(found.values()) is False


def test_a_record_at_one_server_alone_counts(lab: Lab) -> None:
    publish(lab)
    lab.put(RSA_NAME, "TXT", only=["127.0.0.2"])
    found = look(lab)["dkim"]
    assert (found.state, "ns2.acme.example" in found.diagnosis) == ("partial", True)
    assert proved([found]) is False


def test_an_old_key_at_one_server_hides_that_the_new_one_spreads(lab: Lab) -> None:
    publish(lab)
    lab.put(RSA_NAME, "TXT", record(RSA, make_pair(RSA).public), only=["127.0.0.2"])
    assert look(lab)["dkim"].state == "partial"


def short_key() -> str:
    public = rsa.generate_private_key(65537, 1024).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


GOOD = PAIRS[RSA].public


@pytest.mark.parametrize(
    ("texts", "state", "word"),
    [
        ([f"p={GOOD}; k=rsa; v=DKIM1"], "wrong", "first"),
        ([f"v=DKIM1;k=rsa;t=s;  p={GOOD[:80]} {GOOD[80:]};"], "found", "every name server"),
        ([f"v=DKIM1; t=y; p={GOOD}"], "found", "t=y"),
        ([f"v=DKIM1; p={GOOD[:200]}"], "wrong", "cut"),
        (["v=DKIM1; p="], "wrong", "revoked"),
        ([record(RSA, short_key())], "wrong", "1024"),
        ([record(RSA, make_pair(RSA).public)], "wrong", "another key"),
        ([record(RSA, GOOD), "v=spf1 -all"], "wrong", "2 TXT records"),
        (["hello"], "wrong", "tag"),
    ],
)
def test_a_dkim_record_is_misjudged(lab: Lab, texts: list[str], state: str, word: str) -> None:
    publish(lab)
    lab.put(RSA_NAME, "TXT", *texts)
    found = look(lab)["dkim"]
    assert (found.state, word in found.diagnosis) == (state, True), found.diagnosis


def test_a_key_behind_an_alias_in_another_zone_is_not_found(lab: Lab) -> None:
    publish(lab)
    lab.put(RSA_NAME, "TXT")
    lab.put(RSA_NAME, "CNAME", "k1.platform.example.")
    lab.put("k1.platform.example", "TXT", record(RSA, GOOD))
    assert look(lab)["dkim"].state == "found"
    lab.put("k1.platform.example", "TXT")
    lab.put("k1.platform.example", "CNAME", f"{RSA_NAME}.")
    assert (look(lab)["dkim"].state, "circle" in look(lab)["dkim"].diagnosis) == ("unclear", True)


def test_a_retired_key_that_still_stands_is_fine(lab: Lab) -> None:
    keys = [*KEYS, Key("sx2-abc", RSA, "unused", "retired")]
    assert look(lab, keys=keys)["dkim_retired"].state == "found"
    lab.put("sx2-abc._domainkey.acme.example", "TXT", "v=DKIM1; p=")
    assert look(lab, keys=keys)["dkim_retired"].state == "found"
    lab.put("sx2-abc._domainkey.acme.example", "TXT", record(RSA, GOOD))
    assert look(lab, keys=keys)["dkim_retired"].state == "wrong"


def test_a_flattened_alias_or_records_in_its_place_are_refused(lab: Lab) -> None:
    publish(lab)
    lab.put("bounce.acme.example", "CNAME")
    lab.put("bounce.acme.example", "A", "192.0.2.7")
    assert (look(lab)["return_path"].state, look(lab)["spf"].state) == ("found", "missing")
    lab.put("bounce.acme.example", "A")
    lab.put("bounce.acme.example", "MX", "10 in.platform.example.")
    assert (look(lab)["return_path"].state, "lacks a TXT" in look(lab)["return_path"].diagnosis) == ("wrong", True)
    lab.put("bounce.acme.example", "TXT", f"v=spf1 include:{PLATFORM} ~all")
    found = look(lab)
    assert (found["return_path"].state, found["spf"].state) == ("found", "found")
    lab.put("bounce.acme.example", "MX")
    lab.put("bounce.acme.example", "TXT")
    lab.put("bounce.acme.example", "CNAME", "elsewhere.example.")
    assert (look(lab)["return_path"].state, "elsewhere" in look(lab)["return_path"].diagnosis) == ("wrong", True)


def spf_of(lab: Lab, *records: str) -> Finding:
    publish(lab)
    lab.put("bounce.acme.example", "CNAME")
    lab.put("acme.example", "TXT", *records)
    return look(lab)["spf"]


def test_an_spf_record_that_receivers_cannot_use_is_fine(lab: Lab) -> None:
    for number in range(12):
        lab.put(f"s{number}.acme.example", "TXT", f"v=spf1 ip4:192.0.2.{number} -all")
    many = " ".join(f"include:s{number}.acme.example" for number in range(11))
    ten = many.rpartition(" ")[0]
    assert spf_of(lab, f"v=spf1 {ten} -all").state == "found"
    assert "more than 10" in spf_of(lab, f"v=spf1 {many} -all").diagnosis
    assert "2 SPF records" in spf_of(lab, "v=spf1 -all", "v=spf1 mx -all").diagnosis
    void = spf_of(lab, "v=spf1 a:n1.acme.example a:n2.acme.example exists:n3.acme.example -all")
    assert (void.state, "find nothing" in void.diagnosis) == ("wrong", True)
    assert spf_of(lab, "v=spf1 a:n1.acme.example mx:acme.example -all").state == "found"
    assert "no SPF record" in spf_of(lab, "v=spf1 include:n1.acme.example -all").diagnosis
    assert "no SPF" in spf_of(lab, "v=spf1 ipv4:192.0.2.1 -all").diagnosis
    lab.put("loop.acme.example", "TXT", "v=spf1 include:loop.acme.example -all")
    assert "itself" in spf_of(lab, "v=spf1 include:loop.acme.example -all").diagnosis
    assert spf_of(lab, "v=spf1 redirect=s1.acme.example").state == "found"
    assert spf_of(lab, "google-site-verification=1", "v=spf1 -all").state == "found"


@pytest.mark.parametrize(
    ("name", "texts", "state", "word"),
    [
        ("acme.example", ["v=DMARC1; p=reject; t=y"], "found", "reject in test mode"),
        ("acme.example", ["v=DMARC1;p=quarantine", "other"], "found", "quarantine"),
        ("acme.example", ["v=DMARC1; p=none", "v=DMARC1; p=reject"], "wrong", "several"),
        ("acme.example", ["p=none; v=DMARC1"], "wrong", "begin with"),
        ("acme.example", ["v=DMARC1; p=some"], "wrong", "counts as none"),
        ("acme.example", ["v=DMARC1; rua=mailto:a@acme.example"], "found", "none"),
        ("example", ["v=DMARC1; p=reject; sp=quarantine"], "found", "quarantine, taken from example"),
    ],
)
def test_a_dmarc_record_is_misjudged(lab: Lab, name: str, texts: list[str], state: str, word: str) -> None:
    publish(lab)
    lab.put("_dmarc.acme.example", "TXT")
    lab.put(f"_dmarc.{name}", "TXT", *texts)
    found = look(lab)["dmarc"]
    assert (found.state, word in found.diagnosis) == (state, True), found.diagnosis


def test_a_null_mx_is_fine(lab: Lab) -> None:
    publish(lab)
    lab.put("acme.example", "MX", "0 .")
    assert (look(lab)["mx"].state, "null MX" in look(lab)["mx"].diagnosis) == ("wrong", True)
    lab.put("acme.example", "MX")
    lab.put("acme.example", "A", "192.0.2.1")
    assert look(lab)["mx"].state == "found"


def test_servers_that_fail_are_taken_for_an_absence(lab: Lab) -> None:
    publish(lab)
    lab.broken |= {"127.0.0.1", "127.0.0.2"}
    found = look(lab)
    assert {each.state for each in found.values()} == {"unclear"}
    assert proved(found.values()) is None
    lab.broken.clear()
    lab.lame.add("127.0.0.2")
    lab.put(RSA_NAME, "TXT", only=["127.0.0.2"])
    assert look(lab)["dkim"].state == "found"


@pytest.mark.parametrize("state", ["broken", "silent"])
def test_a_server_that_is_down_holds_everything_up(lab: Lab, state: str) -> None:
    publish(lab)
    getattr(lab, state).add("127.0.0.2")
    assert look(lab)["dkim"].state == "found"
    assert len([ip for ip, _, _ in lab.asked if ip == "127.0.0.2"]) < 20


def test_a_private_name_server_is_asked(lab: Lab) -> None:
    publish(lab)
    lab.asked.clear()
    found = look(lab, replace(settings_for(lab), egress_allow="127.0.0.1/32"))
    assert found["dkim"].state == "found"
    assert not [ip for ip, _, _ in lab.asked if ip == "127.0.0.2"]
    found = look(lab, replace(settings_for(lab), egress_allow=""))
    assert {each.via for each in found.values()} == {"resolver"}
    assert found["dkim"].state == "found"


def test_a_zone_without_name_servers_cannot_be_checked(lab: Lab) -> None:
    publish(lab)
    lab.put("acme.example", "NS")
    assert (look(lab)["dkim"].state, look(lab)["dkim"].via) == ("found", "resolver")
