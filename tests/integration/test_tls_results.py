"""TLS results as the operator reads them: a failure that is hidden, counted twice, or told to everybody."""

from typing import Any

import pytest

from common.db import session
from common.services import tls_results
from common.services.tls_results import Counted
from tests.callers import Api

ROWS = [
    Counted("2026-04-18", "acme.example", "sts", "mx1.acme.example", "success", 90),
    Counted("2026-04-18", "acme.example", "sts", "mx1.acme.example", "success", 30),
    Counted("2026-04-18", "acme.example", "sts", "mx1.acme.example", "certificate-expired", 2),
    Counted("2026-04-18", "acme.example", "sts", "mx2.acme.example", "starttls-not-supported", 1),
    Counted("2026-04-19", "acme.example", "tlsa", "mx1.acme.example", "success", 7),
    Counted("2026-04-19", "other.example", "no-policy-found", "mx.other.example", "success", 5),
]


@pytest.fixture
def admin(api: Api) -> Any:
    with session.transaction() as connection:
        connection.exec_driver_sql("TRUNCATE tls_results")
        for each in ROWS:
            tls_results.add(connection, [each])
    yield api.admin
    with session.transaction() as connection:
        connection.exec_driver_sql("TRUNCATE tls_results")


def listed(api: Api, key: str, query: str = "") -> list[tuple[str, str]]:
    answer = api.call("GET", f"/v1/tls-results{query}", key=key)
    assert answer.status_code == 200, answer.data
    return [(each["day"], each["policy_domain"]) for each in answer.get_json()["data"]]


def test_failures_are_lost_among_successes(api: Api, admin: str) -> None:
    (found,) = api.call("GET", "/v1/tls-results?failed=true", key=admin).get_json()["data"]
    assert found == {
        "day": "2026-04-18", "policy_domain": "acme.example", "policy_type": "sts", "successful_sessions": 120,
        "failed_sessions": 3, "failures": [
            {"mx": "mx1.acme.example", "result_type": "certificate-expired", "sessions": 2},
            {"mx": "mx2.acme.example", "result_type": "starttls-not-supported", "sessions": 1},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 3), ("?domain=ACME.example", 2), ("?policy_type=tlsa,sts", 2), ("?since=2026-04-19", 2),
     ("?until=2026-04-19", 1), ("?since=2026-04-19T23:00:00Z", 2), ("?domain=nobody.example", 0)],
)  # fmt: skip
def test_a_filter_is_ignored(api: Api, admin: str, query: str, count: int) -> None:
    found = listed(api, admin, query)
    assert len(found) == count and [day for day, _ in found] == sorted((day for day, _ in found), reverse=True)


def test_a_page_repeats_or_skips_a_line(api: Api, admin: str) -> None:
    whole, pages, path = listed(api, admin), [], "/v1/tls-results?limit=1"
    while path:
        answer = api.call("GET", path, key=admin).get_json()
        pages += [(each["day"], each["policy_domain"]) for each in answer["data"]]
        path = answer["has_more"] and f"/v1/tls-results?limit=1&cursor={answer['next_cursor']}"
    assert pages == whole


def test_everybody_reads_where_others_mail_goes(api: Api, admin: str) -> None:
    assert api.call("GET", "/v1/tls-results").status_code == 403
    assert api.call("GET", "/v1/tls-results?failed=no", key=admin).status_code == 400
