"""Metrics for Prometheus: one address tells of every process, whichever web process answers."""

from flask import Blueprint, Response, current_app

from api import query
from api.auth import scope
from api.contract import Media, contract
from api.exposition import CONTENT_TYPE, write
from api.v1.workers import fleet
from common.services.measuring import Measures

blueprint = Blueprint("metrics", __name__)


def _measures() -> Measures:
    kept = current_app.extensions.get("measures")
    if kept is None:
        kept = current_app.extensions["measures"] = Measures(fleet())
    found: Measures = kept
    return found


@blueprint.get("/metrics")
@scope("admin")
@contract(answers={200: Media("text/plain", "Every metric of docs/metrics.md, in Prometheus's text format.")})
def read_metrics() -> Response:
    """Every metric of every process, for Prometheus. Read at most every 5 seconds, however often it is asked for."""
    query.only()
    return Response(write(_measures().collect()), content_type=CONTENT_TYPE)
