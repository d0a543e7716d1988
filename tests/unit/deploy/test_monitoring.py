"""deploy/monitoring: what it names exists, in the right form, and each alert says what to do."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.domain.metrics import METRICS

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "monitoring"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
SELECTOR = re.compile(r"(sendarix_[a-z_]+)(?:\{([^}]*)\})?")


def wrong(expression: str) -> Iterator[str]:
    """What an expression names that is no metric, or no label of it."""
    for name, matchers in SELECTOR.findall(expression):
        own = name
        if name not in METRICS:
            own = re.sub(r"_(bucket|count|sum)$", "", name)
            if own not in METRICS or METRICS[own].kind != "histogram":
                yield name
                continue
        for label in re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", matchers):
            if label not in METRICS[own].labels:
                yield f"{name} has no label {label}"
    if expression.count("(") != expression.count(")") or expression.count("{") != expression.count("}"):
        yield "its brackets"


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_names_what_does_not_exist(rule: dict[str, Any]) -> None:
    assert not list(wrong(rule["expr"]))
    assert rule["labels"]["severity"] in ("page", "warn") and rule["annotations"]["summary"]
    assert (ROOT / rule["annotations"]["runbook"]).is_file(), rule["annotations"]["runbook"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_names_what_does_not_exist(panel: dict[str, Any]) -> None:
    assert panel["targets"] and panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    for target in panel["targets"]:
        assert SELECTOR.search(target["expr"]) and not list(wrong(target["expr"]))
        by = re.findall(r"by \(([a-z_, ]+)\)", target["expr"])
        shown = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
        known = {label for name, _ in SELECTOR.findall(target["expr"]) for label in _labels(name)}
        assert set(shown) <= (set(re.split(r", ", by[0])) if by else known), target


def _labels(name: str) -> tuple[str, ...]:
    return METRICS.get(name, METRICS.get(name.removesuffix("_bucket"), METRICS["sendarix_redis_up"])).labels


def test_the_dashboard_cannot_be_imported() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers)) and DASHBOARD["uid"] == "sendarix"
    assert {target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]} == {"${datasource}"}


def test_prometheus_is_told_the_wrong_address() -> None:
    told = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    (job,) = told["scrape_configs"]
    assert job["metrics_path"] == "/metrics" and told["rule_files"] == ["alerts.yml"]
    assert (FOLDER / "alerts.yml").is_file()


def test_an_alert_waits_for_a_line_that_nobody_starts() -> None:
    lines = {line.partition(":")[0] for line in (ROOT / "Procfile").read_text().splitlines()}
    named = set(re.findall(r'line="([a-z-]+)"', (FOLDER / "alerts.yml").read_text()))
    assert named and named <= lines


def test_a_name_that_does_not_exist_is_taken() -> None:
    assert list(wrong('sum(sendarix_nothing_total{a="b"})')) == ["sendarix_nothing_total"]
    assert list(wrong('sendarix_queue_messages{tier="x"}')) == ["sendarix_queue_messages has no label tier"]
    assert list(wrong("sendarix_redis_up_bucket")) == ["sendarix_redis_up_bucket"]
