"""A benchmark must not claim a target that it did not measure."""

import json
import math
from io import StringIO
from pathlib import Path

from rich.console import Console

from tests.bench.figures import Figure, above, at_least, at_most, show, under, write_json
from tests.bench.load import Report, merge, percentile

NAN = float("nan")


def test_a_target_is_met_only_by_its_ratio() -> None:
    assert at_least("a", 130, "/s", "", beside="floor", floor=100, times=1.3).met is True
    assert at_least("a", 129, "/s", "", beside="floor", floor=100, times=1.3).met is False
    assert at_most("a", 30, "ms", "", beside="floor", floor=10, times=3).met is True
    assert at_most("a", 31, "ms", "", beside="floor", floor=10, times=3).met is False
    assert under("a", 801, "MB", "", 800).met is False
    assert above("a", 0.85, "", "", 0.85).met is True


def test_without_a_floor_there_is_no_verdict_and_without_a_value_it_is_not_met() -> None:
    assert at_least("a", 130, "/s", "", beside="floor", floor=None, times=1.3).met is None
    assert at_most("a", NAN, "ms", "", beside="floor", floor=1.0, times=3).met is False
    assert at_most("a", 1.0, "ms", "", beside="floor", floor=NAN, times=3).met is False


def test_what_could_not_be_taken_is_null_for_a_machine_and_a_dash_for_a_reader(tmp_path: Path) -> None:
    figures = [Figure("lost", NAN, "ms", "nothing"), Figure("one", 2.0, "ms", "x", "floor", 1.0)]
    path = tmp_path / "build" / "bench.json"
    write_json(figures, ["a note"], path)
    found = json.loads(path.read_text())
    assert found["notes"] == ["a note"]
    assert [(line["value"], line["ratio"]) for line in found["figures"]] == [(None, None), (2.0, 2.0)]
    text = StringIO()
    show(figures, Console(file=text, width=120))
    assert "- ms" in text.getvalue()


def test_rounds_are_merged_before_percentiles_are_taken() -> None:
    whole = merge(
        [Report(requests=2, seconds=1.0, latencies=[1.0, 9.0]), Report(requests=1, seconds=1.0, latencies=[5.0])]
    )
    assert (whole.rate, whole.latencies, whole.percentile(50)) == (1.5, [1.0, 5.0, 9.0], 5.0)
    assert math.isnan(percentile([], 50))
