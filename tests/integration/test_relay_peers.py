"""Other people's clients against the relay: each sends as its own manual and ours say, and makes the same message."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.test_relay import count, ids_of, port, stored, tokens

__all__ = ["port", "tokens"]
pytestmark = pytest.mark.usefixtures("database")
PEERS = Path(__file__).parents[1] / "peers"
DOCS = (Path(__file__).parents[2] / "docs" / "smtp-relay.md").read_text()


def documented(heading: str) -> str:
    """The code block under a heading of docs/smtp-relay.md."""
    return re.search(rf"## {heading}\n+```\w+\n(.*?)```", DOCS, re.S)[1]  # type: ignore[index]


def run(*command: str, key: str, given: str = "") -> str:
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=60, check=False, cwd=PEERS,
        env={"SENDARIX_API_KEY": key, "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks is not installed (apt: swaks)")
def test_s66_swaks_cannot_send(port: int, tokens: dict[str, str]) -> None:
    told = run("swaks", "--server", f"127.0.0.1:{port}", "--auth", "PLAIN", "--auth-user", "apikey", "--auth-password",
               tokens["live_key"], "--from", "hello@example.com", "--to", "user@example.com", "--header",
               "Subject: Your code", "--body", "847291", key="")  # fmt: skip
    row = stored(ids_of(told)[0])
    assert (row.subject, row.recipient, row.status) == ("Your code", "user@example.com", "queued")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed (apt: curl)")
def test_s66_curl_cannot_send(port: int, tokens: dict[str, str]) -> None:
    run("curl", "-sS", f"smtp://127.0.0.1:{port}", "--user", f"apikey:{tokens['live_key']}", "--mail-from",
        "hello@example.com", "--mail-rcpt", "user@example.com", "-T", "-", key="",
        given="From: hello@example.com\nTo: user@example.com\nSubject: x\n\nHello.\n")  # fmt: skip
    assert count() == 1


@pytest.mark.skipif(not (PEERS / "node_modules" / "nodemailer").exists(), reason="run `npm ci` in tests/peers")
def test_s66_nodemailer_cannot_send(port: int, tokens: dict[str, str]) -> None:
    script = f"""const nodemailer = require("nodemailer");
{documented("Nodemailer").replace("2525", str(port)).replace("localhost", "127.0.0.1")}
transport.sendMail({{from: "hello@example.com", to: ["a@example.com", "b@example.com"], subject: "x", text: "Grüße",
  attachments: [{{filename: "a.txt", content: "a"}}]}}).then((info) => console.log(info.response));"""
    assert len(ids_of(run("node", "-e", script, key=tokens["live_key"]))) == 2


def test_s66_django_cannot_send(port: int, tokens: dict[str, str]) -> None:
    settings = documented("Django").replace("2525", str(port)).replace("localhost", "127.0.0.1")
    script = f"""import os, django
from django.conf import settings
found = dict()
exec({settings!r}, dict(os=os), found)
settings.configure(**found)
django.setup()
from django.core.mail import send_mail
assert send_mail("Your code", "847291", "hello@example.com", ["user@example.com"], html_message="<p>847291</p>") == 1
"""
    run(sys.executable, "-c", script, key=tokens["live_key"])
    assert count() == 1


def test_s66_flask_mail_cannot_send(port: int, tokens: dict[str, str]) -> None:
    settings = documented("Flask-Mail").replace("2525", str(port)).replace("localhost", "127.0.0.1")
    script = f"""import os
from flask import Flask
from flask_mail import Mail, Message
app = Flask("shop")
{settings}
with app.app_context():
    Mail(app).send(Message("Your code", sender="hello@example.com", recipients=["user@example.com"], body="847291"))
"""
    run(sys.executable, "-c", script, key=tokens["live_key"])
    assert count() == 1
