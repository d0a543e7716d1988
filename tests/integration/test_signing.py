"""Delivery signs with the sender domain's keys: over retries and rotations, and never with another's."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import dkim as dkimpy
import pytest
from aiosmtpd.controller import Controller

from common.config import current_settings, read_settings
from common.db.session import rows, run, transaction
from common.domain.dkim import record
from common.domain.return_paths import BOUNCE, read_local_part
from common.domain.unsubscribe_tokens import read_token
from common.sealing import seal
from common.services import delivery, domain_keys, domains, routing
from common.services.keys import server_secret
from deploy.ports import settle_ports
from tests.builders import Account, a_message, an_account
from workers.delivery import identities
from workers.delivery import tasks as worker
from workers.delivery.letters import compose

pytestmark = pytest.mark.usefixtures("database")


class Keeper:
    """Takes every mail and keeps it."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002
        self.mails.append((envelope.mail_from, envelope.content))
        return "250 2.0.0 kept"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    identities.forget()
    yield
    identities.forget()


@pytest.fixture
def keeper() -> Iterator[tuple[Keeper, int]]:
    found, port = Keeper(), settle_ports({"keeper": ("127.0.0.1", 0)})["keeper"]
    controller = Controller(found, hostname="127.0.0.1", port=port)
    controller.start()
    yield found, port
    controller.stop()


def a_signing_account(port: int = 1) -> tuple[Account, uuid.UUID]:
    """An account whose example.com has keys, and the domain's id."""
    account = an_account(sink_port=port)
    with transaction() as connection:
        domains.declare_verified(connection, current_settings(), account.id, "example.com")
        return account, rows(connection, "SELECT id FROM domains WHERE account_id = %s", account.id)[0].id


def dns_of(domain_id: uuid.UUID) -> dict[bytes, bytes]:
    with transaction() as connection:
        keys = domain_keys.find(connection, [domain_id])[domain_id]
    return {
        f"{key.selector}._domainkey.example.com.".encode(): record(key.algorithm, key.public_key).encode()
        for key in keys
    }


def claim(message_id: uuid.UUID) -> delivery.Claimed:
    with transaction() as connection:
        routing.route(connection, [message_id])
        return delivery.claim(connection, [message_id], uuid.uuid4(), 15)[0]


def built(claimed: delivery.Claimed, **settings: Any) -> tuple[str, bytes]:
    [(_, mail)], unsendable = compose(read_settings(**settings), [claimed])
    assert not unsendable
    return mail.sender, mail.content


def selectors(content: bytes) -> list[str]:
    return [each.decode() for each in re.findall(rb"\ts=([^;]+);", content)]


def test_a_mail_arrives_without_a_valid_signature(keeper: tuple[Keeper, int]) -> None:
    account, domain_id = a_signing_account(keeper[1])
    message_id = a_message(account)
    with transaction() as connection:
        routing.route(connection, [message_id])
    worker.deliver_messages.run([str(message_id)])
    [(sender, content)] = keeper[0].mails
    assert sender == "hello@example.com"
    assert [name.partition("-")[0] for name in selectors(content)] == ["sx1", "sxe1"]
    records = dns_of(domain_id)
    assert dkimpy.verify(content, dnsfunc=lambda name, timeout=5: records.get(name))  # noqa: ARG005


def test_a_retry_after_a_rotation_sends_other_bytes() -> None:
    account, domain_id = a_signing_account()
    claimed = claim(a_message(account))
    first = built(claimed)
    with transaction() as connection:
        domain_keys.rotate(connection, current_settings(), domain_id)
    identities.forget()
    assert built(claimed) == first
    with transaction() as connection:
        pending = [key.selector for key in domain_keys.find(connection, [domain_id])[domain_id]][-2:]
        domain_keys.switch(connection, domain_id, pending)
    identities.forget()
    assert built(claimed) == first
    later = built(claim(a_message(account)))[1]
    assert selectors(later) == pending
    records = dns_of(domain_id)
    for content in (first[1], later):
        assert dkimpy.verify(content, dnsfunc=lambda name, timeout=5: records.get(name))  # noqa: ARG005


def test_a_retired_key_stays_in_the_database() -> None:
    account, domain_id = a_signing_account()
    with transaction() as connection:
        domain_keys.rotate(connection, current_settings(), domain_id)
        with pytest.raises(domain_keys.Conflict):
            domain_keys.rotate(connection, current_settings(), domain_id)
        pending = [key.selector for key in domain_keys.find(connection, [domain_id])[domain_id]][-2:]
        domain_keys.switch(connection, domain_id, pending)
        assert domain_keys.retire(connection, current_settings()) == 0
        with pytest.raises(domain_keys.Conflict):
            domain_keys.rotate(connection, current_settings(), domain_id)
        run(connection, "UPDATE domain_keys SET retiring_at = retiring_at - interval '8 days'")
        assert domain_keys.retire(connection, current_settings()) == 2
        left = rows(connection, "SELECT state, private_key FROM domain_keys ORDER BY id")
        assert [(row.state, row.private_key is None) for row in left[:2]] == [("retired", True)] * 2
        domain_keys.rotate(connection, current_settings(), domain_id)
        names = [key.selector for key in domain_keys.find(connection, [domain_id])[domain_id]]
        assert sorted(name.partition("-")[0] for name in names) == ["sx1", "sx2", "sxe1", "sxe2"]
    signing = built(claim(a_message(account)))[1]
    assert selectors(signing) == pending


