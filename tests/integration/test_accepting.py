"""Accepting under retries, races and company in the same commit."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest

from common.config import current_settings
from common.db.session import close, rows, transaction
from common.domain.errors import DomainError, Forbidden, InvalidFields, KeyReused
from common.services import accepting, writing
from common.services.writing import Answer
from tests.builders import Account, a_draft, an_account

pytestmark = pytest.mark.usefixtures("database")


def fields(recipient: str = "user@example.net", **more: Any) -> dict[str, Any]:
    return {"recipient": {"email": recipient, "name": None}, "subject": "Hello", "text": "Hello."} | more


def send(account: Account, key: str | None = None, **more: Any) -> Answer:
    return accepting.accept(account.principal, fields(**more), idempotency_key=key, request_id="req_1")


def count(table: str, account: Account) -> int:
    with transaction() as connection:
        return int(rows(connection, f"SELECT count(*) AS n FROM {table} WHERE account_id = %s", account.id)[0].n)


def test_fifty_identical_calls_at_once_make_two_messages() -> None:
    account = an_account()
    gate = threading.Barrier(50)

    def call(_: int) -> bytes:
        gate.wait()
        return send(account, "same-key").body

    with ThreadPoolExecutor(50) as pool:
        bodies = set(pool.map(call, range(50)))
    assert len(bodies) == 1
    assert count("messages", account) == 1


def test_a_replay_answers_another_body() -> None:
    account = an_account()
    first, second = send(account, "k"), send(account, "k")
    assert (first.body, first.replayed, second.replayed) == (second.body, False, True)


def test_a_reused_key_with_another_payload_is_accepted() -> None:
    account = an_account()
    send(account, "k")
    with pytest.raises(KeyReused):
        send(account, "k", recipient="other@example.net")
    assert count("messages", account) == 1


def test_two_accounts_share_an_idempotency_key() -> None:
    one, two = an_account(), an_account()
    assert send(one, "k").body != send(two, "k").body


def test_a_key_outlives_its_day() -> None:
    account = an_account()
    first = send(account, "k")
    with transaction() as connection:
        connection.exec_driver_sql("UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 second'")
    second = send(account, "k")
    assert first.body != second.body
    assert count("messages", account) == 2


def test_one_bad_request_spoils_the_others_of_its_commit() -> None:
    account = an_account()
    gate = threading.Barrier(20)

    def call(number: int) -> Answer | DomainError:
        gate.wait()
        try:
            return send(account, metadata={"bad": "nul\x00"} if number == 7 else None)
        except DomainError as error:
            return error

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(call, range(20)))
    assert [isinstance(answer, Answer) for answer in answers] == [number != 7 for number in range(20)]
    assert count("messages", account) == 19


def test_an_unverified_domain_is_sent_from() -> None:
    account = an_account()
    with pytest.raises(Forbidden) as refused:
        send(account, **{"from": {"email": "me@elsewhere.example", "name": None}})
    assert refused.value.code == "sender_not_verified"
    assert count("messages", account) == 0


def test_only_the_first_of_several_wrong_fields_is_reported() -> None:
    account = an_account()
    with pytest.raises(InvalidFields) as refused:
        accepting.accept(
            account.principal,
            {"recipient": {"email": "user@example.net"}, "template": "absent", "ttl": 0},
            idempotency_key=None,
            request_id="req_1",
        )
    assert {error.field for error in refused.value.errors} >= {"template", "expires_at"}


def test_the_answer_is_given_before_the_rows_exist() -> None:
    account = an_account()
    answer = orjson.loads(send(account).body)
    assert set(answer) == {"message_id", "status", "recipient", "created_at"}
    assert count("messages", account) == count("events", account) == 1


def test_a_connection_that_was_cut_since_the_last_commit_costs_a_request() -> None:
    account = an_account()
    send(account)
    with transaction() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'sendarix' AND pid <> pg_backend_pid()"
        )
    close()  # the test's own connections were cut as well
    assert send(account).status == 202
    assert count("messages", account) == 2


def test_a_commit_whose_answer_was_lost_is_written_twice() -> None:
    account = an_account()
    draft = a_draft(account)
    with transaction() as connection:
        writing.write(connection, current_settings(), [draft])
    waiting = accepting._Waiting(draft, 202)
    assert accepting.committer()._unwritten([waiting]) == []
    assert waiting.answer is not None and waiting.answer.status == 202
    assert count("messages", account) == 1
