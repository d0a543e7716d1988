"""The `sendarix` command against a live server: what it prints, for machines and for people, and how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from deploy.command import whole
from sendarix.transport import Transport
from sendarix.webhooks import verify
from tests.fakes.receiver import FakeReceiver
from tests.terminal import SEND, Terminal


def test_a_message_is_sent_but_cannot_be_followed(terminal: Terminal) -> None:
    sent = terminal.one(*SEND, "--tag", "cli", "--metadata", "order=7")
    assert sent["status"] == "queued"
    assert terminal.one("get", sent["message_id"])["metadata"] == {"order": "7"}
    assert [each["message_id"] for each in terminal.many("list", "--tag", "cli")] == [sent["message_id"]]
    assert not terminal.many("list", "--tag", "cli", "--status", "delivered")
    assert terminal.many("list", "--metadata", "order=7")
    assert terminal.one("cancel", sent["message_id"])["status"] == "cancelled"
    assert [each["type"] for each in terminal.many("tail", sent["message_id"])] == [
        "message.queued",
        "message.cancelled",
    ]


def test_the_stream_shows_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = terminal.one(*SEND, "--tag", "cli")
    call, asked = Transport.call, []  # type: Any, list[Any]

    def interrupted(*arguments: Any, **named: Any) -> Any:
        if asked:
            raise KeyboardInterrupt
        asked.append(named)
        return call(*arguments, **named)

    monkeypatch.setattr(Transport, "call", interrupted)
    shown = terminal.run("tail", "--since", sent["created_at"], "--tag", "cli")
    assert json.loads(shown.stdout.splitlines()[0])["data"]["message_id"] == sent["message_id"]


def test_the_same_key_sends_twice(terminal: Terminal) -> None:
    first, second = (terminal.one(*SEND, "--idempotency-key", "order-7") for _ in range(2))
    assert first == second


def test_a_message_from_a_file_or_from_stdin(terminal: Terminal, tmp_path: Path) -> None:
    body = {"recipient": "user@example.com", "template": "otp-code", "template_data": {"code": "1"}}
    sent = terminal.one("send", "--file", "-", "--data", "code=2", "--data", "expires_in=5 m", text=json.dumps(body))
    assert terminal.one("get", sent["message_id"])["template"] == "otp-code"
    paper = tmp_path / "paper.txt"
    paper.write_text("12.00 EUR")
    terminal.one(*SEND[:5], "--text", "@-", "--attach", str(paper), text="Hello")
    terminal.run("send", "--file", "-", text="[1]", ends=2)
    terminal.run("send", "--text", "x", ends=2)


def test_one_bad_line_stops_the_others(terminal: Terminal) -> None:
    lines = [{"recipient": f"user{each}@example.com", "subject": "Hi", "text": "Hi"} for each in range(3)]
    lines[1]["recipient"] = "nobody"
    found = terminal.many("send", "--lines", "-", text="\n".join(json.dumps(each) for each in lines), ends=1)
    assert [("error" in each) for each in found] == [False, True, False]
    shown = terminal.run("--table", "send", "--lines", "-", text=json.dumps(lines[1]), ends=1)
    assert "line 1: messages.0.recipient" in shown.stdout or "line 1: recipient" in shown.stdout


def test_an_error_does_not_say_what_to_do(terminal: Terminal) -> None:
    told = json.loads(terminal.run("send", "--to", "nobody", "--text", "x", ends=1).stderr)["error"]
    assert told["code"] == "validation_error" and told["next"] and told["errors"][0]["field"] == "recipient"
    shown = terminal.run("--table", "send", "--to", "nobody", "--text", "x", ends=1)
    assert "recipient:" in shown.stderr and "Next: Read http://127" in shown.stderr
    terminal.environ["SENDARIX_API_KEY"] = ""
    assert "sendarix configure" in terminal.run("--table", "list", ends=1).stderr


def test_nothing_answers(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sendarix.cli.session.time.sleep", lambda _: None)
    terminal.environ["SENDARIX_URL"] = "http://127.0.0.1:1"
    assert "make run" in json.loads(terminal.run("list", ends=1).stderr)["error"]["next"]
    assert any(not each["ok"] for each in terminal.many("doctor", ends=1))


def test_a_table_is_no_table(terminal: Terminal) -> None:
    terminal.run("send", "--to", "user@example.com", "--subject", "[bold]\x1b[31mred", "--text", "x", ends=1)
    terminal.run("send", "--to", "user@example.com", "--subject", "[bold]red[/nothing]", "--text", "x")
    terminal.environ["COLUMNS"] = "160"
    shown = terminal.run("--table", "list").stdout
    assert "message_id" in shown and "[bold]red[/nothing]" in " ".join(shown.split())
    assert "queued" in terminal.run("--table", *SEND).stdout


def test_keys_are_made_rotated_and_revoked(terminal: Terminal) -> None:
    made = terminal.one("keys", "create", "--name", "billing", "--scope", "messages:send", "--scope", "messages:read")
    assert made["secret"].startswith("sk_live_sdx_") and made["scopes"] == ["messages:send", "messages:read"]
    rotated = terminal.one("keys", "rotate", made["id"], "--overlap", "60")
    assert rotated["secret"] != made["secret"]
    assert "billing" in [each["name"] for each in terminal.many("keys", "list")]
    shown = terminal.run("--table", "keys", "revoke", made["id"], text="n\n", ends=1)
    assert "for good?" in shown.output
    assert terminal.one("keys", "revoke", made["id"])["state"] == "revoked"
    terminal.run("keys", "create", "--name", "x", "--scope", "admin", ends=1)


def test_events_are_forwarded_unsigned_or_not_at_all(terminal: Terminal) -> None:
    since = "2020-01-01"
    sent = terminal.one(*SEND, "--tag", "cli")
    with FakeReceiver() as receiver:
        options = ("--since", since, "--most", "1", "--type", "message.queued")
        ran = terminal.run("webhooks", "listen", "--forward-to", receiver.url, *options)
    assert json.loads(ran.stdout)["outcome"] == "200"
    secret = ran.stderr.split()[-1]
    event = verify(secret, receiver.posts[0].headers, receiver.posts[0].body)
    assert (event["type"], event["data"]["message_id"]) == ("message.queued", sent["message_id"])
    [shown] = terminal.many("webhooks", "tail", "--since", since, "--most", "1", "--tag", "cli")
    assert shown == event


def test_a_webhook_made_here_is_not_the_one_of_the_api(terminal: Terminal) -> None:
    made = terminal.one("webhooks", "create", "https://example.com/hook", "--type", "message.*")
    assert made["secret"].startswith("whsec_") and made["event_types"] == ["message.*"]
    assert [each["id"] for each in terminal.many("webhooks", "list")] == [made["id"]]
    told = terminal.one("webhooks", "test", made["id"])
    assert [each["id"] for each in terminal.many("webhooks", "deliveries", made["id"])] == [told["delivery_id"]]
    terminal.one("webhooks", "remove", made["id"])
    assert not terminal.many("webhooks", "list")


def test_the_doctor_finds_nothing_or_too_much(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = {each["check"]: each["ok"] for each in terminal.many("doctor")}
    assert checks == dict.fromkeys(("address", "server", "readiness", "clock", "key"), True)
    terminal.environ["SENDARIX_API_KEY"] = "nonsense"
    assert {each["check"]: each["ok"] for each in terminal.many("doctor", ends=1)}["key"] is False


def test_a_profile_is_kept_and_used(terminal: Terminal) -> None:
    terminal.run("configure", "shop", text=f"{terminal.url}\n{terminal.tokens['test_key']}\n")
    sent = terminal.one("--profile", "shop", *SEND)
    assert terminal.one("--profile", "shop", "get", sent["message_id"])["environment"] == "test"
    terminal.run("--profile", "none", "list", ends=1)


def test_a_shell_gets_no_completion(terminal: Terminal) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_SENDARIX_COMPLETE" in terminal.run("completion", shell).stdout
    terminal.environ |= {"COMP_WORDS": "sendarix dead", "COMP_CWORD": "1", "_SENDARIX_COMPLETE": "bash_complete"}
    found = CliRunner(env=terminal.environ).invoke(whole(), [], prog_name="sendarix", complete_var="_SENDARIX_COMPLETE")
    assert "dead-letters" in found.output


def test_an_operator_command_is_gone(terminal: Terminal) -> None:
    shown = terminal.run("--help").stdout
    assert "On the server" in shown and "migrate" in shown and "inbound" in shown
    assert terminal.run("key", "create", "--scope", "messages:send") is not None
