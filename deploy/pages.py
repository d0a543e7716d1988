"""`make docs`: writes docs/configuration.md, docs/events.md, docs/metrics.md and the tables of docs/api.md.

All is read from the code that they describe. Never here: prose that the code does not hold. tests/guards/test_pages.py
checks that all are up to date.
"""

from pathlib import Path
from typing import Any

import orjson

from common.config import Settings
from common.domain.events import API_VERSION, EVENT_TYPES, WILDCARDS
from common.domain.metrics import METRICS
from deploy import api_page

DOCS = Path(__file__).resolve().parents[1] / "docs"
_NOTE = "<!-- Written by `make docs` from {source}; edit that file instead. -->"


def configuration() -> str:
    """Every setting as a Markdown page."""
    lines = [
        "# Settings",
        "",
        _NOTE.format(source="common/config.py"),
        "",
        "All are read once, from the environment. An unset one has its default.",
        "",
        "| variable | type | default | what it is |",
        "| --- | --- | --- | --- |",
    ]
    for name, field in Settings.__dataclass_fields__.items():
        meaning = field.metadata["sentence"].replace("|", "\\|")
        lines.append(
            f"| `SENDARIX_{name.upper()}` | {field.metadata['kind']} | {_default(field.default)} | {meaning} |"
        )
    return "\n".join(lines) + "\n"


def _default(value: Any) -> str:
    if value == "":
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def events() -> str:
    """Every event type with an example of its payload as a Markdown page."""
    lines = [
        "# Events",
        "",
        _NOTE.format(source="common/domain/events.py"),
        "",
        "The same object everywhere: in `GET /v1/messages/{id}/events` (one message, oldest first), in the stream",
        "`GET /v1/events` (the whole account, in the order of commits) and in the POST to a webhook. The `data` of",
        "a message's event always has its `tags` and `metadata`; `seq` counts the events of one message from 1 without",
        "gaps. A subscription names types, or all of a noun: " + ", ".join(f"`{each}`" for each in WILDCARDS) + ".",
        "New types and fields may be added: ignore what you do not know. How to read the stream and receive webhooks:",
        "[api.md](api.md#webhooks).",
        "",
        "| type | when |",
        "| --- | --- |",
    ]
    lines += [f"| `{kind.name}` | {kind.sentence} |" for kind in EVENT_TYPES.values()]
    for kind in EVENT_TYPES.values():
        lines += ["", f"## {kind.name}", "", kind.sentence, "", "```json", _example(kind.name, kind.example), "```"]
    return "\n".join(lines) + "\n"


def _example(name: str, own: dict[str, Any]) -> str:
    common: dict[str, Any] = {}
    if name.startswith("message."):
        status = name.removeprefix("message.")
        common = {"message_id": "msg_01k5qkz0v8fyw9m2q3r4s5t6v7", "seq": 1}
        common |= {"recipient": "user@example.com", "status": status}
        common |= {"tags": ["login"], "metadata": {"user": "42"}}
    payload = {
        "id": "evt_01k5qkz0v9e0bs2m3n4p5q6r7s",
        "type": name,
        "timestamp": "2026-04-19T14:30:00.000Z",
        "api_version": API_VERSION,
        "environment": "live",
        "data": common | own,
    }
    return orjson.dumps(payload, option=orjson.OPT_INDENT_2).decode()


def metrics() -> str:
    """Every metric as a Markdown page."""
    lines = [
        "# Metrics",
        "",
        _NOTE.format(source="common/domain/metrics.py"),
        "",
        "`GET /metrics` with a key of scope `admin` tells all of them in the text format of Prometheus, whichever web",
        "process answers. Queues, totals and webhooks are read from PostgreSQL at most every 5 seconds, in at most two",
        "seconds a part. What a process counts of itself comes with its heartbeat every 3 seconds, and is gone when it",
        "has been silent for 12. How to scrape, be warned and draw them: [monitoring.md](monitoring.md).",
        "",
        "| metric | kind | labels | what it is |",
        "| --- | --- | --- | --- |",
    ]
    for each in METRICS.values():
        labels = ", ".join(f"`{label}`" for label in each.labels)
        lines.append(f"| `{each.name}` | {each.kind} | {labels} | {each.sentence} |")
    return "\n".join(lines) + "\n"


def api() -> str:
    """The API page, with its tables as the code has them."""
    return api_page.refresh(DOCS / "api.md")


PAGES = {"configuration.md": configuration, "events.md": events, "metrics.md": metrics, "api.md": api}
"""File name under docs/ to the function that writes it."""


def main() -> None:
    """Write every page."""
    for name, write in PAGES.items():
        (DOCS / name).write_text(write())


if __name__ == "__main__":
    main()
