"""What operators say about refusals, applied to outcomes; and what no rule knows, counted.

The wire judges by the built-in rules alone and opens no database. Only a server's own words are judged:
what this side says (no address, lease lost) never meets a rule. Never here: matching.
"""

import atexit
import threading
from dataclasses import replace

import structlog
from sqlalchemy.exc import SQLAlchemyError

from common.caching import Remembered
from common.db.session import transaction
from common.domain.outcomes import Outcome
from common.domain.replies import AFTER_OPENING, judge
from common.domain.reply_forms import normal_form
from common.domain.reply_matching import Facts, Rule, without_foreign
from common.domain.reply_rules import RULES
from common.domain.rule_sources import TABLES
from common.services import reply_rules, unknown_replies
from common.services.unknown_replies import Unknown

log = structlog.get_logger()

RULES_SECONDS = 3.0
"""An operator's change is in force everywhere after this long."""

FLUSH_SECONDS = 2.0
MOST_FORMS = 1000


class Judging:
    """Shared by every delivery thread of a process. Costs nothing while nothing is refused."""

    def __init__(self) -> None:
        self._rules: Remembered[str, tuple[Rule, ...]] = Remembered(seconds=RULES_SECONDS, size=1)
        self._last: tuple[Rule, ...] = ()
        self._unknown: dict[str, tuple[Unknown, int]] = {}
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        atexit.register(self.flush)

    def settle(self, outcome: Outcome) -> Outcome:
        """The outcome as operators' rules see it."""
        if outcome.rule is None or outcome.kind not in ("deferred", "bounced"):
            return outcome
        own = self._operators_rules()
        if own:
            facts = Facts(outcome.reply, outcome.code, outcome.enhanced, outcome.stage, outcome.provider)
            verdict = judge(facts, (*own, *RULES))
            if verdict.rule != outcome.rule:
                kind = verdict.kind if outcome.stage in AFTER_OPENING else "deferred"
                outcome = replace(outcome, kind=kind, category=verdict.category, rule=verdict.rule)
        if outcome.rule in TABLES:
            self._count(outcome)
        return outcome

    def _operators_rules(self) -> tuple[Rule, ...]:
        try:
            self._last = self._rules.get("", self._load)
        except SQLAlchemyError as error:
            log.warning("reply_rules_not_read", error=type(error).__name__)
        return self._last

    def _load(self) -> tuple[Rule, ...]:
        with transaction() as connection:
            return reply_rules.load(connection)

    def _count(self, outcome: Outcome) -> None:
        form = Unknown(
            normal_form(outcome.reply),
            without_foreign(outcome.reply),
            outcome.stage,
            outcome.code,
            outcome.enhanced,
            outcome.provider,
            outcome.category,
        )
        with self._lock:
            _, number = self._unknown.get(form.key, (form, 0))
            if number or len(self._unknown) < MOST_FORMS:
                self._unknown[form.key] = (form, number + 1)
            if self._timer is None:
                self._timer = threading.Timer(FLUSH_SECONDS, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Write down what was counted since the last time."""
        with self._lock:
            self._timer = None
            seen, self._unknown = self._unknown, {}
        if not seen:
            return
        try:
            with transaction() as connection:
                unknown_replies.count(connection, list(seen.values()))
        except SQLAlchemyError as error:
            log.warning("unknown_replies_not_written", error=type(error).__name__)
