"""A thousand mails held against other people's parsers and verifiers: same headers, same content, valid signatures."""

import base64
import email
import email.policy
import hashlib
import json
import queue
import random
import shutil
import smtplib
import subprocess
import sys
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from itertools import zip_longest
from pathlib import Path
from typing import Any

import dkim as dkimpy
import pytest
from aiosmtpd.controller import Controller
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from common.domain.dkim import ALGORITHMS, load_private, make_pair, record
from common.domain.mime import Letter, build
from deploy.ports import settle_ports
from tests.bench import postfix
from tests.letters import a_letter
from tests.unit.delivery.test_mime_reread import BREAKS, INJECTIONS, LINE_ENDS_OF_SOME, PLAIN
from workers.delivery.dkim import SigningKey, sign

COUNT, HOPS = 1000, 50
GUESSED = "application/octet-stream"
PEERS = Path(__file__).parents[1] / "peers"

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (PEERS / "node_modules" / "mailauth").exists(),
    reason="Node's mailauth and mailparser are not installed: run `npm ci` in tests/peers",
)
needs_opendkim = pytest.mark.skipif(
    shutil.which("opendkim", path="/usr/sbin:/usr/bin") is None, reason="OpenDKIM is not installed (apt: opendkim)"
)


@dataclass(frozen=True)
class Mails:
    """`letters` and the signed mails made of them, also as files in `folder`, beside the DNS they need."""

    letters: Sequence[Letter]
    sources: Sequence[bytes]
    folder: Path
    records: dict[str, str]


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> Mails:
    chance = random.Random("mails")
    pairs = [make_pair(algorithm) for algorithm in ALGORITHMS]
    keys = [SigningKey("example.com", f"s{number}", load_private(pair.private)) for number, pair in enumerate(pairs)]
    letters = [a_letter(chance) for _ in range(COUNT)]
    sources = [sign(build(letter), keys, int(letter.created_at.timestamp())) for letter in letters]
    records = {
        f"s{number}._domainkey.example.com": record(pair.algorithm, pair.public) for number, pair in enumerate(pairs)
    }
    return Mails(letters, sources, write(tmp_path_factory.mktemp("mails"), sources, records), records)


def write(folder: Path, sources: Sequence[bytes], records: dict[str, str]) -> Path:
    for number, source in enumerate(sources):
        (folder / f"{number:04}.eml").write_bytes(source)
    (folder / "records.json").write_text(json.dumps(records))
    (folder / "keys.txt").write_text("".join(f"{name} {text}\n" for name, text in records.items()))
    (folder / "opendkim.conf").write_text(f"Mode v\nTestPublicKeys {folder}/keys.txt\nAlwaysAddARHeader yes\n")
    return folder


