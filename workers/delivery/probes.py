"""A test of a source: one session opened as mail would open it, said QUIT to, and told line by line.

No mail is sent. Never here: rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from common.domain.outcomes import Line, Outcome
from common.domain.profiles import Profile, profile_named
from common.services.sources import Exit
from workers.delivery.mx import Verdict
from workers.delivery.smtp import ConnectFailed, Connection, Deadlines, Target, connect
from workers.delivery.ways import Ways

DEADLINES = Deadlines(connect=8.0, banner=20.0, ehlo=20.0)
"""Seconds; shorter than those of mail, because somebody waits for the answer."""

MOST_TARGETS = 3
_WHO = {"C": "us", "S": "server", "*": "note"}


@dataclass(frozen=True, slots=True)
class Probed:
    """`report` is JSON: stage, code, reply, where, TLS, what the server offers, advice, transcript."""

    passed: bool
    report: dict[str, Any]


def probe(ways: Ways, way: Exit, recipient_domain: str | None) -> Probed:
    """Open a session by `way`: to the relay, the sink, or the mail hosts of the domain."""
    profile = profile_named(way.profile)
    try:
        targets = ways.of_exit(way, recipient_domain or "")
    except Verdict as verdict:
        return Probed(False, _failure(verdict.outcome, None, profile))
    failure: dict[str, Any] = {}
    for target in targets[:MOST_TARGETS]:
        try:
            connection = connect(target, DEADLINES)
        except ConnectFailed as problem:
            failure = failure or _failure(problem.outcome, target, profile)
            continue
        report = _success(connection)
        connection.quit()
        return Probed(True, report)
    return Probed(False, failure)


def _success(connection: Connection) -> dict[str, Any]:
    session = connection.session
    talk = session.opening
    clear = session.tls is None and session.target.wanted.level != "none"
    return {
        "stage": "ready",
        "code": None,
        "reply": None,
        "advice": f"It works, but in clear: {session.tls_reason}." if clear else "It works: mail can leave this way.",
        "host": session.target.host,
        "ip": session.ip,
        "port": session.target.port,
        "tls": session.tls,
        "tls_verified": session.tls_verified,
        "tls_reason": session.tls_reason or None,
        "offers": sorted(name for name in session.extensions if name)[:40],
        "duration_ms": talk.milliseconds if talk else None,
        "transcript": _lines(talk.lines if talk else ()),
    }


def _failure(outcome: Outcome, target: Target | None, profile: Profile) -> dict[str, Any]:
    return {
        "stage": outcome.stage,
        "code": outcome.code,
        "reply": outcome.reply,
        "advice": _advice(outcome, profile),
        "host": target.host if target else outcome.mx,
        "ip": outcome.ip,
        "port": target.port if target else None,
        "tls": outcome.tls,
        "tls_verified": None,
        "tls_reason": outcome.tls_reason,
        "offers": [],
        "duration_ms": outcome.duration_ms or None,
        "transcript": _lines(outcome.transcript),
    }


def _lines(lines: Sequence[Line]) -> list[dict[str, Any]]:
    return [{"ms": ms, "from": _WHO.get(who, who), "line": line} for ms, who, line in lines]


def _advice(outcome: Outcome, profile: Profile) -> str:
    """What to do about it, in one sentence or two."""
    if outcome.stage == "auth" and outcome.code in (432, 454, 530, 534, 535, 538):
        hint = f" {profile.quirk}" if profile.quirk else ""
        return f"The server refuses the credentials. It wants {profile.username}, and {profile.password}.{hint}"
    return {
        "dns": "The name could not be looked up: check it, and the DNS servers of this machine.",
        "connect": "Nothing answers there: check host and port, and whether this network lets mail out.",
        "banner": "The server answers but turns this machine away: its reply says why.",
        "ehlo": "The server does not accept the EHLO name: set ehlo_name to the name that the address resolves to.",
        "tls": "TLS could not be agreed on: check the port (465 is implicit, 587 required) and the certificate.",
        "auth": "The server offers no way to log in that is understood here: check host and port.",
    }.get(outcome.stage, "The reply says what the server dislikes.")
