"""a_message(), an_account(): the only factories. Each writes real rows and answers their ids."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.config import Settings, current_settings
from common.db.session import transaction
from common.domain.ids import new_id
from common.domain.principals import SCOPES, Principal
from common.services import composing, writing


@dataclass(frozen=True, slots=True)
class Account:
    id: UUID
    source_id: UUID
    principal: Principal


def an_account(*, environment: str = "live", guarantee: str | None = None, sink_port: int = 1) -> Account:
    """An account with a verified example.com and a sink source on loopback."""
    account_id, source_id = new_id(), new_id()
    with transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO accounts (id, name, default_source_id, delivery_guarantee, default_sender) "
            "VALUES (%s, 'test', %s, %s, 'Example <hello@example.com>')",
            (account_id, source_id, guarantee),
        )
        connection.exec_driver_sql(
            "INSERT INTO sources (id, account_id, name, kind, host, port, tls) "
            "VALUES (%s, %s, %s, 'sink', '127.0.0.1', %s, 'none')",
            (source_id, account_id, f"sink-{account_id}", sink_port),
        )
        connection.exec_driver_sql(
            "INSERT INTO domains (id, account_id, name, state) VALUES (%s, %s, 'example.com', 'verified')",
            (new_id(), account_id),
        )
    principal = Principal(
        key_id=new_id(),
        account_id=account_id,
        environment=environment,
        scopes=frozenset(SCOPES) - {"admin"},
        sender_domains=None,
        templates=None,
        cidrs=None,
        default_sender="Example <hello@example.com>",
        requests_per_minute=1000,
        require_idempotency=False,
        paused=False,
        expires_at=None,
    )
    return Account(account_id, source_id, principal)


def a_draft(account: Account, recipient: str = "user@example.net", **fields: Any) -> composing.Draft:
    """A composed message that is not written yet."""
    given = {"recipient": {"email": recipient, "name": None}, "subject": "Hello", "text": "Hello."} | fields
    return composing.compose(current_settings(), account.principal, given, None, "req_test", clock.now())


def some_messages(connection: Connection, account: Account, count: int, **fields: Any) -> list[UUID]:
    """Queued messages, written by the accept statement itself, without tickets."""
    drafts = [a_draft(account, f"user{number}@example.net", **fields) for number in range(count)]
    writing.write(connection, current_settings(), drafts)
    return [draft.id for draft in drafts]


def a_message(account: Account, **fields: Any) -> UUID:
    """One queued message."""
    with transaction() as connection:
        return some_messages(connection, account, 1, **fields)[0]


def make_due(connection: Connection, message_id: UUID) -> None:
    """Let the wait of a message be over."""
    connection.exec_driver_sql(
        "UPDATE messages SET next_attempt_at = now() - interval '1 s' WHERE id = %s", (message_id,)
    )


def settings_for_tests() -> Settings:
    return current_settings()


A_SECOND = timedelta(seconds=1)
