"""Signatures: the same every time, over the right fields, never with a weak key. Peers: tests/integration."""

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from common.domain.dkim import ED25519, RSA, load_private, make_pair, parse_tags, read_record, record
from common.domain.mime import Attachment, Letter, build
from workers.delivery.dkim import OVERSIGNED, SIGNED, SigningKey, relaxed_body, sign

LETTER = Letter(
    message_id="msg_01k6z3v5e8f9g0h1j2k3m4n5p6",
    message_id_domain="example.com",
    created_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
    sender=("Example", "no-reply@example.com"),
    recipient=("Anna", "anna@example.net"),
    subject="Hello",
    text="Hello.\n",
)
PAIRS = {algorithm: make_pair(algorithm) for algorithm in (RSA, ED25519)}
KEYS = [
    SigningKey("example.com", "sx1-abc", load_private(PAIRS[RSA].private)),
    SigningKey("example.com", "sxe1-abc", load_private(PAIRS[ED25519].private)),
]


def signatures(source: bytes) -> list[dict[str, str]]:
    """The tags of each signature, without white space."""
    found = re.findall(rb"DKIM-Signature:((?:[^\r\n]|\r\n\t)*)\r\n", source)
    return [parse_tags("".join(each.decode().split())) for each in found]


def test_a_retry_signs_other_bytes() -> None:
    source = build(LETTER)
    assert sign(source, KEYS, 1772600767) == sign(source, KEYS, 1772600767)
    assert sign(source, KEYS, 1772600767).endswith(source)


def test_a_signature_lacks_what_it_must_say() -> None:
    [rsa_tags, ed25519_tags] = signatures(sign(build(LETTER), KEYS, 1772600767))
    assert (rsa_tags["a"], ed25519_tags["a"]) == (RSA, ED25519)
    for tags in (rsa_tags, ed25519_tags):
        assert (tags["v"], tags["c"], tags["d"], tags["t"]) == ("1", "relaxed/relaxed", "example.com", "1772600767")
        assert "l" not in tags


def test_a_header_can_be_added_or_changed_unnoticed() -> None:
    headers = {
        name: "x"
        for name in ("List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Feedback-ID", "CFBL-Address",
                     "In-Reply-To", "References")
    }  # fmt: skip
    letter = replace(LETTER, headers=headers, cc=[(None, "c@example.org")], reply_to=[(None, "r@example.org")])
    source = build(letter)
    names = signatures(sign(source, KEYS, 1))[0]["h"].lower().split(":")
    present = [line.partition(b":")[0].decode().lower() for line in re.sub(rb"\r\n[ \t]", b" ", source).split(b"\r\n")]
    for name in (each.lower() for each in SIGNED):
        assert names.count(name) == present[: present.index("")].count(name) + (name in OVERSIGNED), name
    assert not {"received", "return-path", "bcc", "dkim-signature"} & set(names)


def test_signature_lines_are_folded_badly() -> None:
    head = sign(build(LETTER), KEYS, 1).partition(b"From: ")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 78
    assert all(line[:1] in (b"\t", b"D") for line in head.split(b"\r\n")[:-1])


@given(
    st.lists(
        st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"  ", b" \r\n", b"\r\n\r\n", b"x" * 80, b"."]), max_size=40
    ).map(b"".join)
)
def test_a_body_is_relaxed_otherwise_than_by_dkimpy(body: bytes) -> None:
    assert relaxed_body(body) == dkimpy.canonicalization.Relaxed.canonicalize_body(body)


def test_a_mail_without_end_of_header_is_signed() -> None:
    with pytest.raises(ValueError, match="header"):
        sign(b"From: a@example.com\r\n", KEYS, 1)


def test_no_keys_change_the_mail() -> None:
    assert sign(build(LETTER), [], 1) == build(LETTER)


def test_an_attachment_breaks_the_signature() -> None:
    letter = replace(LETTER, attachments=[Attachment("a b.bin", "a/b", bytes(range(256)) * 20)], text="a \t b\n\n\n")
    records = {b"sx1-abc._domainkey.example.com.": record(RSA, PAIRS[RSA].public).encode()}
    assert dkimpy.verify(sign(build(letter), KEYS[:1], 1), dnsfunc=lambda name, timeout=5: records[name])  # noqa: ARG005


def test_a_short_key_signs() -> None:
    key = rsa.generate_private_key(65537, 1024)
    with pytest.raises(ValueError, match="1024 bits"):
        load_private(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    other = ec.generate_private_key(ec.SECP256R1())
    for bad in (b"", b"junk", other.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())):
        with pytest.raises(ValueError):
            load_private(bad)


def short_record() -> str:
    public = rsa.generate_private_key(65537, 1024).public_key()
    return record(RSA, base64.b64encode(
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode())  # fmt: skip


GOOD = PAIRS[RSA].public


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (record(RSA, GOOD), ""),
        (f"v=DKIM1;p={GOOD[:100]} {GOOD[100:]} ; k=rsa;t=s;n=note", ""),
        (f"p={GOOD}", ""),
        (record(ED25519, PAIRS[ED25519].public), ""),
        ("v=DKIM1; k=rsa; p=", "revoked"),
        (f"k=rsa; v=DKIM1; p={GOOD}", "first"),
        (f"v=DKIM1; p={GOOD[:-40]}", "cut"),
        ("v=DKIM1; p=%%%", "base64"),
        (f"v=DKIM1; k=rsa; k=rsa; p={GOOD}", "twice"),
        ("v=DKIM1; k=rsa", "no p="),
        (f"v=DKIM1; h=sha1; p={GOOD}", "sha256"),
        (f"v=DKIM1; s=other; p={GOOD}", "e-mail"),
        (f"v=DKIM1; k=dsa; p={GOOD}", "unknown"),
        ("v=DKIM1; k=ed25519; p=AAAA", "32 bytes"),
        (short_record(), "1024 bits"),
        ("just text", "no value"),
    ],
    ids=lambda value: value[:20],  # the keys differ from process to process, and names must not
)
def test_a_record_is_read_wrong(text: str, fault: str) -> None:
    found = read_record(text)
    assert fault in found.fault and bool(fault) == bool(found.fault)
    if not fault:
        assert found.public in (GOOD, PAIRS[ED25519].public)
