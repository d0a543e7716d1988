"""A webhook signed by us is valid to the libraries that our users verify with, and a changed one is not."""

import base64
import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import standardwebhooks
import svix
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.domain.signatures import sign_all
from tests import peers

NEW, OLD, OTHER = ("whsec_" + base64.b64encode(bytes([each]) * 24).decode() for each in (1, 2, 3))
ID = "evt_01k5qkz0v9e0bs2m3n4p5q6r7s"
BODY = json.dumps({"type": "message.delivered", "data": {"recipient": "ünï@example.com", "n": 0.1}}, ensure_ascii=False)
ED25519 = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32).private_bytes_raw()


def headers(*secrets: str, key: bytes | None = None, late: int = 0) -> dict[str, str]:
    stamp = int(datetime.now(UTC).timestamp()) - late  # noqa: TID251 -- the libraries read the real clock
    signature = sign_all(secrets, key, ID, stamp, BODY.encode())
    return {"webhook-id": ID, "webhook-timestamp": str(stamp), "webhook-signature": signature}


def changed_signature(change: Callable[[str], str]) -> dict[str, str]:
    sent = headers(NEW)
    return sent | {"webhook-signature": change(sent["webhook-signature"])}


CASES: dict[str, tuple[str, str, Callable[[], dict[str, str]], bool]] = {
    "one secret": (NEW, BODY, lambda: headers(NEW), True),
    "the new one while both count": (NEW, BODY, lambda: headers(NEW, OLD), True),
    "the old one while both count": (OLD, BODY, lambda: headers(NEW, OLD), True),
    "beside a public-key signature": (NEW, BODY, lambda: headers(NEW, key=ED25519), True),
    "another secret": (OTHER, BODY, lambda: headers(NEW, OLD), False),
    "a changed body": (NEW, BODY.replace("0.1", "0.10"), lambda: headers(NEW), False),
    "another id": (NEW, BODY, lambda: headers(NEW) | {"webhook-id": "evt_other"}, False),
    "six minutes late": (NEW, BODY, lambda: headers(NEW, late=360), False),
    "six minutes early": (NEW, BODY, lambda: headers(NEW, late=-360), False),
    "another time": (
        NEW,
        BODY,
        lambda: headers(NEW) | {"webhook-timestamp": headers(NEW, late=7)["webhook-timestamp"]},
        False,
    ),
    "a signature cut short": (NEW, BODY, lambda: changed_signature(lambda text: text[:-4]), False),
    "a signature of another version": (
        NEW,
        BODY,
        lambda: changed_signature(lambda text: text.replace("v1,", "v2,")),
        False,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_python_library_disagrees(name: str) -> None:
    secret, body, sent, valid = CASES[name]
    for library, error in (
        (standardwebhooks.Webhook, standardwebhooks.WebhookVerificationError),
        (svix.Webhook, svix.WebhookVerificationError),
    ):
        if valid:
            library(secret).verify(body, sent())
        else:
            with pytest.raises(error):
                library(secret).verify(body, sent())


def test_a_node_library_disagrees() -> None:
    for package in ("standardwebhooks", "svix"):
        peers.require(package)
    lines = [
        json.dumps({"secret": secret, "body": body, "headers": sent()}) for secret, body, sent, _ in CASES.values()
    ]
    ran = subprocess.run(
        ["node", "webhooks.mjs"], cwd=peers.HOME, input="\n".join(lines), capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    answers = [json.loads(line) for line in ran.stdout.splitlines()]
    for (name, case), answer in zip(CASES.items(), answers, strict=True):
        assert {each == "valid" for each in answer.values()} == {case[3]}, f"{name}: {answer}"
