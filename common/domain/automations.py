"""What a provider's own words make us do for a while: slow down, open fewer connections, or stop. One table, pure.

Only what a server said counts, never a reply of ours: that would renew itself for ever. Never here: counting, or
how an action is carried out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from common.domain.outcomes import Outcome
from common.domain.reply_matching import Facts, Rule, class_of, fits, plain
from common.domain.reply_rules import words

_OURS = ("dns", "connect", "sign", "render", "pace")


@dataclass(frozen=True, slots=True)
class Action:
    """Any of: at most so many mails a minute, so many connections, or nothing at all (`suspend`); for `minutes`."""

    minutes: int
    per_minute: float | None = None
    connections: int | None = None
    suspend: bool = False


@dataclass(frozen=True, slots=True)
class Automation:
    """After `hits` such replies within an hour at one place, the action. `name` is unique."""

    name: str
    rule: Rule
    hits: int
    action: Action


def _after(
    hits: int, says: str, action: Action, name: str, provider: str | None = None, code_class: int | None = None
) -> Automation:
    return Automation(name, Rule(name, "throttled", words(says), code_class, provider=provider), hits, action)


_SLOW, _CRAWL = 10.0, 1.0

AUTOMATIONS: tuple[Automation, ...] = (
    _after(2, "unusual rate", Action(30, _SLOW), "google-unusual-rate", "google"),
    _after(5, "our system has detected that this message", Action(60, suspend=True), "google-detected", "google"),
    _after(3, "[ts02", Action(30, _CRAWL), "yahoo-ts02", "yahoo"),
    _after(3, "[ts03", Action(30, _SLOW), "yahoo-ts03", "yahoo"),
    _after(2, "[tss04 | [ipts04", Action(120, suspend=True), "yahoo-tss04", "yahoo"),
    _after(2, "[tss05 | [ipts05", Action(240, suspend=True), "yahoo-tss05", "yahoo"),
    _after(5, "[bl", Action(120, suspend=True), "yahoo-listed", "yahoo", 5),
    _after(3, "max message per connection reached", Action(60, _SLOW), "yahoo-per-connection", "yahoo"),
    _after(2, "maximum number of connections | ib007", Action(60, connections=1), "outlook-connections", "outlook"),
    _after(5, "s3150 | on our block list", Action(120, suspend=True), "outlook-listed", "outlook"),
    _after(3, "temporarily rate limited", Action(30, suspend=True), "outlook-rate", "outlook"),
    _after(3, "hcm1", Action(15, suspend=True), "apple-hcm1", "apple"),
    _after(3, "spamhaus", Action(240, suspend=True), "apple-listed", "apple"),
    _after(5, "service unavailable | [bs02", Action(15, suspend=True), "apple-unavailable", "apple"),
    _after(3, "too many connections", Action(30, connections=1), "gmx-connections", "gmx"),
    _after(5, "policy restrictions", Action(60, _CRAWL), "gmx-policy", "gmx"),
    _after(2, "trop de connexions", Action(60, connections=1), "orange-connections", "orange"),
    _after(2, "service refuse", Action(60, suspend=True), "orange-refused", "orange"),
    _after(2, "vs98-ip0 | [tss04 | [ipts04", Action(60, suspend=True), "yahoo-japan-refused", "yahoo-japan"),
    _after(1, "daily message quota exceeded | daily user sending", Action(60, suspend=True), "quota"),
    _after(
        1,
        """
            messages from ... temporarily deferred | permanently deferred | rate limited due to ip reputation |
            weren't sent | server busy ... try again later from
        """,
        Action(90, _CRAWL, 1),
        "temporarily-deferred",
    ),
    _after(3, "maximum sending rate exceeded", Action(5, 60.0), "sending-rate"),
    _after(
        3,
        "rate limit | rate-limit | ratelimit | too many messages | too many mails | sending too fast | slow down",
        Action(15, _SLOW),
        "rate-limited",
        code_class=4,
    ),
)


def triggered(outcomes: Iterable[Outcome]) -> list[tuple[Automation, Outcome]]:
    """The automation that each refusal speaks for, if any; the first that fits."""
    found = []
    for outcome in outcomes:
        if outcome.kind in ("deferred", "bounced") and outcome.code is not None and outcome.stage not in _OURS:
            automation = _of(outcome)
            if automation is not None:
                found.append((automation, outcome))
    return found


def _of(outcome: Outcome) -> Automation | None:
    facts = Facts(outcome.reply, outcome.code, outcome.enhanced, outcome.stage, outcome.provider)
    digit, lowered = class_of(facts), plain(outcome.reply)
    detail = outcome.enhanced.partition(".")[2] if outcome.enhanced else None
    return next((each for each in AUTOMATIONS if fits(each.rule, facts, digit, detail, lowered)), None)


def told(action: Action) -> str:
    """An action in words."""
    if action.suspend:
        return f"nothing is sent for {action.minutes} minutes"
    parts = []
    if action.per_minute is not None:
        parts.append(f"{action.per_minute:g} mails a minute")
    if action.connections is not None:
        parts.append(f"{action.connections} connection{'s' if action.connections > 1 else ''}")
    return f"{' and '.join(parts)} at most for {action.minutes} minutes"