def ask_node(folder: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["node", "mails.mjs", str(folder)], cwd=PEERS, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def squeezed(text: str | None) -> str:
    return " ".join((text or "").split())


def lined(text: str | None) -> str:
    return (text or "").replace("\r\n", "\n").removesuffix("\n")


def meant(letter: Letter) -> dict[str, Any]:
    """What a parser shall find."""
    risky = ("multipart/", "message/")
    return {
        "subject": squeezed(letter.subject),
        "from": [(squeezed(letter.sender[0]), letter.sender[1])],
        "to": [(squeezed(letter.recipient[0]), letter.recipient[1])],
        "cc": [(squeezed(name), address) for name, address in letter.cc],
        "text": lined(letter.text),
        "html": lined(letter.html),
        "attachments": sorted(
            (
                each.filename,
                "application/octet-stream" if each.content_type.startswith(risky) else each.content_type,
                hashlib.sha256(each.content).hexdigest(),
            )
            for each in letter.attachments
        ),
    }


def read(source: bytes) -> dict[str, Any]:
    """The same through the standard library."""
    mail = email.message_from_bytes(source, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    assert not [defect for part in mail.walk() for defect in part.defects]
    assert not [defect for value in mail.values() for defect in value.defects]
    texts = {"text/plain": "", "text/html": ""}
    attachments = []
    for part in mail.walk():
        if part.is_multipart():
            continue
        if part.get_content_disposition():
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            attachments.append((part.get_filename(), part.get_content_type(), hashlib.sha256(content).hexdigest()))
        else:
            texts[part.get_content_type()] = lined(part.get_content())
    found: dict[str, Any] = {"subject": squeezed(mail["Subject"]), "attachments": sorted(attachments)}
    for name in ("from", "to", "cc"):
        addresses = mail[name].addresses if mail[name] else ()
        found[name] = [(squeezed(each.display_name), each.addr_spec) for each in addresses]
    return found | {"text": texts["text/plain"], "html": texts["text/html"]}


def test_the_standard_library_reads_another_mail_than_was_meant(mails: Mails) -> None:
    for letter, source in zip(mails.letters, mails.sources, strict=True):
        assert max(map(len, source.split(b"\r\n"))) <= 998
        assert read(source) == meant(letter)


@needs_node
def test_mailparser_reads_another_mail_or_mailauth_refuses_a_signature(mails: Mails) -> None:
    found = ask_node(mails.folder)
    assert len(found) == COUNT
    for letter, line in zip(mails.letters, found, strict=True):
        assert line["dkim"] == [["rsa-sha256", "pass"], ["ed25519-sha256", "pass"]], line["file"]
        seen = {name: [(squeezed(label), address) for label, address in line[name]] for name in ("from", "to", "cc")}
        seen |= {"subject": squeezed(line["subject"]), "text": lined(line["text"]), "html": lined(line["html"])}
        wanted = meant(letter)
        unnamed = {digest for _, kind, digest in wanted["attachments"] if kind == "application/octet-stream"}
        seen["attachments"] = sorted(
            # mailparser guesses a better type for octet-stream from the file's name.
            (each["filename"], GUESSED if each["sha256"] in unnamed else each["type"], each["sha256"])
            for each in line["attachments"]
        )
        assert seen == wanted, line["file"]


@needs_opendkim
def test_opendkim_refuses_a_signature(mails: Mails) -> None:
    for at in range(0, COUNT, 100):
        files = ",".join(str(mails.folder / f"{number:04}.eml") for number in range(at, at + 100))
        said = opendkim(mails.folder, files)
        assert said.count("header.a=rsa-sha256") == said.count("header.a=ed25519-sha256") == 100
        assert said.count("dkim=pass") == 200 and "dkim=fail" not in said


def opendkim(folder: Path, files: str) -> str:
    command = ["/usr/sbin/opendkim", "-x", str(folder / "opendkim.conf"), "-t", files, "-vv"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


@needs_opendkim
def test_opendkim_passes_what_was_changed_on_the_way(mails: Mails, tmp_path: Path) -> None:
    source = mails.sources[0]
    changed = [
        source.replace(b"\r\nSubject:", b"\r\nSubject: x", 1),
        source.replace(b"\r\nFrom:", b"\r\nTo: other@example.org\r\nFrom:", 1),
        source + b"more\r\n",
    ]
    folder = write(tmp_path, changed, mails.records)
    said = opendkim(folder, ",".join(str(folder / f"{number:04}.eml") for number in range(3)))
    assert "dkim=pass" not in said


@pytest.fixture
def sodium(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """dkimpy verifies Ed25519 through PyNaCl; its two calls, over the library that is here."""

    class VerifyKey:
        def __init__(self, key: bytes, encoder: Any) -> None:  # noqa: ARG002
            self._key = Ed25519PublicKey.from_public_bytes(base64.b64decode(key))

        def verify(self, message: bytes, signature: bytes) -> None:
            try:
                self._key.verify(signature, message)
            except InvalidSignature as error:
                raise BadSignatureError from error

    class BadSignatureError(Exception):
        pass

    parts = {"signing": {"VerifyKey": VerifyKey}, "encoding": {"Base64Encoder": None}}
    parts["exceptions"] = {"BadSignatureError": BadSignatureError}
    whole = types.ModuleType("nacl")
    for name, contents in parts.items():
        module = types.ModuleType(f"nacl.{name}")
        module.__dict__.update(contents)
        setattr(whole, name, module)
        monkeypatch.setitem(sys.modules, f"nacl.{name}", module)
    monkeypatch.setattr(dkimpy, "nacl", whole, raising=False)
    yield


@pytest.mark.usefixtures("sodium")
def test_dkimpy_refuses_a_signature(mails: Mails) -> None:
    records = {f"{name}.".encode(): text.encode() for name, text in mails.records.items()}
    for number, source in enumerate(mails.sources):
        for signature in (0, 1):
            mail = dkimpy.DKIM(source)
            assert mail.verify(signature, dnsfunc=lambda name, timeout=5: records.get(name)), (number, signature)  # noqa: ARG005
    changed = mails.sources[0].replace(b"Subject: ", b"Subject: x", 1)
    assert not dkimpy.DKIM(changed).verify(0, dnsfunc=lambda name, timeout=5: records.get(name))  # noqa: ARG005


INTENDED = [name.lower() for name in email.message_from_bytes(build(PLAIN)).keys()]  # noqa: SIM118
# What a field adds when it is filled at all.
EXTRA = {"header value": ["x-a"], "cc": ["cc"], "reply to": ["reply-to"]}


@needs_node
def test_a_line_end_of_any_kind_in_any_field_makes_a_header_for_some_parser(tmp_path: Path) -> None:
    """Threat B1: every field with every line end, in front, in the middle and behind; two parsers."""
    cases, sources, refused = [], [], 0
    for field, put in INJECTIONS.items():
        for end in (*BREAKS, *LINE_ENDS_OF_SOME):
            for bad in (f"x{end}Bcc: victim@example.org", f"{end}Bcc: v@example.org", f"x{end}{end}body", f"x{end}"):
                try:
                    source = build(put(bad))
                except ValueError:
                    refused += 1
                    continue
                cases.append((field, end))
                sources.append(source)
    assert refused >= len(INJECTIONS) * len(BREAKS) * 4
    for (field, end), source, line in zip_longest(cases, sources, ask_node(write(tmp_path, sources, {}))):
        wanted = sorted(INTENDED + EXTRA.get(field, []))
        theirs = sorted(line["headers"])
        ours = sorted(name.lower() for name in email.message_from_bytes(source).keys())  # noqa: SIM118
        if field in ("filename", "content type", "content id"):
            wanted = sorted(set(wanted) - {"content-transfer-encoding"})
        assert theirs == ours == wanted, (field, end)


@pytest.mark.skipif(bool(postfix.why_not()), reason=postfix.why_not() or "Postfix is here")
@pytest.mark.usefixtures("sodium")
def test_a_hop_through_postfix_breaks_a_signature(mails: Mails) -> None:
    arrived: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    class Keeper:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002
            arrived.put(envelope.content)
            return "250 2.0.0 kept"

    controller = Controller(Keeper(), hostname="127.0.0.1", port=settle_ports({"keeper": ("127.0.0.1", 0)})["keeper"])
    controller.start()
    try:
        with postfix.instance(controller.port) as port, smtplib.SMTP("127.0.0.1", port) as client:
            for source in mails.sources[:HOPS]:
                client.sendmail("bounce@example.com", ["anna@example.net"], source)
            found = [arrived.get(timeout=120) for _ in range(HOPS)]
    finally:
        controller.stop()
    records = {f"{name}.".encode(): text.encode() for name, text in mails.records.items()}
    for content in found:
        assert b"\r\nReceived: " in b"\r\n" + content
        for signature in (0, 1):
            assert dkimpy.DKIM(content).verify(signature, dnsfunc=lambda name, timeout=5: records.get(name))  # noqa: ARG005
