"""S47, S49: suppressions by the file: no row is lost, none stops the others, and a kill changes nothing."""

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import orjson
import pytest

from api import create_app
from api.v1 import suppressions_many
from common.config import current_settings, read_settings
from common.db import session
from common.domain.ids import decode
from common.services import advancing, composing, delivery, importing, jobs, keys, quickstart, routing
from common.services.job_kinds import STEPS
from common.services.quickstart import QUICKSTART_ACCOUNT

Call = Callable[..., Any]


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

    def ask(method: str, path: str, body: Any = None, key: str = "live_key", kind: str = "text/csv") -> Any:
        bearer = {"Authorization": f"Bearer {tokens[key]}"}
        if isinstance(body, str | bytes):
            return client.open(path, method=method, data=body, content_type=kind, headers=bearer)
        return client.open(path, method=method, json=body, headers=bearer)

    return ask


def take_in(call: Call, body: str | bytes, query: str = "", kind: str = "text/csv", key: str = "live_key") -> Any:
    """Upload, work the job to its end, and answer it."""
    answer = call("POST", f"/v1/suppressions/imports{query}", body, key, kind)
    assert (answer.status_code, answer.json["state"]) == (202, "waiting"), answer.data
    assert not advancing.advance(uuid_of(answer.json), STEPS, seconds=120)
    return call("GET", f"/v1/jobs/{answer.json['id']}", key=key).json


def uuid_of(job: dict[str, Any]) -> UUID:
    found = decode("job", job["id"])
    assert found is not None
    return found


def rejects(call: Call, job: dict[str, Any]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(call("GET", f"/v1/jobs/{job['id']}/rejects").text)))[1:]


def listed(call: Call, key: str = "live_key") -> dict[str, dict[str, Any]]:
    found = call("GET", "/v1/suppressions?limit=100", key=key).json["data"]
    return {f"{each['recipient']} {each['scope']}": each for each in found}


def test_a_row_is_read_wrong(call: Call) -> None:
    body = (
        "\ufeffEmail,reason,scope,note,created_at,expires_at\r\n"
        "Anna@Example.com,hard_bounce,,,2024-05-01T10:00:00Z,\r\n"
        'b@example.com,,stream:news,"asked, by phone",2024-05-02,2090-01-01T00:00:00+02:00\n'
        "\n"
        "c@example.com\n"
        "c@example.com"
    )
    job = take_in(call, body, "?reason=user_unsubscribed")
    assert (job["state"], job["counts"], job["rejected"]) == ("done", {"added": 3, "present": 1}, 0)
    assert (job["total"], job["processed"], job["progress"]) == (6, 4, 1.0)
    found = listed(call)
    assert found["Anna@example.com all"]["reason"] == "hard_bounce"
    assert found["Anna@example.com all"]["created_at"] == "2024-05-01T10:00:00.000Z"
    news = found["b@example.com stream:news"]
    assert (news["reason"], news["note"]) == ("user_unsubscribed", "asked, by phone")
    assert news["expires_at"] == "2089-12-31T22:00:00.000Z"
    assert found.keys() == {"Anna@example.com all", "b@example.com stream:news", "c@example.com all"}
    assert listed(call, "test_key") == {}


def test_one_bad_row_stops_the_others_or_goes_unsaid(call: Call) -> None:
    bad = [
        ("nobody", "invalid_email"),
        ("a@example.com,banished", "not_in_enum"),
        ("a@example.com,complaint,stream:x", "conflict"),
        ("a@example.com,manual,everything", "invalid_format"),
        ("a@example.com,manual,all,n,yesterday", "invalid_format"),
        ("a@example.com,manual,all,n,,2001-01-01T00:00:00Z", "in_past"),
        (",manual", "required"),
        ('a@example.com,"manual', "invalid_format"),
        ("a@example.com,,,,,,,", "too_many"),
        ("a\0@example.com", "invalid_format"),
        ("\udcff@example.com", "invalid_format"),
    ]
    lines = ["recipient,reason,scope,note,created_at,expires_at", *(line for line, _ in bad), "good@example.com"]
    job = take_in(call, "\n".join(lines).encode("utf-8", "surrogateescape"))
    assert (job["state"], job["counts"], job["rejected"]) == ("done", {"added": 1, "present": 0}, len(bad))
    assert [(int(line), code) for line, _, code, _ in rejects(call, job)] == [
        (number, code) for number, (_, code) in enumerate(bad, 2)
    ]
    assert all(reason for *_, reason in rejects(call, job))


def test_json_lines_are_read_otherwise(call: Call) -> None:
    rows: list[Any] = [
        {"recipient": "a@example.com", "reason": "complaint"},
        {"email": "b@example.com", "scope": "topic:weekly", "note": None},
        {"recipient": "c@example.com", "colour": "red"},
        {"recipient": 7},
        ["a@example.com"],
    ]
    body = b"\n".join([*(orjson.dumps(row) for row in rows), b"{"])
    job = take_in(call, body, kind="application/x-ndjson")
    assert job["counts"] == {"added": 2, "present": 0}
    assert [(line, code) for line, _, code, _ in rejects(call, job)] == [
        ("3", "unknown_field"), ("4", "invalid_type"), ("5", "invalid_type"), ("6", "invalid_format"),
    ]  # fmt: skip


