"""Mails built per second with no, one and two DKIM signatures, and RSA signing beside dkimpy's.

`python -m tests.bench.signing` prints them; one process, one thread. Never here: sending.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import dkim as dkimpy
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from common.domain.dkim import ALGORITHMS, load_private, make_pair
from common.domain.mime import Letter, build
from workers.delivery.dkim import SigningKey, sign

LETTER = Letter(
    message_id="msg_01k6z3v5e8f9g0h1j2k3m4n5p6",
    message_id_domain="example.com",
    created_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
    sender=("Example", "no-reply@example.com"),
    recipient=("Anna", "anna@example.net"),
    subject="Your code is 123456",
    text="Your code is 123456.\n" * 10,
    html="<p>Your code is <b>123456</b>.</p>\n" * 40,
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Per second of processor time: mails built with 0, 1 and 2 signatures; RSA-2048 signatures by us and by dkimpy."""

    unsigned: float
    one: float
    two: float
    ours: float
    dkimpy: float


def measure(seconds: float = 1.0) -> Figures:
    """Each figure over `seconds`."""
    keys = [
        SigningKey("example.com", f"s{number}", load_private(make_pair(algorithm).private))
        for number, algorithm in enumerate(ALGORITHMS)
    ]
    at, source = int(LETTER.created_at.timestamp()), build(LETTER)
    pem = keys[0].key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    relaxed = (b"relaxed", b"relaxed")
    return Figures(
        _rate(lambda: build(LETTER), seconds),
        _rate(lambda: sign(build(LETTER), keys[:1], at), seconds),
        _rate(lambda: sign(build(LETTER), keys, at), seconds),
        _rate(lambda: sign(source, keys[:1], at), seconds),
        _rate(lambda: dkimpy.sign(source, b"s0", b"example.com", pem, canonicalize=relaxed), seconds),
    )


def _rate(act: Callable[[], object], seconds: float) -> float:
    """Per second of processor time: nothing here waits, and a busy machine disturbs that least."""
    act()
    count, began = 0, time.process_time()
    while (spent := time.process_time() - began) < seconds:
        act()
        count += 1
    return count / spent


def main() -> None:
    """Print the figures."""
    found = measure()
    print(f"mails built, unsigned         {found.unsigned:9.0f} /s")
    print(f"mails built, one signature    {found.one:9.0f} /s  (RSA-2048)")
    print(f"mails built, two signatures   {found.two:9.0f} /s  (and Ed25519)")
    print(f"RSA-2048 signing              {found.ours:9.0f} /s  {found.ours / found.dkimpy:.1f} times dkimpy's")
    print(f"dkimpy's RSA-2048 signing     {found.dkimpy:9.0f} /s")


if __name__ == "__main__":
    main()
