"""Webhook deliveries against a real HTTP receiver: signed, retried, never to a private address unasked."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest

from common.config import current_settings
from common.db.session import rows, transaction
from common.domain.ids import new_id
from common.domain.signatures import sign
from common.sealing import seal
from common.services import routing, webhooks
from tests.builders import Account, a_message, an_account
from workers.webhooks.sender import Sender

pytestmark = pytest.mark.usefixtures("database")

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"


@dataclass
class Receiver:
    port: int
    status: int = 200
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(found.status)
            self.send_header("location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Receiver(server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


def subscribe(account: Account, port: int, types: list[str] | None = None) -> None:
    with transaction() as connection:
        webhook_id = new_id()
        connection.exec_driver_sql(
            "INSERT INTO webhooks (id, account_id, url, event_types) VALUES (%s, %s, %s, %s)",
            (webhook_id, account.id, f"http://127.0.0.1:{port}/hook", types),
        )
        connection.exec_driver_sql(
            "INSERT INTO webhook_secrets (id, webhook_id, sealed) VALUES (%s, %s, %s)",
            (new_id(), webhook_id, seal(current_settings(), SECRET.encode(), f"webhook {webhook_id}")),
        )


def dispatch(sender: Sender) -> int:
    with transaction() as connection:
        ids = [row.id for row in rows(connection, "SELECT id FROM webhook_deliveries WHERE state = 'waiting'")]
        postings = webhooks.claim(connection, ids)
    for each in postings:
        answered = sender.post(each.url, each.secret, each.webhook_id, each.public_id, each.body, 1_700_000_000)
        posted = webhooks.Posted(answered.ok, answered.status, answered.error, answered.response)
        with transaction() as connection:
            webhooks.record(connection, current_settings(), [(each, posted)])
    return len(postings)


def states() -> list[tuple[str, int]]:
    with transaction() as connection:
        found = rows(connection, "SELECT state, attempt_no FROM webhook_deliveries ORDER BY id")
        return [(row.state, row.attempt_no) for row in found]


def test_an_event_is_posted_unsigned_or_without_its_message(receiver: Receiver) -> None:
    account = an_account()
    subscribe(account, receiver.port)
    message_id = a_message(account, metadata={"order": "7"})
    with transaction() as connection:
        routing.route(connection, [message_id])
    assert dispatch(Sender("127.0.0.0/8")) == 2
    bodies = [orjson.loads(body) for _, body in receiver.posts]
    assert [body["type"] for body in bodies] == ["message.queued", "message.accepted"]
    assert bodies[0]["data"]["metadata"] == {"order": "7"}
    for headers, body in receiver.posts:
        event = orjson.loads(body)
        assert headers["webhook-id"] == event["id"]
        assert headers["webhook-signature"] == sign(SECRET, event["id"], 1_700_000_000, body)
        assert event["data"]["message_id"].startswith("msg_")
    assert states() == [("delivered", 1), ("delivered", 1)]


def test_a_failed_delivery_is_dropped_or_posted_at_once_again(receiver: Receiver) -> None:
    account = an_account()
    subscribe(account, receiver.port, ["message.queued"])
    a_message(account)
    receiver.status = 503
    sender = Sender("127.0.0.0/8")
    assert dispatch(sender) == 1
    assert dispatch(sender) == 0
    assert states() == [("waiting", 1)]
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE webhook_deliveries SET next_attempt_at = now()")
    receiver.status = 200
    assert dispatch(sender) == 1
    assert receiver.posts[0][0]["webhook-id"] == receiver.posts[1][0]["webhook-id"]
    assert receiver.posts[0][1] == receiver.posts[1][1]


def test_a_redirect_is_followed(receiver: Receiver) -> None:
    account = an_account()
    subscribe(account, receiver.port, ["message.queued"])
    a_message(account)
    receiver.status = 302
    dispatch(Sender("127.0.0.0/8"))
    assert len(receiver.posts) == 1
    assert states() == [("waiting", 1)]


def test_a_private_address_is_reached_without_permission(receiver: Receiver) -> None:
    account = an_account()
    subscribe(account, receiver.port, ["message.queued"])
    a_message(account)
    dispatch(Sender(""))
    assert receiver.posts == []


def test_the_twelfth_failure_is_tried_a_thirteenth_time(receiver: Receiver) -> None:
    account = an_account()
    subscribe(account, receiver.port, ["message.queued"])
    a_message(account)
    receiver.status = 500
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE webhook_deliveries SET attempt_no = 11")
    dispatch(Sender("127.0.0.0/8"))
    assert states() == [("exhausted", 12)]
