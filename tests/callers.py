"""Calls on the whole application without a socket, with the quickstart account's keys and a mailbox behind it.

Never here: what an answer should be.
"""

import email
import email.policy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import orjson
from flask.testing import FlaskClient

from api import create_app
from common.config import read_settings
from common.db import session
from common.services import composing, keys, quickstart, ruling
from tests.fakes.mailbox import Running


@dataclass(frozen=True)
class Api:
    """The application with its keys, and a mailbox behind it."""

    client: FlaskClient
    live: str
    test: str
    admin: str = ""

    def call(self, method: str, path: str, body: Any = None, key: str | None = None, **headers: str) -> Any:
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        sent["Authorization"] = f"Bearer {key or self.live}"
        raw = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        return self.client.open(path, method=method, data=raw, headers=sent, content_type="application/json")

    def send(self, key: str | None = None, **fields: Any) -> dict[str, Any]:
        answer = self.call("POST", "/v1/messages", mail(**fields), key)
        assert answer.status_code == 202, answer.data
        found: dict[str, Any] = answer.get_json()
        return found

    def read(self, message_id: str, part: str = "", key: str | None = None) -> Any:
        answer = self.call("GET", f"/v1/messages/{message_id}{part}", key=key)
        assert answer.status_code == 200, answer.data
        return answer.get_json()

    def caught(self, recipient: str) -> list[EmailMessage]:
        with session.transaction() as connection:
            found = session.rows(
                connection, "SELECT source FROM mailbox_messages WHERE recipient_key = %s ORDER BY id", recipient
            )
        parsed = [email.message_from_bytes(bytes(row.source), policy=email.policy.default) for row in found]
        return [each for each in parsed if isinstance(each, EmailMessage)]


def mail(**fields: Any) -> dict[str, Any]:
    whole = {"recipient": "user@example.net", "subject": "Hello", "text": "Hello."} | fields
    return {name: value for name, value in whole.items() if value is not ...}


def _forget() -> None:
    """What this process remembers of keys, accounts and policies."""
    keys.forget()
    composing.forget()
    ruling.forget()


@contextmanager
def an_api(**settings: Any) -> Iterator[Api]:
    """The application with its keys and a mailbox; what was made is gone afterwards."""
    mailbox = Running()
    _forget()
    found = read_settings(**({"mailbox_port": mailbox.port, "rate_limit_per_minute": 100_000} | settings))
    with session.transaction() as connection:
        tokens = quickstart.prepare(connection, found)
    try:
        yield Api(create_app(found).test_client(), tokens["live_key"], tokens["test_key"], tokens["admin_key"])
    finally:
        mailbox.stop()
        _forget()
        with session.transaction() as connection:
            connection.exec_driver_sql("TRUNCATE accounts, messages, mailbox_messages, suppressions CASCADE")
