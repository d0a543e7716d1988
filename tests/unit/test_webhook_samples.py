"""The samples of docs/webhooks.md verify what is really signed, and refuse what was changed."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common import clock
from common.domain.signatures import sign_all
from sendarix.webhooks import InvalidSignature, make_secret, sign, verify

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
SECRET, OTHER = make_secret(), make_secret()
ID = "evt_01k5qkz0v9e0bs2m3n4p5q6r7s"
BODY = '{"id":"evt_01k5qkz0v9e0bs2m3n4p5q6r7s","type":"message.delivered","data":{"n":"ü"}}'.encode()
_NODE = """
%s
let input = "";
for await (const chunk of process.stdin) input += chunk;
const { secret, headers, body } = JSON.parse(input);
try { console.log(verify(secret, headers, body).type); } catch (error) { console.log("refused: " + error.message); }
"""


def sample(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def headers(*secrets: str, late: int = 0) -> dict[str, str]:
    stamp = int(clock.now().timestamp()) - late
    return {
        "webhook-id": ID,
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign_all(secrets, bytes(32), ID, stamp, BODY),
    }


CASES: dict[str, Callable[[], tuple[str, dict[str, str], bytes, bool]]] = {  # signed when the test runs
    "ours": lambda: (SECRET, headers(SECRET), BODY, True),
    "in an overlap": lambda: (SECRET, headers(OTHER, SECRET), BODY, True),
    "a changed body": lambda: (SECRET, headers(SECRET), BODY.replace(b"delivered", b"bounced"), False),
    "another secret": lambda: (SECRET, headers(OTHER), BODY, False),
    "too old": lambda: (SECRET, headers(SECRET, late=400), BODY, False),
    "another id": lambda: (SECRET, headers(SECRET) | {"webhook-id": "evt_x"}, BODY, False),
}


@pytest.mark.parametrize("name", CASES)
def test_the_python_sample_is_wrong(name: str) -> None:
    secret, given, body, valid = CASES[name]()
    scope: dict[str, Any] = {}
    exec(sample("python"), scope)  # noqa: S102 -- our own page
    if valid:
        assert scope["handle"](secret, given, body) == f"message.delivered {ID}"
    else:
        with pytest.raises(InvalidSignature):
            scope["handle"](secret, given, body)


@pytest.mark.parametrize("name", CASES)
def test_the_node_sample_is_wrong(name: str, tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("needs node")
    secret, given, body, valid = CASES[name]()
    (tmp_path / "sample.mjs").write_text(_NODE % sample("javascript"))
    told = json.dumps({"secret": secret, "headers": given, "body": body.decode()})
    ran = subprocess.run(
        ["node", tmp_path / "sample.mjs"], input=told, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.startswith("message.delivered" if valid else "refused:"), ran.stdout


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_something_else_than_an_invalid_signature(missing: str) -> None:
    given = headers(SECRET)
    del given[missing]
    with pytest.raises(InvalidSignature):
        verify(SECRET, given, BODY)
    assert sign(SECRET, ID, 7, BODY).startswith("v1,")