def test_another_account_signs_with_this_ones_keys() -> None:
    account, domain_id = a_signing_account()
    other, other_domain = a_signing_account()
    ours, theirs = built(claim(a_message(account)))[1], built(claim(a_message(other)))[1]
    assert set(selectors(ours)).isdisjoint(selectors(theirs))
    assert not dns_of(domain_id).keys() & dns_of(other_domain).keys()


def test_a_private_key_lies_in_clear_in_the_database() -> None:
    _, domain_id = a_signing_account()
    with transaction() as connection:
        stored = [bytes(row.private_key) for row in rows(connection, "SELECT private_key FROM domain_keys")]
        keys = domain_keys.find(connection, [domain_id])[domain_id]
    assert len(stored) == 2
    assert not any(each[16:].startswith(b"0") and b"\x06\x09*\x86H" in each for each in stored)
    assert not any(hasattr(key, "private_key") for key in keys)


def on_a_direct_source(account: Account) -> None:
    with transaction() as connection:
        run(connection, "UPDATE sources SET kind = 'direct' WHERE account_id = %s", account.id)


@pytest.mark.parametrize(("kind", "verification", "leaves"), [
    ("direct", "required", False), ("direct", "off", True), ("direct", "warn", True),
    ("sink", "required", True), ("relay", "required", True),
])  # fmt: skip
def test_a_mail_without_keys_leaves_where_it_may_not(kind: str, verification: str, leaves: bool) -> None:
    account = an_account()
    with transaction() as connection:
        run(connection, "UPDATE sources SET kind = %s WHERE account_id = %s", kind, account.id)
    mails, unsendable = compose(read_settings(sender_verification=verification), [claim(a_message(account))])
    assert (len(mails), len(unsendable)) == (int(leaves), int(not leaves))
    if not leaves:
        outcome = unsendable[0][1]
        assert (outcome.kind, outcome.category) == ("deferred", "sender_auth")
        assert "GET /v1/domains" in outcome.reply


def test_a_key_that_cannot_be_opened_bounces_mail_or_lets_it_go_unsigned() -> None:
    account, domain_id = a_signing_account()
    with transaction() as connection:
        for row in rows(connection, "SELECT id FROM domain_keys"):
            sealed = seal(read_settings({}, sealing_key="another"), b"x", f"dkim {row.id}")
            run(connection, "UPDATE domain_keys SET private_key = %s WHERE id = %s", sealed, row.id)
    mails, unsendable = compose(current_settings(), [claim(a_message(account))])
    assert not mails
    assert (unsendable[0][1].kind, "SENDARIX_SEALING_KEY" in unsendable[0][1].reply) == ("deferred", True)


def test_bounces_return_to_nobody_who_knows_them() -> None:
    account, domain_id = a_signing_account()
    claimed = claim(a_message(account))
    secret = server_secret(current_settings())
    sender, _ = built(claimed, bounce_domain="bounces.platform.example")
    local, _, host = sender.partition("@")
    assert host == "bounces.platform.example"
    assert read_local_part(secret, local) == (BOUNCE, claimed.id)
    with transaction() as connection:
        run(connection, "UPDATE domains SET return_path_seen = true WHERE id = %s", domain_id)
    identities.forget()
    assert built(claimed)[0] == f"{local}@bounce.example.com"


def test_a_stream_offers_no_way_out_or_every_mail_does() -> None:
    account, domain_id = a_signing_account()
    with transaction() as connection:
        run(connection, """UPDATE domains SET streams = '{"news": {"unsubscribe": true}}' WHERE id = %s""", domain_id)
    where = {"public_url": "https://mail.example.com/", "bounce_domain": "bounces.platform.example"}
    code, news = (built(claim(a_message(account, stream=name, tags=[name])), **where)[1] for name in ("code", "news"))
    assert b"List-Unsubscribe" not in code
    found = re.search(rb"List-Unsubscribe: <https://mail\.example\.com/u/([^>]+)>,\s+<mailto:u[a-z2-7]{39}@", news)
    assert found is not None
    what = read_token(server_secret(current_settings()), found[1].decode())
    assert what is not None
    assert (what.account_id, what.recipient, what.scope) == (account.id, "user0@example.net", "stream:news")
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in news
    head = news.partition(b"\r\n\r\n")[0].replace(b"\r\n\t", b"")
    assert b"List-Unsubscribe:List-Unsubscribe-Post" in head
    assert re.search(rb"\r\nFeedback-ID: news:none:[0-9a-z]{10}:sendarix\r\n", news)


def test_the_senders_own_header_is_overruled_or_doubled() -> None:
    account, _ = a_signing_account()
    content = built(claim(a_message(account, headers={"feedback-id": "a:b:c:mine5", "auto-submitted": "no"})))[1]
    assert re.findall(rb"(?im)^(feedback-id|auto-submitted): ([^\r]*)", content) == [
        (b"feedback-id", b"a:b:c:mine5"), (b"auto-submitted", b"no"),
    ]  # fmt: skip
