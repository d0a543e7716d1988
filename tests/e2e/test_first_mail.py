"""The first request of a new user: the printed example, byte for byte, from 202 to a read mail and a clean stop."""

import smtplib
import threading
from email.message import EmailMessage
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from tests.chaos.formation import House
from tests.chaos.ledger import Connection, wait_for

pytestmark = pytest.mark.e2e

EXAMPLE = b"""{
"recipient": "user@example.com",
"subject": "Your verification code",
"template": "otp-code",
"template_data": {
"code": "847291",
"expires_in": "5 minutes"
},
"headers": {
"X-Idempotency-Key": "uuid-v4-here"
}
}"""
DELIVERY_SECONDS = 30.0
SAME = 50


@pytest.fixture
def api(house: House) -> Connection:
    return Connection(house.facts["api_url"], house.facts["live_key"])


def mails_to(api: Connection, recipient: str) -> list[dict[str, Any]]:
    status, answer = api.call("GET", f"/v1/mailbox/messages?recipient={recipient}")
    assert status == 200, answer
    found: list[dict[str, Any]] = answer["data"]
    return found


def is_delivered(api: Connection, message_id: str) -> bool:
    status, message = api.call("GET", f"/v1/messages/{message_id}")
    return status == 200 and bool(message["status"] == "delivered")


def test_the_printed_example_is_refused_not_delivered_or_told_wrongly(api: Connection) -> None:
    status, answer = api.call("POST", "/v1/messages", EXAMPLE)
    assert status == 202, answer
    assert set(answer) == {"message_id", "status", "recipient", "created_at"}
    assert (answer["status"], answer["recipient"]) == ("queued", "user@example.com")
    message_id = answer["message_id"]
    assert message_id.startswith("msg_")

    wait_for(lambda: is_delivered(api, message_id), DELIVERY_SECONDS, "the example is delivered")
    mails = wait_for(lambda: mails_to(api, "user@example.com"), DELIVERY_SECONDS, "its mail is in the mailbox")
    assert len(mails) == 1
    assert set(mails[0]) == {"id", "from", "recipient", "subject", "received_at", "size"}
    assert mails[0]["subject"] == "Your verification code"
    status, mail = api.call("GET", f"/v1/mailbox/messages/{mails[0]['id']}")
    assert status == 200
    assert "847291" in mail["text"] and "847291" in mail["html"] and "5 minutes" in mail["text"]

    status, timeline = api.call("GET", f"/v1/messages/{message_id}/events")
    told = [(event["data"]["seq"], event["type"]) for event in timeline["data"]]
    assert told == [(1, "message.queued"), (2, "message.accepted"), (3, "message.delivered")]


def test_s66_a_mail_by_smtp_is_not_delivered_as_one_by_http(house: House, api: Connection) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "hello@example.com", "relayed@example.com", "By SMTP"
    mail.set_content("Hello by SMTP.")
    with smtplib.SMTP(house.facts["smtp_host"], house.facts["smtp_port"], timeout=30) as smtp:
        smtp.login("apikey", house.facts["live_key"])
        smtp.mail("hello@example.com")
        smtp.rcpt("relayed@example.com")
        code, words = smtp.data(mail.as_bytes())
    assert code == 250, words
    message_id = words.decode().rpartition(" ")[2]
    wait_for(lambda: is_delivered(api, message_id), DELIVERY_SECONDS, "it is delivered")
    mails = wait_for(lambda: mails_to(api, "relayed@example.com"), DELIVERY_SECONDS, "its mail is in the mailbox")
    _, read = api.call("GET", f"/v1/mailbox/messages/{mails[0]['id']}")
    assert read["subject"] == "By SMTP" and "Hello by SMTP." in read["text"]
    assert {"DKIM-Signature", "X-Sendarix-Message-Id", "Received"} <= {name for name, _ in read["headers"]}
    _, timeline = api.call("GET", f"/v1/messages/{message_id}/events")
    assert [event["type"] for event in timeline["data"]] == ["message.queued", "message.accepted", "message.delivered"]


def test_the_same_idempotency_key_makes_a_second_message(api: Connection) -> None:
    _, first = api.call("POST", "/v1/messages", EXAMPLE)
    status, second = api.call("POST", "/v1/messages", EXAMPLE)
    assert (status, second) == (202, first)
    wait_for(lambda: is_delivered(api, first["message_id"]), DELIVERY_SECONDS, "it is delivered")
    assert len(mails_to(api, "user@example.com")) == 1


def test_identical_concurrent_calls_make_more_than_one_mail(house: House, api: Connection) -> None:
    body = EXAMPLE.replace(b"uuid-v4-here", b"all-at-once").replace(b"user@", b"crowd@")
    answers: list[tuple[int, Any]] = []
    together = threading.Barrier(SAME)

    def send() -> None:
        connection = Connection(house.facts["api_url"], house.facts["live_key"])
        together.wait()
        status, answer = connection.call("POST", "/v1/messages", body)
        while status == 409:  # the first is still being written on a busy machine: ask again, as the answer says
            status, answer = connection.call("POST", "/v1/messages", body)
        answers.append((status, answer))
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(SAME)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status for status, _ in answers} == {202}, answers
    ids = {answer["message_id"] for _, answer in answers}
    assert len(answers) == SAME and len(ids) == 1
    wait_for(lambda: is_delivered(api, *ids), DELIVERY_SECONDS, "it is delivered")
    wait_for(lambda: mails_to(api, "crowd@example.com"), DELIVERY_SECONDS, "its mail is in the mailbox")
    assert len(mails_to(api, "crowd@example.com")) == 1


def test_a_process_is_left_after_the_stop(house: House) -> None:
    """Last in this file: it ends the formation."""
    pids = set(house.pids().values()) | set(house.family())
    assert len(pids) > 8
    house.stop()
    assert not (house.home / "quickstart.json").exists()
    left = wait_for_end(pids)
    assert not left and not house.family(), left


def wait_for_end(pids: set[int]) -> list[str]:
    """Those of `pids` that still live after some seconds."""
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(processes, timeout=10)
    return [f"{process.pid} {process.name()}" for process in alive]
