"""Samples in the text format of Prometheus. Never here: where they come from (services/measuring.py)."""

from collections.abc import Iterable, Iterator
from math import inf

from prometheus_client.core import Metric as Family
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from common.domain.metrics import METRICS, Metric
from common.services.measuring import Sample, Steps

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class _Found(Collector):
    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Family]:
        families = {name: Family(name.removesuffix("_total"), each.sentence, each.kind)
                    for name, each in METRICS.items()}  # fmt: skip
        for name, values, value in self._samples:
            metric = METRICS.get(name)
            if metric is not None:  # a process of another version may tell of more
                _add(families[name], metric, values, value)
        yield from families.values()


def _add(family: Family, metric: Metric, values: tuple[str, ...], value: float | Steps) -> None:
    labels = dict(zip(metric.labels, values, strict=True))
    if not isinstance(value, Steps):
        family.add_sample(metric.name, labels, value)
        return
    for bound, n in value.counts:
        family.add_sample(f"{metric.name}_bucket", {**labels, "le": "+Inf" if bound == inf else str(bound)}, n)
    family.add_sample(f"{metric.name}_count", labels, value.counts[-1][1])
    if value.sum is not None:
        family.add_sample(f"{metric.name}_sum", labels, value.sum)


def write(samples: Iterable[Sample]) -> bytes:
    """Every family in the order of the table, also those without a sample."""
    return generate_latest(_Found(samples))
