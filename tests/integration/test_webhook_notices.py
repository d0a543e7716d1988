"""A webhook fails for a day, or is switched off: does a person hear of it, once, by ordinary mail?"""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from api import cli
from common.config import current_settings
from common.db.session import rows, run, transaction
from common.services import accounts, composing, subscriptions, webhook_due, webhooks
from common.services.webhook_records import Posted, record
from tests.builders import Account, a_message, an_account

_MAIL = """
SELECT m.recipient, m.environment, c.subject, c.text, c.tags, c.metadata, c.key_id
  FROM messages m JOIN message_contents c ON c.message_id = m.id WHERE c.tags @> '{sendarix-notice}' ORDER BY m.id
"""


@pytest.fixture
def account(database: None) -> Iterator[Account]:
    composing.forget()
    found = an_account(environment="test")
    with transaction() as connection:
        accounts.change(connection, found.id, {"contact_address": "ops@example.net"})
    yield found
    composing.forget()


def fail(account: Account, health: str, status: int = 500) -> str:
    """One failed attempt at a webhook whose health is this; answers its id."""
    with transaction() as connection:
        made = subscriptions.subscribe(
            connection, account.principal, {"url": "https://example.com/hook", "event_types": ["message.queued"]}
        )
        run(connection, f"UPDATE webhook_health SET {health}")
    for _ in range(2):
        a_message(account)
        post_and_fail(status)
    return str(made["id"])


def post_and_fail(status: int) -> None:
    with transaction() as connection:
        ids = [row.id for row in rows(connection, "SELECT id FROM webhook_deliveries WHERE state = 'waiting'")]
        (which,) = {
            row.id for row in rows(connection, "SELECT id FROM webhooks WHERE state IN ('enabled', 'disabled')")
        }
        lane = rows(connection, "SELECT gen_random_uuid() AS id")[0].id
        claimed = webhooks.claim(connection, which, ids, lane, full=set(), slow_line=False)
        moment = rows(connection, "SELECT clock_timestamp() AS now")[0].now
        results = [(each, Posted(False, moment, status=status)) for each in claimed.postings]
        record(connection, current_settings(), results)


def mails() -> list[Any]:
    with transaction() as connection:
        return rows(connection, _MAIL)


@pytest.fixture(autouse=True)
def no_tickets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_due, "leave", lambda *_, **__: None)


def test_a_day_of_failure_is_mailed_to_nobody_or_again_and_again(account: Account) -> None:
    webhook_id = fail(account, "failing_since = now() - interval '25 hours'")
    (told,) = mails()
    assert (told.recipient, told.environment, told.key_id) == ("ops@example.net", "live", None)
    assert told.subject == "Webhook failing: https://example.com/hook"
    assert webhook_id in told.text and "http 500" in told.text and "24 hours" in told.text
    assert told.metadata == {"webhook_id": webhook_id, "reason": "warning", "environment": "test"}


def test_a_webhook_is_switched_off_in_silence(account: Account) -> None:
    webhook_id = fail(account, "failing_since = now()", status=410)
    (told,) = mails()
    assert told.subject == "Webhook switched off: https://example.com/hook"
    assert "410 Gone" in told.text and f"POST /v1/webhooks/{webhook_id}/enable" in told.text


@pytest.mark.parametrize("column", ["contact_address", "paused_at", "no_domain"])
def test_a_notice_that_cannot_be_sent_stops_the_record(account: Account, column: str) -> None:
    with transaction() as connection:
        if column == "no_domain":
            run(connection, "DELETE FROM domains")
        else:
            run(connection, f"UPDATE accounts SET {column} = {'now()' if column == 'paused_at' else 'NULL'}")
    composing.forget()
    fail(account, "failing_since = now()", status=410)
    with transaction() as connection:
        assert rows(connection, "SELECT state FROM webhooks")[0].state == "disabled"
    assert not mails()


def test_the_contact_is_not_what_was_given(database: None, capsys: pytest.CaptureFixture[str]) -> None:
    with transaction() as connection:
        made = accounts.create(connection, {"name": "Mine", "contact_address": "first@example.net"})
        assert (made["contact_address"], made["retry_preset"]) == ("first@example.net", None)
    assert cli.main(["account", "change", made["id"], "--contact-address", "Ops@Example.net"]) == 0
    assert orjson.loads(capsys.readouterr().out)["contact_address"] == "Ops@example.net"
    assert cli.main(["account", "change", made["id"], "--contact-address", ""]) == 0
    assert orjson.loads(capsys.readouterr().out)["contact_address"] is None
    with pytest.raises(SystemExit):
        cli.main(["account", "change", made["id"], "--contact-address", "nobody"])
