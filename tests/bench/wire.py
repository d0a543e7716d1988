"""The SMTP client alone beside smtplib, both over one connection that they use again, and what signing costs it.

`python -m tests.bench.wire` prints the figures. Never here: databases.
"""

import smtplib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console

from common.domain.dkim import ALGORITHMS, load_private, make_pair
from common.domain.mime import build
from tests.bench import signing
from tests.bench.figures import Figure, at_least, show
from tests.bench.receiver import running
from workers.delivery.dkim import SigningKey, sign
from workers.delivery.rounds import WINDOW
from workers.delivery.smtp import Connection, Mail, Target, connect

TURN_SECONDS = 0.02
SENDER, RECIPIENT = "bounce@example.com", "anna@example.net"
CONTENT = build(signing.LETTER)


def client_rate(port: int, seconds: float, content: Callable[[], bytes] = lambda: CONTENT) -> float:
    """Mails per second by our client, in windows as a delivery worker sends them."""
    with _connected(port) as connection:
        count, began = 0, time.perf_counter()
        while (spent := time.perf_counter() - began) < seconds:
            mails = [Mail(f"m{number}", SENDER, (RECIPIENT,), content()) for number in range(WINDOW)]
            results = connection.send(mails, lambda _: True)
            assert all(outcome.kind == "delivered" for _, outcome in results), results
            count += WINDOW
        return count / spent


@contextmanager
def _connected(port: int) -> Iterator[Connection]:
    connection = connect(Target("127.0.0.1", port, tls="none", most_mails=10_000_000))
    try:
        yield connection
    finally:
        connection.quit()


def smtplib_rate(port: int, seconds: float) -> float:
    """The same by smtplib."""
    with smtplib.SMTP("127.0.0.1", port) as client:
        count, began = 0, time.perf_counter()
        while (spent := time.perf_counter() - began) < seconds:
            client.sendmail(SENDER, [RECIPIENT], CONTENT)
            count += 1
        return count / spent


def measure(seconds: float = 1.0, rounds: int = 4) -> list[Figure]:
    """The figures; ours and theirs take turns, and the best round of each counts, so that noise hits neither."""
    return [
        _beside_smtplib("at once", 0.0, seconds, rounds, 3.0),
        _beside_smtplib("20 ms a turn", TURN_SECONDS, seconds, rounds, 3.5),
        *_signed(seconds),
        *_signing(seconds),
    ]


def _beside_smtplib(name: str, turn: float, seconds: float, rounds: int, times: float) -> Figure:
    with running(turn) as port:
        taken = [(client_rate(port, seconds / 2), smtplib_rate(port, seconds / 2)) for _ in range(rounds)]
    ours, theirs = (max(each) for each in zip(*taken, strict=True))
    meaning = "our client alone over one connection, beside smtplib in the same run"
    return at_least(
        f"SMTP client, receiver answers {name}", ours, "/s", meaning, beside="smtplib", floor=theirs, times=times
    )


def _signed(seconds: float) -> Iterator[Figure]:
    """One process builds, signs and sends, without its database."""
    at = int(signing.LETTER.created_at.timestamp())
    keys = [
        SigningKey("example.com", f"s{number}", load_private(make_pair(algorithm).private))
        for number, algorithm in enumerate(ALGORITHMS)
    ]
    with running(0.0) as port:
        for count, words in enumerate(("no signature", "one signature", "two signatures")):
            rate = client_rate(port, seconds, partial(_signed_mail, keys[:count], at))
            yield Figure(f"build, sign, send: {words}", rate, "/s", "one thread of a delivery worker, without database")


def _signed_mail(keys: list[SigningKey], at: int) -> bytes:
    source = build(signing.LETTER)
    return sign(source, keys, at) if keys else source


def _signing(seconds: float) -> Iterator[Figure]:
    found = signing.measure(seconds)
    meaning = "RSA-2048 signatures of one mail, beside dkimpy's in the same run"
    yield at_least("RSA signing", found.ours, "/s", meaning, beside="dkimpy", floor=found.dkimpy, times=15.0)


def main() -> None:
    """Print the figures."""
    show(measure(), Console())


if __name__ == "__main__":
    main()
