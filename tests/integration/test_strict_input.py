"""The attack tables B1, B2 and D1 of the threat model, through the whole application and onto the wire."""

import json
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.db import session
from tests.callers import Api, mail
from tests.fakes.addresses import HOSTILE, INTERNATIONAL, PLAIN
from tests.pipeline import work_off

# B1: header injection

BREAKS = ["\r", "\n", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\x7f"]
INJECTED = "X-Injected: yes"
PLACES: dict[str, Any] = {
    "subject": lambda text: {"subject": text},
    "from": lambda text: {"from": {"email": "hello@example.com", "name": text}},
    "recipient": lambda text: {"recipient": {"email": "b1@example.net", "name": text}},
    "recipient, in one string": lambda text: {"recipient": f"{text} <b1@example.net>"},
    "cc": lambda text: {"cc": [{"email": "b1-cc@example.net", "name": text}]},
    "bcc": lambda text: {"bcc": [{"email": "b1-cc@example.net", "name": text}]},
    "reply_to": lambda text: {"reply_to": {"email": "help@example.com", "name": text}},
    "headers, value": lambda text: {"headers": {"X-Case": text}},
    "headers, name": lambda text: {"headers": {text: "7"}},
    "attachments, filename": lambda text: file(filename=text),
    "attachments, content_type": lambda text: file(content_type=f"text/{text}"),
    "attachments, content_id": lambda text: file(content_id=text),
    "template_data in a subject": lambda text: {
        "template": "invoice",
        "template_data": {"invoice_number": text, "amount": "1", "due_date": "2"},
        "subject": ...,
        "text": ...,
    },
    "text": lambda text: {"text": text},
    "html": lambda text: {"html": f"<p>{text}</p>"},
    "tags": lambda text: {"tags": [text]},
    "metadata": lambda text: {"metadata": {text[:40]: text}},
    "locale": lambda text: {"locale": text},
    "stream": lambda text: {"stream": text},
}
OURS = {
    "from", "to", "cc", "reply-to", "subject", "date", "message-id", "x-sendarix-message-id", "auto-submitted",
    "x-auto-response-suppress", "mime-version", "content-type", "content-transfer-encoding", "x-case", "feedback-id",
    "dkim-signature", "list-unsubscribe", "list-unsubscribe-post",
}  # fmt: skip


def file(**fields: str) -> dict[str, Any]:
    return {"html": "<p>a</p>", "attachments": [{"filename": "a.txt", "content": "aGk=", **fields}]}


def test_b1_a_line_break_in_a_field_makes_a_header(api: Api) -> None:
    taken = set()
    for place, fields in PLACES.items():
        for sign in BREAKS:
            given = mail(recipient="b1@example.net") | fields(f"a{sign}{INJECTED}{sign}{sign}b")
            given = {name: value for name, value in given.items() if value is not ...}
            answer = api.call("POST", "/v1/messages", given)
            assert answer.status_code in (202, 422), (place, sign, answer.data)
            if answer.status_code == 202:
                taken.add(place)
            else:
                assert answer.get_json()["errors"][0]["field"].startswith(place.partition(",")[0]), (place, sign)
    work_off()
    found = api.caught("b1@example.net")
    assert len(found) > 50
    for each in found:
        assert {name.lower() for name in each} <= OURS, each.keys()
        assert not each.defects and len(each.get_all("Subject", [])) == len(each.get_all("To", [])) == 1
        for part in each.walk():
            assert part["X-Injected"] is None
    assert "headers, name" not in taken and {"text", "html", "subject"} <= taken


FORBIDDEN = [
    "From", "To", "Cc", "Bcc", "Sender", "Reply-To", "Subject", "Date", "Message-ID", "Return-Path", "Received",
    "DKIM-Signature", "ARC-Seal", "Authentication-Results", "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
    "List-Unsubscribe", "List-Unsubscribe-Post", "Resent-From",
]  # fmt: skip


def test_b1_a_header_of_ours_can_be_set(api: Api) -> None:
    for name in [*FORBIDDEN, *map(str.upper, FORBIDDEN), *map(str.lower, FORBIDDEN)]:
        answer = api.call("POST", "/v1/messages", mail(headers={name: "x"}))
        assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (422, "forbidden_header"), name


# B2: recipients that are two


def entries(api: Api, addresses: list[str], field: str = "recipient") -> list[dict[str, Any]]:
    wrapped = [mail(**{field: each}) for each in addresses]
    answer = api.call("POST", "/v1/messages/batch", {"messages": wrapped, "on_error": "partial"})
    assert answer.status_code == 202, answer.data
    found: list[dict[str, Any]] = answer.get_json()["data"]
    return found


@pytest.mark.parametrize("field", ["recipient", "from", "cc", "bcc", "reply_to"])
def test_b2_an_address_that_is_none_or_two_is_taken(api: Api, field: str) -> None:
    assert len(HOSTILE) > 175
    # A NUL is refused before there are fields.
    alone = [each for each in HOSTILE if "\0" in each]
    for each in alone[:2]:
        assert api.call("POST", "/v1/messages", mail(**{field: each})).status_code == 400
    readable = [each for each in HOSTILE if "\0" not in each]
    for address, entry in zip(readable, entries(api, readable, field), strict=True):
        assert "error" in entry, (address, entry)
        (error,) = entry["error"]["errors"]
        assert error["field"].startswith(field) and error["code"] in ("invalid_email", "invalid_format"), address
        assert len(error["message"]) < 300


def test_b2_the_envelope_names_somebody_else(api: Api) -> None:
    written = [*PLAIN, *INTERNATIONAL]
    accepted = entries(api, written)
    assert [each.get("recipient") for each in accepted] == [*PLAIN, *INTERNATIONAL.values()]
    work_off()
    with session.transaction() as connection:
        found = session.rows(connection, "SELECT recipient FROM mailbox_messages WHERE subject = 'Hello'")
    envelope = {row.recipient for row in found}
    assert {*PLAIN, *INTERNATIONAL.values()} <= envelope
    assert not any("b@example.net" in each for each in envelope)


# D1: JSON that is a weapon


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + closing * depth).encode()


