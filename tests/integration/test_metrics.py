"""Metrics: what Prometheus reads is what happened, from every process, and reading costs the mail nothing."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from api import create_app
from api.exposition import write
from common import tallies
from common.config import read_settings
from common.db.session import transaction
from common.domain.metrics import METRICS
from common.fleet import OTHERS, Pulse, Worker
from common.services import folding, measuring
from tests.callers import Api, an_api
from tests.pipeline import work_off


@pytest.fixture
def api(database: None) -> Iterator[Api]:
    with an_api() as found:
        yield found


def scraped(api: Api) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    api.client.application.extensions.pop("measures", None)  # the last reading is kept for seconds
    answer = api.call("GET", "/metrics", key=api.admin)
    assert answer.status_code == 200 and answer.content_type.startswith("text/plain"), answer.data
    return {
        (each.name, frozenset(each.labels.items())): each.value
        for family in parse(answer.get_data(as_text=True))
        for each in family.samples
    }


def value(found: dict[Any, float], name: str, **labels: str) -> float:
    fitting = [n for (each, told), n in found.items() if each == name and labels.items() <= dict(told).items()]
    assert fitting, f"there is no {name} with {labels}"
    return sum(fitting)


def test_a_queue_or_an_outcome_is_told_wrongly(api: Api) -> None:
    for _ in range(3):
        api.send(priority="critical")
    found = scraped(api)
    assert value(found, "sendarix_queue_messages", stage="routing", priority="critical", state="due") == 3
    assert value(found, "sendarix_queue_oldest_seconds", stage="routing", priority="critical") > 0
    assert value(found, "sendarix_queue_messages", stage="delivery", priority="bulk", state="held") == 0
    work_off()
    with transaction() as connection:
        folding.fold(connection)
    found = scraped(api)
    assert value(found, "sendarix_queue_messages", priority="critical") == 0
    assert value(found, "sendarix_messages_accepted_total", environment="live", priority="critical") == 3
    assert value(found, "sendarix_messages_outcomes_total", outcome="delivered", priority="critical") == 3
    assert value(found, "sendarix_delivery_seconds_count", environment="live", priority="critical") == 3
    assert value(found, "sendarix_delivery_seconds_bucket", priority="critical", le="+Inf") == 3
    assert value(found, "sendarix_database_up") == 1 and value(found, "sendarix_redis_up") == 1
    assert value(found, "sendarix_database_connections", state="active") >= 1


def test_a_process_is_missing_or_its_counts_are(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tallies.Tallies()
    monkeypatch.setattr(tallies, "OWN", own)
    api.send()
    work_off()
    assert api.call("GET", "/v1/messages/no-such").status_code == 404
    settings = read_settings()
    Pulse(settings, Worker("one", "delivery", ("delivery.bulk",), 8), measuring.measure).beat()
    Pulse(settings, Worker("two", "web", (), 32), measuring.measure, index=OTHERS).beat()
    found = scraped(api)
    assert value(found, "sendarix_processes", line="web") == value(found, "sendarix_processes", line="delivery") == 1
    assert value(found, "sendarix_worker_threads", line="delivery") == 8
    assert value(found, "sendarix_attempts_total", line="delivery", outcome="delivered") == 1
    assert value(found, "sendarix_attempt_seconds_count", line="delivery", outcome="delivered") == 1
    assert value(found, "sendarix_http_requests_total", line="web", method="POST", status="202") == 1
    assert value(found, "sendarix_http_requests_total", line="web", method="GET", status="404") == 1
    assert value(found, "sendarix_http_request_seconds_count", line="web", method="POST") == 1
    assert value(found, "sendarix_process_resident_bytes", line="web") > 1_000_000
    assert value(found, "sendarix_process_database_connections", line="web", state="most") >= 10
    assert api.call("GET", "/v1/workers", key=api.admin).get_json()["data"][0]["line"] == "delivery"
    assert len(api.call("GET", "/v1/workers", key=api.admin).get_json()["data"]) == 1


def test_somebody_else_than_an_operator_reads_them(api: Api) -> None:
    assert api.client.get("/metrics").status_code == 401
    assert api.call("GET", "/metrics").status_code == 403


def test_an_engine_that_is_away_is_a_server_error(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    away = create_app(read_settings(redis_url="redis://127.0.0.1:1/0")).test_client()
    answer = away.get("/metrics", headers={"Authorization": f"Bearer {api.admin}"})
    assert answer.status_code == 200 and b"sendarix_redis_up 0.0" in answer.data
    monkeypatch.setattr(measuring, "PART_SECONDS", 0.5)
    monkeypatch.setattr(measuring, "_WEBHOOKS", "SELECT 'enabled' AS state, 1 AS n, pg_sleep(5)")
    found = scraped(api)
    assert value(found, "sendarix_scrape_failed", part="webhooks") == 1
    assert value(found, "sendarix_scrape_failed", part="connections") == 0 and value(found, "sendarix_database_up") == 1


def test_many_readers_ask_the_database_each(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    scraped(api)
    monkeypatch.setattr(measuring, "_read", None)  # would fail if it were called
    assert api.call("GET", "/metrics", key=api.admin).status_code == 200


def test_what_a_newer_process_tells_of_stops_the_answer() -> None:
    assert b"sendarix_redis_up 1.0" in write([("sendarix_new_total", ("x",), 1.0), ("sendarix_redis_up", (), 1.0)])


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_named_or_described_badly(name: str) -> None:
    each = METRICS[name]
    assert re.fullmatch(r"sendarix_[a-z_]+", name) and each.sentence.endswith(".")
    assert name.endswith("_total") == (each.kind == "counter")
