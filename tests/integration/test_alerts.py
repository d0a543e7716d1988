"""Alerts (S62, S63): what should be noticed opens once, is told by webhook and mail, closes, and is remembered."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from common import clock
from common.config import current_settings
from common.db.session import engine, rows, run, transaction
from common.services import alarming, folding
from tests.callers import Api, an_api
from tests.pipeline import work_off
from workers.scheduler.rounds import Rounds


@pytest.fixture
def api(database: None) -> Iterator[Api]:
    with an_api() as found:
        yield found


def make(api: Api, **fields: Any) -> str:
    answer = api.call("POST", "/v1/alerts", {"name": "Mine", **fields})
    assert answer.status_code == 201, answer.data
    return str(answer.get_json()["id"])


def look() -> list[str]:
    with transaction() as connection:
        folding.fold(connection)
    with transaction() as connection:
        return alarming.evaluate(connection, current_settings())


def incidents(api: Api, alert_id: str, state: str = "open") -> list[dict[str, Any]]:
    answer = api.call("GET", f"/v1/alerts/{alert_id}/incidents?state={state}")
    assert answer.status_code == 200, answer.data
    found: list[dict[str, Any]] = answer.get_json()["data"]
    return found


def bounce(api: Api, **fields: Any) -> None:
    """A message that bounces, for an address that is not suppressed yet."""
    key = fields.pop("key", None)
    api.send(key, recipient=f"bounced+{uuid4().hex[:8]}@simulator.sendarix.test", **fields)
    work_off()


def told(kind: str) -> list[dict[str, Any]]:
    with transaction() as connection:
        return [row.data for row in rows(connection, "SELECT data FROM events WHERE type = %s ORDER BY id", kind)]


def mails() -> list[Any]:
    sql = "SELECT m.recipient, c.subject, c.text FROM messages m JOIN message_contents c ON c.message_id = m.id"
    with transaction() as connection:
        return rows(connection, f"{sql} WHERE c.tags @> '{{sendarix-notice}}' ORDER BY m.id")


def hour_ago(hours: int) -> None:
    """Let all that was counted have been hours earlier."""
    with transaction() as connection:
        run(connection, "UPDATE analytics_counts SET bucket = bucket - make_interval(hours => %s)", hours)


def test_s62_reset_mail_that_bounces_is_noticed_by_nobody(api: Api) -> None:
    hook = api.call("POST", "/v1/webhooks", {"url": "https://example.com/hook", "event_types": ["alert.*"]}).get_json()
    alert = make(api, kind="bounces", tag="password-reset", email="security@example.net")
    other = make(api, kind="bounces", tag="invoice")
    bounce(api, tags=["newsletter"])
    assert look() == [] and not incidents(api, alert)
    bounce(api, tags=["password-reset"])
    assert look() == [f"opened {alert}"] and look() == []
    (seen,) = incidents(api, alert)
    assert (seen["state"], seen["value"], seen["subject"], seen["closed_at"]) == ("open", 1.0, None, None)
    (event,) = told("alert.opened")
    assert (event["alert_id"], event["incident_id"], event["kind"]) == (alert, seen["id"], "bounces")
    with transaction() as connection:
        (left,) = rows(connection, "SELECT type, payload FROM webhook_deliveries")
    assert left.type == "alert.opened" and alert in left.payload and hook["id"]
    (mail,) = mails()
    assert mail.recipient == "security@example.net" and mail.subject == "Alert opened: Mine"
    assert api.call("GET", f"/v1/alerts/{alert}").get_json()["open_incidents"] == 1
    assert not incidents(api, other)
    hour_ago(2)
    assert look() == [f"closed {alert}"] and not incidents(api, alert)
    (seen,) = incidents(api, alert, "closed")
    assert seen["peak"] == 1.0 and seen["value"] == 0.0 and seen["closed_at"] and len(told("alert.closed")) == 1
    assert [each.subject for each in mails()] == ["Alert opened: Mine", "Alert closed: Mine"]


def test_s63_a_key_that_sends_far_more_than_usual_is_not_told_from_the_others(api: Api) -> None:
    alert = make(api, kind="volume_spike", per="key", threshold=4, minimum=6)
    for _ in range(24):
        api.send()
    with transaction() as connection:
        folding.fold(connection)
    hour_ago(12)
    for _ in range(5):
        api.send()
    assert look() == []  # five times its mean, and too few to speak of
    api.send()
    assert look() == [f"opened {alert}"]
    (seen,) = incidents(api, alert)
    assert seen["value"] == pytest.approx(6.0) and seen["subject"].startswith("key_")
    assert api.call("GET", f"/v1/api-keys/{seen['subject']}", key=api.admin).status_code in (200, 404)


def test_a_rate_is_of_other_mail(api: Api) -> None:
    alert = make(api, kind="bounce_rate", threshold=0.5, minimum=2, template=None)
    bounce(api)
    assert look() == []
    bounce(api)
    assert look() == [f"opened {alert}"] and incidents(api, alert)[0]["value"] == 1.0
    for _ in range(4):
        api.send()
    work_off()
    assert look() == [f"closed {alert}"] and incidents(api, alert, "closed")[0]["value"] == pytest.approx(2 / 6)


def test_mail_that_waits_too_long_is_not_seen(api: Api) -> None:
    urgent = make(api, kind="queue_age", priority="critical", threshold=30)
    bulk = make(api, kind="queue_age", priority="bulk", threshold=30)
    api.send(priority="critical")
    assert look() == []
    with transaction() as connection:
        run(connection, "UPDATE messages SET next_attempt_at = now() - interval '1 minute',"
                        " created_at = now() - interval '1 minute'")  # fmt: skip
    assert look() == [f"opened {urgent}"] and not incidents(api, bulk)
    work_off()
    assert look() == [f"closed {urgent}"]


def test_a_tier_that_misses_its_objective_is_not_seen(api: Api) -> None:
    alert = make(api, kind="objective_burn", priority="critical")
    api.send(priority="critical")
    with transaction() as connection:
        run(connection, "UPDATE messages SET created_at = now() - interval '1 minute'")
    assert look() == [f"opened {alert}"] and incidents(api, alert)[0]["subject"] == "critical"


def test_a_domain_or_a_webhook_that_fails_is_not_seen(api: Api) -> None:
    domain, hook = make(api, kind="domain_degraded"), make(api, kind="webhook_failing", threshold=60)
    made = api.call("POST", "/v1/webhooks", {"url": "https://example.com/hook"}).get_json()
    assert look() == []
    with transaction() as connection:
        run(connection, "UPDATE domains SET state = 'degraded', verified_at = now() WHERE name = 'example.com'")
        run(connection, "UPDATE webhook_health SET failing_since = now() - interval '2 minutes'")
    assert sorted(look()) == sorted([f"opened {domain}", f"opened {hook}"])
    assert incidents(api, domain)[0]["subject"] == "example.com" and incidents(api, hook)[0]["subject"] == made["id"]
    with transaction() as connection:
        run(connection, "UPDATE domains SET state = 'verified'")
        run(connection, "UPDATE webhook_health SET failing_since = NULL")
    assert sorted(look()) == sorted([f"closed {domain}", f"closed {hook}"])


def test_an_alert_that_is_switched_off_stays_open_for_ever(api: Api) -> None:
    alert = make(api, kind="bounces", clear_seconds=3600)
    bounce(api)
    assert look() == [f"opened {alert}"]
    changed = api.call("PATCH", f"/v1/alerts/{alert}", {"enabled": False, "email": None, "name": "Off"}).get_json()
    assert (changed["enabled"], changed["name"], changed["email"]) == (False, "Off", None)
    assert look() == [f"closed {alert}"] and look() == []
    bounce(api)
    assert look() == []
    assert api.call("DELETE", f"/v1/alerts/{alert}").status_code == 204
    assert api.call("GET", f"/v1/alerts/{alert}").status_code == 404


def test_an_alert_waits_and_is_remembered_as_pending(api: Api) -> None:
    alert = make(api, kind="bounces", open_seconds=60)
    bounce(api)
    assert look() == [] and incidents(api, alert, "pending")[0]["opened_at"] is None
    with transaction() as connection:
        later = clock.now() + timedelta(seconds=61)
        assert alarming.evaluate(connection, current_settings(), later) == [f"opened {alert}"]


def test_another_environment_or_account_is_counted(api: Api) -> None:
    alert = make(api, kind="bounces")
    bounce(api, key=api.test)
    assert look() == [] and not incidents(api, alert)
    assert api.call("GET", f"/v1/alerts/{alert}", key=api.test).status_code == 404


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "storm"}, "kind"),
        ({"kind": "queue_age", "tag": "x"}, "tag"),
        ({"kind": "webhook_failing", "per": "key"}, "per"),
        ({"kind": "bounces", "threshold": 0}, "threshold"),
        ({"kind": "bounces", "clear_share": 1.1}, "clear_share"),
        ({"kind": "bounces", "email": "nobody"}, "email"),
        ({"kind": "bounces", "colour": "red"}, "colour"),
        ({}, "kind"),
    ],
)
def test_a_rule_that_makes_no_sense_is_taken(api: Api, fields: dict[str, Any], field: str) -> None:
    answer = api.call("POST", "/v1/alerts", {"name": "Mine", **fields})
    assert answer.status_code == 422 and [each["field"] for each in answer.get_json()["errors"]] == [field]


def test_the_scheduler_forgets_alerts_or_stops_for_one(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    alert = make(api, kind="bounces")
    bounce(api)
    with transaction() as connection:
        folding.fold(connection)
    rounds = Rounds(current_settings(), engine())
    rounds.run()
    assert incidents(api, alert)
    monkeypatch.setattr(alarming, "_WATCHED", "SELECT pg_sleep(10)")
    monkeypatch.setattr(rounds, "_next_alerts", 0.0)
    began = clock.monotonic()
    rounds.run()
    assert clock.monotonic() - began < 9
