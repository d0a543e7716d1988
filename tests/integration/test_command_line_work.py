"""The `sendarix` command on files and jobs: templates, suppressions, dead letters."""

import csv
import io
import json
from pathlib import Path

import pytest

from common import clock
from common.config import current_settings
from common.db import session
from common.domain.ids import decode
from common.domain.outcomes import Outcome
from common.services import advancing, delivery, quickstart
from common.services.job_kinds import STEPS
from tests.terminal import SEND, Terminal

FULL = Outcome("bounced", "rcpt", 552, "5.2.2", "5.2.2 Mailbox full", "mailbox_full")


def work_jobs() -> None:
    """What the worker does with the jobs that wait."""
    with session.transaction() as connection:
        waiting = connection.exec_driver_sql("SELECT id FROM jobs WHERE ended_at IS NULL").scalars().all()
    for each in waiting:
        advancing.advance(each, STEPS, seconds=60)


def test_suppressions_come_back_other_than_they_went(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sendarix.cli.jobs.time.sleep", lambda _: work_jobs())
    rejects = tmp_path / "rejects.csv"
    text = "recipient,reason,note\na@example.com,complaint,asked\nnobody,manual,\nb@example.com,,\n"
    told = terminal.one("suppressions", "import", "-", "--rejects", str(rejects), text=text, ends=1)
    assert (told["state"], told["processed"], told["rejected"]) == ("done", 3, 1)
    assert "nobody" in rejects.read_text()
    out = terminal.run("suppressions", "export").stdout
    rows = {each["recipient"]: each["reason"] for each in csv.DictReader(io.StringIO(out))}
    assert rows == {"a@example.com": "complaint", "b@example.com": "manual"}
    assert terminal.one("suppressions", "import", "-", text=out)["rejected"] == 0
    lines = tmp_path / "more.jsonl"
    lines.write_text('{"recipient": "c@example.com"}\n')
    assert terminal.one("suppressions", "import", str(lines), "--dry-run")["dry_run"] is True
    terminal.one("suppressions", "import", str(lines))
    terminal.one("suppressions", "remove", "a@example.com")
    terminal.one("suppressions", "add", "d@example.com", "--note", "asked by phone")
    found = {each["recipient"] for each in terminal.many("suppressions", "list")}
    assert found == {"b@example.com", "c@example.com", "d@example.com"}


def test_templates_come_back_other_than_they_went(terminal: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    shipped = folder / "order-shipped"
    shipped.mkdir(parents=True)
    (shipped / "template.json").write_text(
        json.dumps(
            {
                "name": "Order shipped",
                "subject": "Order {{ order }} is on its way",
                "variables": [{"name": "order", "type": "string", "example": "1017"}],
                "locales": {"ja": {"subject": "{{ order }} を発送しました"}},
            }
        )
    )
    (shipped / "template.html").write_text("<p>Order {{ order }}</p>\n")
    (shipped / "template.ja.html").write_text("<p>{{ order }}</p>\n")
    assert terminal.many("templates", "push", str(folder), "--dry-run")[0]["result"] == "created"
    pushed = terminal.many("templates", "push", str(folder), "--publish", "--note", "first")
    assert pushed == [{"slug": "order-shipped", "result": "created", "published_version": 1}]
    assert terminal.many("templates", "push", str(folder), "--publish")[0]["result"] == "same"
    (shipped / "template.txt").write_text("Order {{ order }}\n")
    (shipped / "template.ja.html").unlink()
    (shipped / "template.ja.txt").write_text("{{ order }}\n")
    assert terminal.many("templates", "push", str(folder))[0]["parts"] == ["locales", "text"]

    copy = tmp_path / "copy"
    terminal.run("templates", "pull", str(copy), "--only", "order-shipped")
    assert sorted(each.name for each in (copy / "order-shipped").iterdir()) == sorted(
        ["template.html", "template.ja.txt", "template.json", "template.txt"]
    )
    assert (copy / "order-shipped" / "template.txt").read_text() == "Order {{ order }}\n"
    assert terminal.many("templates", "push", str(copy))[0]["result"] == "same"
    everything = terminal.many("templates", "pull", str(copy))
    assert {"otp-code", "order-shipped"} <= {each["slug"] for each in everything}
    assert {each["result"] for each in terminal.many("templates", "push", str(copy))} == {"same"}
    assert {each["result"] for each in terminal.many("templates", "pull", str(copy))} == {"same"}


def test_a_broken_folder_is_pushed_in_part(terminal: Terminal, tmp_path: Path) -> None:
    assert "holds no template" in terminal.run("templates", "push", str(tmp_path), ends=1).stderr
    for slug in ("a-good", "b-bad"):
        (tmp_path / slug).mkdir()
        (tmp_path / slug / "template.json").write_text('{"subject": "Hello"}' if slug == "a-good" else '{"html": "x"}')
    assert "b-bad" in terminal.run("templates", "push", str(tmp_path), ends=1).stderr
    assert "a-good" not in {each["slug"] for each in terminal.many("templates", "list")}


def test_dead_letters_are_replayed_blindly(terminal: Terminal) -> None:
    sent = terminal.one(*SEND)
    with session.transaction() as connection:
        connection.exec_driver_sql("UPDATE messages SET status = 'accepted'")
        claimed = delivery.claim(connection, [decode("msg", sent["message_id"])], quickstart.QUICKSTART_ACCOUNT, 15)
        delivery.record(connection, current_settings(), [(each, FULL) for each in claimed], clock.now())
    assert [each["message_id"] for each in terminal.many("dead-letters", "list")] == [sent["message_id"]]
    assert terminal.many("dead-letters", "causes")[0]["waiting"] == 1
    terminal.run("dead-letters", "replay", ends=2)
    tried = terminal.one("dead-letters", "replay", "--all", "--dry-run")
    assert tried["dry_run"] is True and tried["processed"] == 1
    done = terminal.one("dead-letters", "replay", sent["message_id"])
    assert done["state"] == "done" and done["counts"].get("replayed") == 1
    assert terminal.one("dead-letters", "replay", sent["message_id"])["counts"].get("replayed", 0) == 0
    assert terminal.many("dead-letters", "list")[0]["state"] == "replayed"


def test_analytics_on_the_terminal_differ_from_the_api(terminal: Terminal) -> None:
    terminal.run(*SEND)
    line = terminal.many("analytics", "--interval", "total", "--group-by", "channel", "--only", "channel=api")[0]
    assert line["channel"] == "api" and line["accepted"] == 1
    assert terminal.one("analytics", "--identity")["closes"] is True
    assert terminal.run("--table", "analytics").stdout.strip()


def test_a_queue_or_a_hold_is_out_of_reach(terminal: Terminal) -> None:
    names = [each["name"] for each in terminal.many("queues", "list")]
    assert "delivery.bulk" in names
    paused = terminal.one("queues", "pause", "delivery.bulk", "--reason", "wrong price", "--author", "anna")
    assert paused["paused"]["author"] == "anna"
    assert terminal.one("queues", "drain", "delivery.bulk", "--reason", "wrong price")["paused"]["kind"] == "drain"
    assert terminal.one("queues", "resume", "delivery.bulk")["paused"] is None
    made = terminal.one("holds", "create", "--tag", "offer", "--reason", "wrong price")
    assert made["match"]["tag"] == "offer"
    assert [each["id"] for each in terminal.many("holds", "list", "--state", "active")] == [made["id"]]
    assert terminal.one("holds", "release", made["id"])["state"] == "released"
    terminal.run("holds", "create", "--reason", "wrong price", ends=2)