JSON_BOMBS: dict[str, tuple[bytes, str]] = {
    "33 deep in lists": (b'{"a":' + nested(33) + b"}", "json_too_complex"),
    "33 deep in objects": (b'{"a":' * 33 + b"1" + b"}" * 33, "json_too_complex"),
    "100,000 deep": (nested(100_000), "invalid_json"),
    "500,000 opening brackets": (b"[" * 500_000, "json_too_complex"),
    "200,001 objects": (b"[" + b",".join([b"{}"] * 200_001) + b"]", "json_too_complex"),
    "2,000,001 commas": (b'{"a":[' + b"1," * 2_000_001 + b"1]}", "json_too_complex"),
    "a duplicate key": (b'{"subject":"a","subject":"b"}', "invalid_json"),
    "a duplicate key, escaped": (b'{"subject":"a","\\u0073ubject":"b"}', "invalid_json"),
    "a duplicate key inside": (b'{"metadata":{"a":1,"a":2}}', "invalid_json"),
    "NaN": (b'{"ttl":NaN}', "invalid_json"),
    "Infinity": (b'{"ttl":-Infinity}', "invalid_json"),
    "1e999": (b'{"metadata":{"a":1e999}}', "invalid_json"),
    "2^63": (b'{"metadata":{"a":9223372036854775808}}', "invalid_json"),
    "-2^63-1": (b'{"template_data":{"a":[-9223372036854775809]}}', "invalid_json"),
    "2^64": (b'{"metadata":{"a":18446744073709551616}}', "invalid_json"),
    "100 digits": (b'{"metadata":{"a":' + b"9" * 100 + b"}}", "invalid_json"),
    "5,000 digits": (b'{"metadata":{"a":' + b"9" * 5000 + b"}}", "invalid_json"),
    "NUL, escaped": (b'{"subject":"a\\u0000b"}', "invalid_json"),
    "NUL in a key": (b'{"metadata":{"a\\u0000":1}}', "invalid_json"),
    "NUL, raw": (b'{"subject":"a\x00b"}', "invalid_json"),
    "a control character": (b'{"subject":"a\x01b"}', "invalid_json"),
    "a lone high surrogate": (b'{"subject":"\\ud800"}', "invalid_json"),
    "a lone low surrogate": (b'{"subject":"\\udc00a"}', "invalid_json"),
    "surrogates the wrong way round": (b'{"subject":"\\udc00\\ud800"}', "invalid_json"),
    "a surrogate in UTF-8": (b'{"subject":"\xed\xa0\x80"}', "invalid_json"),
    "overlong UTF-8": (b'{"subject":"\xc0\xaf"}', "invalid_json"),
    "latin-1": ('{"subject":"é"}'.encode("latin-1"), "invalid_json"),
    "UTF-16": ('{"subject":"a"}'.encode("utf-16"), "invalid_json"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "invalid_json"),
    "a comment": (b"{/* */}", "invalid_json"),
    "a trailing comma": (b'{"a":1,}', "invalid_json"),
    "single quotes": (b"{'a':1}", "invalid_json"),
    "two documents": (b"{}{}", "invalid_json"),
    "a list": (b"[]", "invalid_json"),
    "a string": (b'"a"', "invalid_json"),
    "null": (b"null", "invalid_json"),
    "nothing": (b"", "invalid_json"),
    "blanks": (b" \n", "invalid_json"),
    "half": (b'{"recipient":"a@exa', "invalid_json"),
}


