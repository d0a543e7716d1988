"""Operator commands: what they print and what they leave."""

import json
import stat
from pathlib import Path

import pytest

from api import cli
from common.config import current_settings
from common.services import keys
from tests.builders import an_account


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = cli.main(arguments)
    return code, capsys.readouterr().out


def test_quickstart_prints_the_same_keys_twice(database: None, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (run(capsys, "quickstart", "--json") for _ in range(2))
    assert first == second
    assert set(json.loads(first[1])) == {"live_key", "test_key", "admin_key"}
    kept = current_settings().home_path / "secrets" / "quickstart_keys.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE((kept.parent / "pepper").stat().st_mode) == 0o600


def test_a_key_lives_until_it_is_revoked(database: None, capsys: pytest.CaptureFixture[str]) -> None:
    account = an_account()
    code, out = run(capsys, "key", "create", "--account", str(account.id), "--scope", "messages:send")
    token = out.strip()
    assert code == 0
    assert keys.looks_like_key(token)
    assert keys.authenticate(token, "127.0.0.1").scopes == {"messages:send"}
    kid = token.removeprefix("sk_live_sdx_")[:8]
    assert run(capsys, "key", "revoke", kid)[0] == 0
    assert run(capsys, "key", "revoke", kid)[0] == 1
    with pytest.raises(Exception, match="revoked"):
        keys.authenticate(token, "127.0.0.1")


def test_requeue_tells_what_it_left_alone(database: None, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "requeue", "msg_01h455vb4pex5vsknk084sn02q", "nonsense")
    assert code == 1
    assert out.count("not waiting, or unknown") == 2


def test_a_returned_mail_is_read_without_a_database(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mail.eml").write_bytes(
        b"From: MAILER-DAEMON@example.net\nSubject: failure notice\n\n<a@example.org>:\n550 user unknown\n"
    )
    monkeypatch.setenv("SENDARIX_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    code, out = run(capsys, "inbound", "classify", str(tmp_path / "mail.eml"), str(tmp_path / "absent.eml"))
    assert code == 1
    assert json.loads(out) == {
        "file": str(tmp_path / "mail.eml"),
        "kind": "bounce",
        "recipients": [
            {
                "recipient": "a@example.org",
                "action": "failed",
                "status": "5.0.0",
                "category": "invalid_recipient",
                "hard": True,
                "suppress": True,
            }
        ],
    }
