"""Every task name has a function, every queue a worker, every Procfile line a room."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from common.domain.tiers import TIERS
from common.queueing import queues, tasks

ROOT = Path(__file__).parents[2]
_ASK = """
import importlib, json, sys
import workers.shell
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps([name for name in workers.shell.app.tasks if not name.startswith("celery.")]))
"""


def _procfile() -> dict[str, str]:
    lines = [line for line in (ROOT / "Procfile").read_text().splitlines() if line and not line.startswith("#")]
    return {name: command.strip() for name, _, command in (line.partition(":") for line in lines)}


def _bound(*modules: str) -> set[str]:
    """The tasks a process knows that has imported these, and nothing else."""
    environ = os.environ | {
        "SENDARIX_REDIS_URL": "redis://127.0.0.1:1/0",
        "SENDARIX_DATABASE_URL": "postgresql://127.0.0.1:1/none",
    }
    done = subprocess.run(
        [sys.executable, "-c", _ASK, *modules], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{', '.join(modules)}: import fails in a fresh process:\n{done.stderr[-2000:]}"
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_a_task_name_has_no_function_or_a_function_no_name() -> None:
    bound = _bound("workers.app")
    assert not set(tasks.ALL) - bound, (
        f"nobody does {sorted(set(tasks.ALL) - bound)}: bind a function with @task(...) in workers/<type>/tasks.py "
        "and list its module in workers/app.py"
    )
    assert not bound - set(tasks.ALL), (
        f"{sorted(bound - set(tasks.ALL))} have no constant: name them in common/queueing/tasks.py, ALL included"
    )


@pytest.mark.parametrize("line", [name for name, command in _procfile().items() if " worker " in command])
def test_a_line_consumes_what_it_has_no_task_for(line: str) -> None:
    """A line imports its own modules only: each other one is memory it would hold for nothing."""
    command = _procfile()[line]
    included = re.search(r" -I (\S+)", command)
    bound = _bound(*included[1].split(",")) if included else _bound("workers.app")
    rooms = {queue.partition(".")[0] for queue in _consumed(command)}
    needed = {name for name in tasks.ALL if name.partition(".")[0] in rooms}
    assert needed, f"Procfile {line}: its queues {sorted(rooms)} are named after no task"
    assert not needed - bound, f"Procfile {line}: add the module of {sorted(needed - bound)} after -I"


def test_a_task_constant_is_missing_from_all() -> None:
    named = {value for name, value in vars(tasks).items() if name.isupper() and isinstance(value, str)}
    assert named == set(tasks.ALL), f"add to ALL in common/queueing/tasks.py: {sorted(named - set(tasks.ALL))}"


def test_a_log_line_cannot_name_what_a_task_is_about() -> None:
    assert set(tasks.PREFIXES) == set(tasks.ALL), "say in PREFIXES of common/queueing/tasks.py what its ids are"


@pytest.mark.parametrize("queue", queues.ALL)
def test_a_queue_is_consumed_by_no_line_or_by_too_many(queue: str) -> None:
    lines = [name for name, command in _procfile().items() if queue in _consumed(command)]
    assert lines, f"nobody consumes {queue}: name it after -Q in a Procfile line"
    assert len(lines) == 1, f"{queue} is consumed by {', '.join(lines)}: take it off all but one Procfile line"


def test_a_line_consumes_a_queue_that_does_not_exist() -> None:
    for name, command in _procfile().items():
        unknown = set(_consumed(command)) - set(queues.ALL)
        assert not unknown, f"Procfile {name}: {sorted(unknown)} are not in common/queueing/queues.py"


def test_a_line_is_not_named_after_its_folder_or_its_tier() -> None:
    rooms = {folder.name for folder in (ROOT / "workers").iterdir() if (folder / "__init__.py").exists()}
    for name in _procfile():
        assert name in ("web", "release", TIERS[0]) or name.partition("-")[0] in rooms, (
            f"Procfile {name}: begin its name with a folder of workers/ ({', '.join(sorted(rooms))})"
        )


def test_the_shared_line_does_not_drain_the_higher_tier_first() -> None:
    for name, command in _procfile().items():
        known = [queue for queue in _consumed(command) if queue in (*queues.ROUTING, *queues.DELIVERY)]
        ordered = sorted(known, key=(*queues.ROUTING, *queues.DELIVERY).index)
        assert known == ordered, f"Procfile {name}: the order after -Q is the drain order, put critical first"


def _consumed(command: str) -> list[str]:
    found = re.search(r" -Q (\S+)", command)
    return found[1].split(",") if found else []


def test_bulk_is_routed_or_delivered_beside_critical_at_the_same_priority() -> None:
    for name, command in _procfile().items():
        consumed = set(_consumed(command))
        critical = {queues.ROUTING[0], queues.DELIVERY[0]}
        if critical & consumed:
            assert consumed <= critical, f"Procfile {name}: it serves more than what is critical"
            assert not command.startswith("nice "), f"Procfile {name}: what is critical runs at full priority"
        elif consumed & {*queues.ROUTING, *queues.DELIVERY, queues.WEBHOOKS, queues.WEBHOOKS_SLOW}:
            assert command.startswith("nice -n "), f"Procfile {name}: begin it with `nice`, so that it gives way"