@pytest.mark.parametrize("header", ["name,phone", "reason", "recipient,recipient", "", "\xff"])
def test_a_header_is_guessed(call: Call, header: str) -> None:
    job = take_in(call, f"{header}\na,b\n".encode("latin-1"))
    if header:
        assert job["state"] == "failed"
        assert job["error"].startswith("The first line")
    assert listed(call) == {}


def test_bare_addresses_are_refused(call: Call) -> None:
    assert take_in(call, "a@example.com\nb@example.com\n")["counts"] == {"added": 2, "present": 0}


def test_what_was_suppressed_loses_its_reason_and_what_expired_stays_open(call: Call) -> None:
    call("POST", "/v1/suppressions", {"recipient": "a@example.com", "reason": "complaint"})
    call("POST", "/v1/suppressions", {"recipient": "b@example.com", "expires_at": "2090-01-01T00:00:00Z"})
    with session.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE suppressions SET expires_at = now() - interval '1 s' WHERE recipient_key = 'b@example.com'"
        )
    dry = take_in(call, "a@example.com\nb@example.com\n", "?dry_run=true&reason=hard_bounce")
    assert (dry["dry_run"], dry["counts"]) == (True, {"added": 1, "present": 1})
    assert listed(call).keys() == {"a@example.com all"}
    job = take_in(call, "a@example.com\nb@example.com\n", "?reason=hard_bounce")
    assert job["counts"] == {"added": 1, "present": 1}
    assert {name: each["reason"] for name, each in listed(call).items()} == {
        "a@example.com all": "complaint", "b@example.com all": "hard_bounce",
    }  # fmt: skip


def test_a_line_is_cut_between_two_pieces_or_read_twice_after_a_kill(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "PIECE_BYTES", 37)
    body = "recipient\n" + "".join(f"user{number:03}@example.com\n" for number in range(60)) + "wrong\n"
    job = call("POST", "/v1/suppressions/imports", body).json
    job_id = uuid_of(job)
    assert advancing.advance(job_id, STEPS, seconds=0)
    moved = call("GET", f"/v1/jobs/{job['id']}").json["processed"]

    def killed(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(advancing, "run", killed)
        advancing.advance(job_id, STEPS, seconds=0)
    assert call("GET", f"/v1/jobs/{job['id']}").json["processed"] == moved
    assert not advancing.advance(job_id, STEPS, seconds=60)
    done = call("GET", f"/v1/jobs/{job['id']}").json
    assert (done["state"], done["counts"], done["rejected"]) == ("done", {"added": 60, "present": 0}, 1)
    assert rejects(call, done)[0][:2] == ["62", "wrong"]
    with session.transaction() as connection:
        parts = connection.exec_driver_sql("SELECT count(*) FROM job_parts WHERE file = 'input'").scalar_one()
    assert parts == 0, "an upload is kept after its job"


def test_a_file_is_too_large_or_of_another_kind(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppressions_many, "MOST_ROWS", 3)
    assert call("POST", "/v1/suppressions/imports", "a@example.com\n" * 5).status_code == 413
    monkeypatch.setattr(suppressions_many, "MOST_BYTES", 20)
    assert call("POST", "/v1/suppressions/imports", "a@example.com\n" * 2).status_code == 413
    assert call("POST", "/v1/suppressions/imports", "[]", kind="application/json").status_code == 415
    assert call("POST", "/v1/suppressions/imports?scope=x", "a@example.com\n").status_code == 400
    with session.transaction() as connection:
        assert jobs.sweep(connection) == []


def test_an_export_is_no_import(call: Call) -> None:
    take_in(call, 'recipient,scope,note\na@example.com,all,"one, two"\nb@example.com,stream:news,\n')
    exported = call("GET", "/v1/suppressions/export")
    assert exported.mimetype == "text/csv"
    assert len(exported.text.splitlines()) == 3
    assert len(call("GET", "/v1/suppressions/export?scope=all").text.splitlines()) == 2
    job = take_in(call, exported.data, key="test_key")
    assert job["counts"] == {"added": 2, "present": 0}
    live, test = listed(call), listed(call, "test_key")
    for name, each in live.items():
        assert {key: value for key, value in each.items() if key != "id"} == {
            key: value for key, value in test[name].items() if key != "id"
        }


def test_s49_what_is_suppressed_after_routing_is_sent(call: Call) -> None:
    message_id = call("POST", "/v1/messages", {"recipient": "a@example.com", "subject": "x", "text": "x"}).json[
        "message_id"
    ]
    which = decode("msg", message_id)
    assert which is not None
    with session.transaction() as connection:
        routing.route(connection, [which])
    assert call("GET", f"/v1/messages/{message_id}").json["status"] == "accepted"
    take_in(call, "a@example.com\n")
    with session.transaction() as connection:
        assert delivery.claim(connection, [which], QUICKSTART_ACCOUNT, 15) == []
    assert call("GET", f"/v1/messages/{message_id}").json["status"] == "suppressed"
