"""A trace that leaves out, mixes up or tells too much."""

from dataclasses import replace
from uuid import uuid4

import pytest

from common import clock
from common.config import current_settings
from common.db.session import rows, transaction
from common.domain.errors import NotFound
from common.domain.ids import encode
from common.domain.outcomes import Outcome
from common.services import delivery, routing, tracing
from tests.builders import a_message, an_account
from tests.integration.test_events import a_webhook

pytestmark = pytest.mark.usefixtures("database")

LINES = ((0, "*", "connected"), (3, "C", "EHLO me"), (5, "S", "250 Ok"))


def test_a_part_of_the_story_is_missing_or_out_of_order() -> None:
    account = an_account()
    a_webhook(account)
    message_id = a_message(account)
    with transaction() as connection:
        routing.route(connection, [message_id])
    with transaction() as connection:
        held = delivery.claim(connection, [message_id], uuid4(), 60)
    with transaction() as connection:
        outcome = Outcome("delivered", "dot", 250, "2.0.0", "Ok", "delivered", mx="mx.example.net", tls="TLSv1.3",
                          transcript=LINES)  # fmt: skip
        delivery.record(connection, current_settings(), [(held[0], outcome)], clock.now())
        posted = rows(connection, "SELECT id FROM webhook_deliveries ORDER BY seq")
        connection.exec_driver_sql(
            "INSERT INTO webhook_attempts (delivery_id, epoch, number, started_at, status)"
            " VALUES (%s, 1, 1, now(), 503)",
            (posted[0].id,),
        )
    with transaction() as connection:
        found = tracing.trace(connection, account.principal, message_id)
        narrow = replace(account.principal, scopes=frozenset({"messages:read"}))
        less = tracing.trace(connection, narrow, message_id)["timeline"]
    timeline = found["timeline"]
    assert [each["at"] for each in timeline] == sorted(each["at"] for each in timeline)
    assert timeline[0]["stage"] == "request" and timeline[0]["facts"]["request_id"] == "req_test"
    types = [each["facts"]["type"] for each in timeline if each["stage"] == "event"]
    assert types == ["message.queued", "message.accepted", "message.delivered"]
    assert [each["title"] for each in timeline if each["stage"] == "smtp"] == [line for _, _, line in LINES]
    begins = next(each for each in timeline if each["title"] == "Attempt 1 begins")
    assert begins["facts"]["tls"] == "TLSv1.3" and begins["facts"]["mx"] == "mx.example.net"
    posts = [each for each in timeline if each["stage"] == "webhook"]
    assert len(posts) == 3 and any("503" in each["title"] for each in posts)
    assert {each["stage"] for each in less} == {"request", "event", "attempt", "smtp"}
    assert found["message_id"] == encode("msg", message_id) and found["waiting"] is None


def test_another_account_reads_a_trace() -> None:
    message_id = a_message(an_account())
    with pytest.raises(NotFound), transaction() as connection:
        tracing.trace(connection, an_account().principal, message_id)
