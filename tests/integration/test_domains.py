"""Domains over HTTP: what to publish, what DNS says of it, and no mail from what is not proved."""

from typing import Any

import pytest

from common.config import current_settings
from common.db import session
from common.domain.domain_records import FOUND, MISSING, Finding
from common.domain.ids import decode
from common.services import composing, domains
from tests.callers import Api, mail
from tests.fakes.dns_lab import DnsLab
from workers.scheduler import domains as checking

NAMES = iter(f"acme{number}.example" for number in range(100))


def add(api: Api, **fields: Any) -> dict[str, Any]:
    answer = api.call("POST", "/v1/domains", {"name": next(NAMES)} | fields)
    assert answer.status_code == 201, answer.data
    found: dict[str, Any] = answer.get_json()
    return found


def report(domain: dict[str, Any], state: str) -> None:
    """What a worker reports after it has asked: every record in this state."""
    findings = [
        Finding(each["purpose"], each["type"], each["name"], state, "so it is", expected=each["value"])
        for each in domain["records"]
    ]
    with session.transaction() as connection:
        which = decode("dom", domain["id"])
        assert which is not None
        domains.report(connection, current_settings(), which, findings)
    composing.forget()


def test_s18_a_domain_does_not_say_what_to_publish(api: Api) -> None:
    made = add(api)
    assert (made["state"], made["checked_at"]) == ("pending", None)
    required = [each for each in made["records"] if each["required"]]
    assert [(each["purpose"], each["type"], each["state"]) for each in required] == [("dkim", "TXT", "unchecked")]
    assert required[0]["name"] == f"{required[0]['host']}.{made['name']}"
    assert api.call("GET", f"/v1/domains/{made['id']}").get_json() == made
    assert made in api.call("GET", "/v1/domains?state=pending").get_json()["data"]
    assert api.call("POST", "/v1/domains", {"name": made["name"].upper()}).status_code == 409


def test_s18_mail_leaves_before_the_proof_or_not_after_it(api: Api) -> None:
    made = add(api)
    sender = mail(**{"from": f"a@{made['name']}"})
    assert api.call("POST", "/v1/messages", sender).status_code == 403
    report(made, MISSING)
    assert api.call("GET", f"/v1/domains/{made['id']}").get_json()["state"] == "pending"
    report(made, FOUND)
    shown = api.call("GET", f"/v1/domains/{made['id']}").get_json()
    assert (shown["state"], shown["verified_at"] is None) == ("verified", False)
    assert {each["state"] for each in shown["records"]} == {FOUND}
    assert api.call("POST", "/v1/messages", sender).status_code == 202
    report(made, MISSING)
    assert api.call("GET", f"/v1/domains/{made['id']}").get_json()["state"] == "degraded"
    assert api.call("DELETE", f"/v1/domains/{made['id']}").status_code == 204
    composing.forget()
    assert api.call("POST", "/v1/messages", sender).status_code == 403


def test_a_check_is_never_made_or_made_by_all(api: Api) -> None:
    which = decode("dom", add(api)["id"])
    with session.transaction() as connection:
        assert which in domains.sweep(connection)
        assert which not in domains.sweep(connection)
    assert api.call("POST", f"/v1/domains/{'dom' + str(which)}/verify").status_code == 404


def test_a_rotation_stops_signing(api: Api) -> None:
    made = add(api)
    report(made, FOUND)
    rotated = api.call("POST", f"/v1/domains/{made['id']}/rotate-keys").get_json()
    before = {each["name"] for each in made["records"]}
    new = [each for each in rotated["records"] if each["purpose"] == "dkim" and each["name"] not in before]
    assert len(new) == 2 and rotated["state"] == "verified"
    assert api.call("POST", f"/v1/domains/{made['id']}/rotate-keys").status_code == 409


@pytest.mark.parametrize("name", ["", "a", "x y.example", "-.example", "a@b.example", 7])
def test_s8_a_name_that_is_no_domain_is_taken(api: Api, name: Any) -> None:
    assert api.call("POST", "/v1/domains", {"name": name}).status_code == 422


def test_streams_with_one_click_are_set_or_read_wrongly(api: Api) -> None:
    streams = {"news": {"unsubscribe": True, "scope": "topic:offers"}, "*": {"unsubscribe": False}}
    made = add(api, streams=streams)
    assert made["streams"] == streams
    changed = api.call("PATCH", f"/v1/domains/{made['id']}", {"streams": {"*": {"unsubscribe": True, "scope": None}}})
    assert changed.get_json()["streams"] == {"*": {"unsubscribe": True}}
    for wrong in ({"A b": {"unsubscribe": True}}, {"a": {}}, {"a": True}, {"a": {"unsubscribe": 1}}, [],
                  {"a": {"unsubscribe": True, "x": 1}}, {"a": {"unsubscribe": True, "scope": "nobody"}}):  # fmt: skip
        answer = api.call("PATCH", f"/v1/domains/{made['id']}", {"streams": wrong})
        assert answer.status_code == 422 and answer.get_json()["errors"][0]["field"].startswith("streams"), wrong


def test_a_readiness_report_speaks_of_other_mail_or_other_records(api: Api) -> None:
    made = add(api, streams={"news": {"unsubscribe": True}})
    report(made, FOUND)
    sender = mail(**{"from": f"a@{made['name']}"})
    for _ in range(3):
        assert api.call("POST", "/v1/messages", sender).status_code == 202
    with session.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE messages SET status = 'delivered', delivery = '{\"tls\": \"TLSv1.3\"}' WHERE id IN"
            " (SELECT message_id FROM message_contents WHERE sender ->> 'email' = %s)",
            (f"a@{made['name']}",),
        )
    found = api.call("GET", f"/v1/domains/{made['id']}/readiness").get_json()
    checks = {each["check"]: each for each in found["checks"]}
    assert (found["bulk"], found["most_a_day"], checks["tls"]["found"]) == (
        False, 3, "100.0% of 3 mails travelled encrypted."
    )  # fmt: skip
    assert (checks["dkim"]["state"], checks["complaints"]["state"]) == ("ok", "unknown")
    assert set(found["providers"]) == {"gmail", "yahoo", "microsoft"}
    assert api.call("GET", "/v1/domains/dom_01k5qkz0v8fyw9m2q3r4s5t6v7/readiness").status_code == 404


def test_a_check_does_not_ask_whose_address_mail_leaves_from(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made = add(api)
    which = decode("dom", made["id"])
    name = f"out-{which.hex[:6]}" if which else ""
    source = {"name": name, "kind": "direct", "ehlo_name": "out.acme.example", "bind_ipv4": "198.41.0.4"}
    assert api.call("POST", "/v1/sources", source, api.admin).status_code == 201
    with session.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE sources SET ehlo_name = 'out.acme.example', bind_ipv4 = '198.41.0.4' WHERE kind = 'direct'"
        )
    zone: dict[tuple[str, str], Any] = {("4.0.41.198.in-addr.arpa", "PTR"): ["out.acme.example."]}
    with DnsLab(zone) as lab:
        settings = lab.settings(dns_authority_port=lab.port)
        monkeypatch.setattr(checking, "current_settings", lambda: settings)
        for address, said in (("198.41.0.5", "failed"), ("198.41.0.4", "ok")):
            lab.zone[("out.acme.example", "A")] = [address]
            checking.check_domains.run([str(which)])
            found = api.call("GET", f"/v1/domains/{made['id']}/readiness").get_json()
            told = next(each for each in found["checks"] if each["check"] == "reverse_dns")
            assert (told["state"] == said, f"{name}: 198.41.0.4" in told["found"]) == (True, True), told