@pytest.mark.parametrize("name", JSON_BOMBS)
def test_d1_a_bomb_is_not_refused_at_once(api: Api, name: str) -> None:
    raw, code = JSON_BOMBS[name]
    since = time.thread_time()
    answer = api.call("POST", "/v1/messages", raw)
    assert (answer.status_code, answer.get_json()["code"]) == (400, code), answer.data
    assert time.thread_time() - since < 1.0
    assert len(answer.data) < 2000


def test_d1_what_is_just_within_the_limits_is_refused(api: Api) -> None:
    deep: Any = 1
    for _ in range(30):
        deep = [deep]
    data = {"code": "1", "expires_in": "1"}
    within = data | {"deep": deep, "list": list(range(1000))}
    answer = api.call("POST", "/v1/messages", mail(template="otp-code", template_data=within, text=..., subject=...))
    assert {each["code"] for each in answer.get_json()["errors"]} == {"unknown_field"}  # read, and no variable
    numbers = {"most": 2**63 - 1, "least": -(2**63), "float": 1e300, "whole": 1e20}
    message_id = api.send(template="otp-code", template_data=data, metadata=numbers, text=...)["message_id"]
    assert api.read(message_id)["metadata"] == numbers


LIMITS: list[tuple[dict[str, Any], str, str]] = [
    ({"subject": "x" * 999}, "subject", "too_long"),
    ({"subject": "ü" * 500}, "subject", "too_long"),
    ({"headers": {f"X-{n}": "a" for n in range(51)}}, "headers", "too_many"),
    ({"headers": {"X-" + "a" * 63: "a"}}, "headers.X-" + "a" * 63, "invalid_format"),
    ({"headers": {"7X": "a"}}, "headers.7X", "invalid_format"),
    ({"headers": {"X-A": "a" * 2049}}, "headers.X-A", "too_long"),
    ({"headers": {"X-A": "ü" * 1025}}, "headers.X-A", "too_long"),
    ({"attachments": [{"filename": "a", "content": ""}] * 101}, "attachments", "too_many"),
    ({"attachments": [{"filename": "a" * 256, "content": ""}]}, "attachments.0.filename", "invalid_format"),
    ({"attachments": [{"filename": "../a", "content": ""}]}, "attachments.0.filename", "invalid_format"),
    ({"attachments": [{"filename": "a\\b", "content": ""}]}, "attachments.0.filename", "invalid_format"),
    ({"attachments": [{"filename": "a", "content": "a"}]}, "attachments.0.content", "invalid_format"),
    (
        {"attachments": [{"filename": "a", "content": "", "content_type": "text"}]},
        "attachments.0.content_type",
        "invalid_format",
    ),
    ({"metadata": {str(n): n for n in range(51)}}, "metadata", "too_many"),
    ({"metadata": {"k" * 41: 1}}, "metadata." + "k" * 41, "too_long"),
    ({"metadata": {"a": "v" * 501}}, "metadata.a", "too_long"),
    ({"tags": [str(n) for n in range(11)]}, "tags", "too_many"),
    (
        {"cc": [f"c{n}@example.net" for n in range(25)], "bcc": [f"b{n}@example.net" for n in range(25)]},
        "cc",
        "too_many",
    ),
    ({"reply_to": [f"c{n}@example.net" for n in range(11)]}, "reply_to", "too_many"),
    ({"ttl": 31 * 86400}, "ttl", "too_large"),
    ({"scheduled_time": "2099-01-01T00:00:00Z"}, "scheduled_time", "too_far"),
    ({"scheduled_time": "2026-12-01"}, "scheduled_time", "invalid_format"),
]


