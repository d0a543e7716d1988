"""A real Postfix at the other end, as strict as it can be set: what delivery says, its parser has to like."""

import queue
import shutil
from collections.abc import Iterator
from typing import Any

import dkim as dkimpy
import pytest
from aiosmtpd.controller import Controller

from common.config import current_settings
from common.db.session import rows, transaction
from common.domain.dkim import record
from common.services import domain_keys, routing
from deploy.ports import settle_ports
from tests.bench import postfix
from tests.builders import Account, an_account, some_messages
from tests.fakes.certificates import localhost
from workers.delivery import identities
from workers.delivery import tasks as worker

pytestmark = [
    pytest.mark.usefixtures("database"),
    pytest.mark.skipif(bool(postfix.why_not()), reason=postfix.why_not() or "Postfix is here"),
]
STRICT = {
    "smtpd_tls_security_level": "encrypt",
    "smtpd_tls_mandatory_protocols": ">=TLSv1.2",
    "smtpd_tls_mandatory_ciphers": "high",
    "smtpd_helo_required": "yes",
    "smtpd_helo_restrictions": "reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname",
    "smtpd_sender_restrictions": "reject_non_fqdn_sender",
    "smtpd_recipient_restrictions": "reject_non_fqdn_recipient, permit_mynetworks, reject",
    "smtpd_data_restrictions": "reject_unauth_pipelining, reject_multi_recipient_bounce",
    "smtpd_forbid_bare_newline": "reject",
    "smtpd_forbid_unauth_pipelining": "yes",
    "strict_rfc821_envelopes": "yes",
    "strict_7bit_headers": "yes",
    "strict_8bitmime_body": "yes",
    "strict_mime_encoding_domain": "yes",
    "disable_vrfy_command": "yes",
    "line_length_limit": "2048",
    "smtpd_soft_error_limit": "1",
    "smtpd_hard_error_limit": "2",
    "smtpd_junk_command_limit": "1",
}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, "queue.SimpleQueue[bytes]"]]:
    """The port of a Postfix that forgives nothing, and what it passes on."""
    tmp_path = tmp_path_factory.mktemp("postfix")
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(localhost().pem)
    shutil.chown(certificate, "root")
    arrived: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    class Keeper:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002
            arrived.put(envelope.content)
            return "250 2.0.0 kept"

    controller = Controller(Keeper(), hostname="127.0.0.1", port=settle_ports({"keeper": ("127.0.0.1", 0)})["keeper"])
    controller.start()
    try:
        with postfix.instance(controller.port, smtpd_tls_chain_files=certificate, **STRICT) as port:
            yield port, arrived
    finally:
        controller.stop()


def a_signing_account(port: int) -> tuple[Account, dict[bytes, bytes]]:
    """An account whose mail goes to this port over TLS, and the DKIM records of its domain."""
    account = an_account()
    with transaction() as connection:
        domain_id = rows(connection, "SELECT id FROM domains WHERE account_id = %s", account.id)[0].id
        domain_keys.make(connection, current_settings(), domain_id, 1, active=True)
        connection.exec_driver_sql(
            "UPDATE sources SET kind = 'sink', tls = 'encrypted', port = %s, ehlo_name = 'mail.example.com'"
            " WHERE account_id = %s",
            (port, account.id),
        )
        keys = domain_keys.find(connection, [domain_id])[domain_id]
    identities.forget()
    records = {
        f"{key.selector}._domainkey.example.com.".encode(): record(key.algorithm, key.public_key).encode()
        for key in keys
    }
    return account, records


def test_a_strict_postfix_finds_fault_or_breaks_a_signature(strict: Any) -> None:
    port, arrived = strict
    account, records = a_signing_account(port)
    odd = [
        {"text": ".\r\n..\r\n.leading dots\r\n"},
        {"text": "x" * 5000},
        {"subject": "日本語の件名 " * 12, "html": "<p>größer als</p>" * 200},
        {"text": "bare\rreturns\nand newlines\n.\n"},
        {"headers": {"X-Long": "word " * 150}},
    ]
    with transaction() as connection:
        ids = some_messages(connection, account, 20)
        for fields in odd:
            ids += some_messages(connection, account, 1, **fields)
        routing.route(connection, ids)
    worker.deliver_messages.run([str(each) for each in ids])
    with transaction() as connection:
        found = rows(
            connection, "SELECT state, stage, reply, tls, tls_reason FROM attempts WHERE message_id = ANY(%s)", ids
        )
    assert {(each.state, each.tls) for each in found} == {("delivered", "TLSv1.3")}, [each.reply for each in found]
    assert all("queued as" in each.reply for each in found) and len(found) == len(ids)
    for _ in ids:
        content = arrived.get(timeout=60)
        assert b"Received: from mail.example.com" in content
        assert content.count(b"DKIM-Signature:") == 2
        assert dkimpy.DKIM(content).verify(0, dnsfunc=lambda name, timeout=5: records.get(name))  # noqa: ARG005


def test_a_refusal_of_postfix_is_misread(strict: Any) -> None:
    port, _ = strict
    account, _ = a_signing_account(port)
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE sources SET tls = 'none' WHERE account_id = %s", (account.id,))
        ids = some_messages(connection, account, 1)
        routing.route(connection, ids)
    worker.deliver_messages.run([str(each) for each in ids])
    with transaction() as connection:
        attempt = rows(connection, "SELECT state, stage, code, category, reply FROM attempts")[0]
    assert (attempt.stage, attempt.code) == ("mail", 530), attempt
    assert "STARTTLS" in attempt.reply
