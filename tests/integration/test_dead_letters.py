"""S69: dead letters over HTTP: none is lost, sent twice or seen by another; and the jobs that work on many."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest

from api import create_app
from api.v1 import dead_letters as views
from common import clock
from common.config import current_settings, read_settings
from common.db import session
from common.domain.ids import decode, encode
from common.domain.outcomes import Outcome
from common.services import advancing, composing, delivery, issuing, jobs, keys, quickstart, replaying
from common.services.quickstart import QUICKSTART_ACCOUNT
from tests.builders import an_account

Call = Callable[..., Any]
FULL = Outcome("bounced", "rcpt", 552, "5.2.2", "5.2.2 Mailbox full", "mailbox_full")
BLOCKED = Outcome("bounced", "rcpt", 554, "5.7.1", "5.7.1 Blocked", "policy")


@pytest.fixture
def tokens(database: None, engines: Any) -> Iterator[dict[str, str]]:
    keys.forget()
    composing.forget()
    with session.transaction() as connection:
        made = quickstart.prepare(connection, current_settings())
    yield made
    keys.forget()


@pytest.fixture
def call(tokens: dict[str, str]) -> Call:
    client = create_app(read_settings(rate_limit_per_minute=100_000)).test_client()

    def ask(method: str, path: str, body: Any = None, key: str = "") -> Any:
        bearer = {"Authorization": f"Bearer {key or tokens['live_key']}"}
        return client.open(path, method=method, json=body, headers=bearer)

    return ask


def die(call: Call, count: int = 1, outcome: Outcome = FULL, **fields: Any) -> list[str]:
    """Messages that were sent and refused; their ids, oldest first."""
    key = fields.pop("key", "")
    ids = []
    for number in range(count):
        mail = {"recipient": f"user{number}@example.net", "subject": "Hello", "text": "Hello."} | fields
        ids.append(call("POST", "/v1/messages", mail, key).json["message_id"])
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE messages SET status = 'accepted' WHERE status = 'queued'")
        wanted = [decode("msg", each) for each in ids]
        claimed = delivery.claim(connection, [each for each in wanted if each], QUICKSTART_ACCOUNT, 15)
        delivery.record(connection, current_settings(), [(each, outcome) for each in claimed], clock.now())
    return ids


def code_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, orjson.loads(answer.data)["code"]


def copies() -> int:
    with session.transaction() as connection:
        found = connection.exec_driver_sql("SELECT count(*) FROM message_contents WHERE original_id IS NOT NULL")
        return int(found.scalar_one())


def test_s69_a_dead_letter_does_not_say_what_happened(call: Call) -> None:
    (dead,) = die(call)
    found = call("GET", f"/v1/dead-letters/{dead}").json
    assert (found["state"], found["status"], found["attempts"]) == ("waiting", "bounced", 1)
    assert found["detail"] == FULL.reply
    assert found["message"]["message_id"] == dead
    assert [each["reply"] for each in found["conversations"]] == [FULL.reply]
    (listed,) = call("GET", "/v1/dead-letters").json["data"]
    assert listed == {name: value for name, value in found.items() if name not in ("message", "conversations")}


def test_s69_a_cause_is_counted_wrong(call: Call) -> None:
    die(call, 3)
    (newest,) = die(call, 1, BLOCKED)
    first, second = call("GET", "/v1/dead-letters/causes").json["data"]
    assert (first["count"], first["waiting"], first["recipient_domains"]) == (3, 3, 1)
    assert (second["count"], second["newest_message_id"], second["newest_detail"]) == (1, newest, BLOCKED.reply)
    assert call("GET", f"/v1/dead-letters?cause={second['cause']}").json["data"][0]["message_id"] == newest
    assert call("GET", "/v1/dead-letters/causes?domain=example.org").json["data"] == []


def test_s69_a_filter_or_a_page_loses_one(call: Call) -> None:
    ids = die(call, 5)
    first = call("GET", "/v1/dead-letters?limit=2").json
    second = call("GET", f"/v1/dead-letters?limit=2&cursor={first['next_cursor']}").json
    third = call("GET", f"/v1/dead-letters?limit=2&cursor={second['next_cursor']}").json
    assert sorted(each["message_id"] for page in (first, second, third) for each in page["data"]) == sorted(ids)
    assert call("GET", f"/v1/dead-letters?limit=2&cursor={second['prev_cursor']}").json["data"] == first["data"]
    (one,) = call("GET", "/v1/dead-letters?recipient=USER3@example.net&domain=Example.NET").json["data"]
    assert one["message_id"] == ids[3]
    assert call("GET", "/v1/dead-letters?state=replayed,discarded").json["data"] == []
    assert code_of(call("GET", f"/v1/dead-letters?cause=x&cursor={first['next_cursor']}")) == (400, "invalid_cursor")


def test_s69_a_replay_sends_twice(call: Call) -> None:
    (dead,) = die(call, subject="Bill", tags=["a"])
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: call("POST", f"/v1/dead-letters/{dead}/replay"), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    (made,) = {answer.json["replayed_as"] for answer in answers}
    assert copies() == 1
    message = call("GET", f"/v1/messages/{made}").json
    assert (message["resent_from"], message["subject"], message["tags"]) == (dead, "Bill", ["a"])
    shown = call("GET", f"/v1/dead-letters/{dead}").json
    assert (shown["state"], shown["replayed_as"]) == ("replayed", made)
    assert code_of(call("POST", f"/v1/dead-letters/{dead}/discard", {"reason": "old"})) == (409, "conflict")


def test_s69_a_discarded_one_is_sent_or_loses_its_reason(call: Call) -> None:
    (dead,) = die(call)
    first = call("POST", f"/v1/dead-letters/{dead}/discard", {"reason": "asked by phone"}).json
    again = call("POST", f"/v1/dead-letters/{dead}/discard", {"reason": "something else"}).json
    assert (first["state"], first["discard_reason"]) == ("discarded", "asked by phone")
    assert again == first
    assert code_of(call("POST", f"/v1/dead-letters/{dead}/replay")) == (409, "conflict")
    assert code_of(call("POST", f"/v1/dead-letters/{dead}/discard", {})) == (422, "validation_error")
    assert copies() == 0


@pytest.mark.parametrize(("method", "verb"), [("GET", ""), ("POST", "/replay"), ("POST", "/discard")])
def test_e3_a_dead_letter_of_another_is_reached(call: Call, tokens: dict[str, str], method: str, verb: str) -> None:
    (dead,) = die(call)
    other = an_account()
    with session.transaction() as connection:
        theirs = issuing.create_for(connection, other.id, {"environment": "live", "scopes": ["admin"]})["secret"]
    body = {"reason": "x"} if verb == "/discard" else None
    for key in (theirs, tokens["test_key"]):
        assert code_of(call(method, f"/v1/dead-letters/{dead}{verb}", body, key)) == (404, "not_found")
        assert call("GET", "/v1/dead-letters", key=key).json["data"] == []
        assert call("GET", "/v1/dead-letters/causes", key=key).json["data"] == []
        job = call("POST", "/v1/dead-letters/replay", {"message_ids": [dead]}, key).json
        assert (job["state"], job["counts"], job["rejected"]) == (
            "done", {"replayed": 0, "already_replayed": 0}, 1
        )  # fmt: skip
        assert call("POST", "/v1/dead-letters/replay", {"filter": {}}, key).json["total"] == 0
    assert call("GET", f"/v1/dead-letters/{dead}").json["state"] == "waiting"


def test_s69_many_ids_are_replayed_more_than_once_or_refused_in_silence(call: Call) -> None:
    ids = die(call, 3)
    call("POST", f"/v1/dead-letters/{ids[0]}/discard", {"reason": "old"})
    alive = call("POST", "/v1/messages", {"recipient": "a@example.net", "subject": "x", "text": "x"}).json["message_id"]
    for counts in ({"replayed": 2, "already_replayed": 0}, {"replayed": 0, "already_replayed": 2}):
        answer = call("POST", "/v1/dead-letters/replay", {"message_ids": [*ids, alive, ids[1]]})
        assert (answer.status_code, answer.json["state"], answer.json["progress"]) == (202, "done", 1.0)
        assert (answer.json["counts"], answer.json["rejected"], answer.json["total"]) == (counts, 2, 4)
        rejects = call("GET", f"/v1/jobs/{answer.json['id']}/rejects").text.splitlines()
        assert [line.split(",")[:3] for line in rejects] == [
            ["line", "value", "code"], ["1", ids[0], "conflict"], ["4", alive, "not_found"],
        ]  # fmt: skip
    assert copies() == 2


def test_s69_a_filter_takes_what_does_not_match_or_its_own_copies(call: Call) -> None:
    wanted, others = die(call, 3), die(call, 2, BLOCKED)
    gone = die(call, recipient="user9@example.org")
    cause = call("GET", f"/v1/dead-letters/{wanted[0]}").json["cause"]
    chosen = {"filter": {"cause": [cause], "domain": "Example.net"}}
    dry = call("POST", "/v1/dead-letters/replay", chosen | {"dry_run": True}).json
    assert (dry["dry_run"], dry["total"], dry["counts"]["replayed"], copies()) == (True, 3, 3, 0)
    done = call("POST", "/v1/dead-letters/replay", chosen).json
    assert (done["state"], done["counts"], copies()) == ("done", {"replayed": 3, "already_replayed": 0}, 3)
    for each in others + gone:
        assert call("GET", f"/v1/dead-letters/{each}").json["state"] == "waiting"
    assert call("POST", "/v1/dead-letters/replay", chosen).json["total"] == 0
    discarded = call("POST", "/v1/dead-letters/discard", {"filter": {}, "reason": "done with it"}).json
    assert discarded["counts"] == {"discarded": 3, "already_discarded": 0}
    assert {each["state"] for each in call("GET", "/v1/dead-letters").json["data"]} == {"replayed", "discarded"}


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "message_ids", "required"),
        ({"message_ids": ["msg_1"]}, "message_ids.0", "invalid_format"),
        ({"message_ids": []}, "message_ids", "too_short"),
        ({"message_ids": [encode("msg", QUICKSTART_ACCOUNT)], "filter": {}}, "message_ids", "conflict"),
        ({"filter": {"cuase": ["x"]}}, "filter.cuase", "unknown_field"),
        ({"filter": {}, "dry_run": 1}, "dry_run", "invalid_type"),
    ],
)
def test_s9_a_wrong_choice_is_not_named(call: Call, body: dict[str, Any], field: str, code: str) -> None:
    answer = call("POST", "/v1/dead-letters/replay", body)
    assert answer.status_code == 422, answer.data
    assert [(each["field"], each["code"]) for each in orjson.loads(answer.data)["errors"]] == [(field, code)]


def test_a_replay_reaches_further_than_the_key(call: Call) -> None:
    (dead,) = die(call)
    weak = call("POST", "/v1/api-keys", {"scopes": ["messages:send", "messages:read"], "templates": ["otp-code"]})
    answer = call("POST", f"/v1/dead-letters/{dead}/replay", key=weak.json["secret"])
    assert code_of(answer) == (403, "template_not_allowed")
    job = call("POST", "/v1/dead-letters/replay", {"message_ids": [dead]}, weak.json["secret"]).json
    assert "template_not_allowed" in call("GET", f"/v1/jobs/{job['id']}/rejects").text
    assert copies() == 0


def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows a portion, and nothing is done within the request."""
    monkeypatch.setattr(replaying, "MOST_ROWS", 2)
    monkeypatch.setattr(views, "advance", lambda *_, **__: True)