@pytest.mark.parametrize(("fields", "field", "code"), LIMITS, ids=[f"{each[1][:20]} {each[2]}" for each in LIMITS])
def test_s8_a_limit_is_passed(api: Api, fields: dict[str, Any], field: str, code: str) -> None:
    answer = api.call("POST", "/v1/messages", mail(**fields))
    assert answer.status_code == 422, answer.data
    assert (field, code) in [(each["field"], each["code"]) for each in answer.get_json()["errors"]], answer.data


UNKNOWN = {
    "to": "recipient", "email": "recipient", "recipients": "recipient", "scheduled_at": "scheduled_time",
    "send_at": "scheduled_time",
    "subjet": "subject", "templte": "template", "templateData": "template_data", "template_vars": "template_data",
    "replyTo": "reply_to", "reply-to": "reply_to", "attachment": "attachments", "tag": "tags", "meta": "metadata",
    "body": "html", "TTL": "ttl", "expiresAt": "expires_at", "priorty": "priority", "html_body": "html",
    "text_body": "text", "sender": "from", "data": "template_data", "zzzzzz": None,
}  # fmt: skip


def test_a_mistyped_field_is_ignored_or_not_understood(api: Api) -> None:
    answer = api.call("POST", "/v1/messages", mail() | {name: "x" for name in UNKNOWN})
    assert answer.status_code == 422
    told = {each["field"]: each for each in answer.get_json()["errors"]}
    for name, meant in UNKNOWN.items():
        assert told[name]["code"] == "unknown_field"
        if meant is not None:
            assert f"did you mean {meant}?" in told[name]["message"], told[name]


# No bytes are a 5xx

_MANY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
_PIECES = st.sampled_from(
    [b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", b"\\u0000", b"\\ud800", b"null", b"true", b"-", b"1e9", b"1e400",
     b'"recipient"', b'"subject"', b'"text"', b'"messages"', b'"url"', b'"scopes"', b'"a@example.net"', b" ", b"\n",
     b"\x00", b"\xff", b"\xed\xa0\x80"]
)  # fmt: skip


def posting(api: Api) -> Iterator[str]:
    for rule in api.client.application.url_map.iter_rules():
        if "POST" in (rule.methods or ()) and rule.rule.startswith("/v1/"):
            path = rule.rule
            for argument in rule.arguments:
                path = path.replace(f"<{argument}>", "x_01h455vb4pex5vsknk084sn02q")
            yield path


@_MANY
@given(raw=st.binary(max_size=200) | st.lists(_PIECES, max_size=25).map(b"".join), data=st.data())
def test_no_bytes_on_any_post_route_are_a_5xx(api: Api, raw: bytes, data: Any) -> None:
    for path in posting(api):
        answer = api.call("POST", path, raw)
        assert answer.status_code < 500, (path, raw, answer.data)
        assert isinstance(orjson.loads(answer.data or b"{}"), dict)
    key = data.draw(st.binary(max_size=20)).decode("latin-1").replace("\r", "").replace("\n", "")
    answer = api.call("POST", "/v1/messages", json.dumps(mail()).encode(), Idempotency_Key=key, X_Request_Id=key)
    assert answer.status_code < 500, key