def test_a_job_that_was_killed_begins_again_or_skips(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    slowly(monkeypatch)
    die(call, 5)
    job = call("POST", "/v1/dead-letters/replay", {"filter": {}}).json
    job_id = decode("job", job["id"])
    assert job_id is not None and (job["state"], job["processed"]) == ("waiting", 0)
    assert advancing.advance(job_id, replaying.STEPS, seconds=0)
    half = call("GET", f"/v1/jobs/{job['id']}").json
    assert (half["state"], half["processed"], half["progress"], copies()) == ("running", 2, 0.4, 2)

    def killed(*_: Any) -> None:
        raise SystemExit  # what a kill does to the transaction: it is never committed

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(advancing, "run", killed)
        advancing.advance(job_id, replaying.STEPS, seconds=0)
    assert copies() == 2
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE jobs SET lease_until = now() - interval '1 s'")
        assert jobs.sweep(connection) == [job_id]
        assert jobs.sweep(connection) == []
    assert not advancing.advance(job_id, replaying.STEPS, seconds=60)
    done = call("GET", f"/v1/jobs/{job['id']}").json
    assert (done["state"], done["processed"], done["counts"]["replayed"], copies()) == ("done", 5, 5, 5)


def test_two_workers_do_the_same_portion(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    slowly(monkeypatch)
    die(call, 8)
    job = call("POST", "/v1/dead-letters/replay", {"filter": {}}).json
    job_id = decode("job", job["id"])
    assert job_id is not None
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            list(pool.map(lambda _: advancing.advance(job_id, replaying.STEPS, seconds=60), range(4)))
    done = call("GET", f"/v1/jobs/{job['id']}").json
    assert (done["state"], done["processed"], copies()) == ("done", 8, 8)


def test_a_stopped_job_goes_on(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    slowly(monkeypatch)
    die(call, 4)
    job = call("POST", "/v1/dead-letters/replay", {"filter": {}}).json
    job_id = decode("job", job["id"])
    assert job_id is not None and advancing.advance(job_id, replaying.STEPS, seconds=0)
    for _ in range(2):
        assert call("DELETE", f"/v1/jobs/{job['id']}").json["state"] == "cancelled"
    assert not advancing.advance(job_id, replaying.STEPS, seconds=60)
    assert copies() == 2
    finished = call("POST", "/v1/dead-letters/discard", {"filter": {}, "reason": "x"}).json
    assert not advancing.advance(decode("job", finished["id"]) or job_id, replaying.STEPS, seconds=60)
    assert code_of(call("DELETE", f"/v1/jobs/{finished['id']}")) == (409, "conflict")


def test_a_job_outlives_its_key(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    slowly(monkeypatch)
    die(call)
    key = call("POST", "/v1/api-keys", {"scopes": ["messages:send"]}).json
    job = call("POST", "/v1/dead-letters/replay", {"filter": {}}, key["secret"]).json
    call("DELETE", f"/v1/api-keys/{key['id']}")
    assert not advancing.advance(decode("job", job["id"]) or QUICKSTART_ACCOUNT, replaying.STEPS, seconds=60)
    failed = call("GET", f"/v1/jobs/{job['id']}").json
    assert (failed["state"], copies()) == ("failed", 0)
    assert "revoked" in failed["error"]


def test_a_defect_in_a_job_goes_round_for_ever(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    slowly(monkeypatch)
    die(call)
    job = call("POST", "/v1/dead-letters/replay", {"filter": {}}).json
    job_id = decode("job", job["id"])
    assert job_id is not None

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    for _ in range(advancing.MOST_FAILURES):
        assert not advancing.advance(job_id, {job["kind"]: broken}, seconds=60)
    assert call("GET", f"/v1/jobs/{job['id']}").json["state"] == "failed"


def test_e4_a_job_is_seen_without_the_scope_of_its_kind(call: Call) -> None:
    die(call)
    job = call("POST", "/v1/dead-letters/discard", {"filter": {}, "reason": "x"}).json
    reader = call("POST", "/v1/api-keys", {"scopes": ["messages:read"]}).json["secret"]
    stranger = call("POST", "/v1/api-keys", {"scopes": ["suppressions:read"]}).json["secret"]
    assert [each["id"] for each in call("GET", "/v1/jobs", key=reader).json["data"]] == [job["id"]]
    assert call("GET", "/v1/jobs", key=stranger).json["data"] == []
    for path in ("", "/rejects"):
        assert code_of(call("GET", f"/v1/jobs/{job['id']}{path}", key=stranger)) == (403, "insufficient_scope")
        assert call("GET", f"/v1/jobs/{job['id']}{path}", key=reader).status_code == 200
    assert code_of(call("DELETE", f"/v1/jobs/{job['id']}", key=reader)) == (403, "insufficient_scope")


def test_jobs_are_kept_for_ever(call: Call) -> None:
    die(call)
    job = call("POST", "/v1/dead-letters/discard", {"filter": {}, "reason": "x"}).json
    with session.transaction() as connection:
        assert jobs.prune(connection) == 0
        connection.exec_driver_sql("UPDATE jobs SET ended_at = now() - interval '31 days'")
        assert jobs.prune(connection) == 1
    assert code_of(call("GET", f"/v1/jobs/{job['id']}")) == (404, "not_found")
