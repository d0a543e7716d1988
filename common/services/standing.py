"""Standings: how the members of pools stand while a batch of messages is decided, health and warm-up together.

A warm-up is counted exactly: who routes holds the day's rows of its warming sources until the commit. Never here:
the choice (domain/pools.py).
"""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from common import clock
from common.config import current_settings
from common.db.session import as_json, rows, run
from common.domain import warming
from common.domain.path_health import SOURCE_OPEN_AFTER, UNKNOWN, Health, beta_of, drawn, is_open, latency_factor
from common.domain.policy import Member, Policy
from common.domain.pools import Candidate
from common.domain.routing import Decision, Facts, Source
from common.services import path_health
from common.services.path_health import RELAY, WHOLE

Path = tuple[UUID, str]

_HELD = """
INSERT INTO warmup_days AS w (source_id, place, day, routed)
SELECT source_id, place, day, 0 FROM json_to_recordset(%s) AS x(source_id uuid, place text, day integer) ORDER BY 1, 2
ON CONFLICT (source_id, place, day) DO UPDATE SET routed = w.routed RETURNING source_id, place, routed
"""
_LOOK = "SELECT source_id, place, routed FROM warmup_days WHERE source_id = ANY(%s::uuid[]) AND day = %s"
_COUNT = """
UPDATE warmup_days w SET routed = w.routed + x.more
  FROM json_to_recordset(%s) AS x(source_id uuid, place text, more integer)
 WHERE w.source_id = x.source_id AND w.place = x.place AND w.day = %s
"""


class Standings:
    """For one batch. `look` is what deciding asks; `took` tells it what was decided; `keep` writes it down."""

    def __init__(self, now: datetime, health: dict[Path, Health], used: dict[Path, int]) -> None:
        self._now, self._health, self._used = now, health, used
        self._moment = now.timestamp() * current_settings().time_scale
        self._more: Counter[Path] = Counter()
        self._waiting: Counter[Path] = Counter()

    def look(self, source: Source, facts: Facts, member: Member, draws: random.Random) -> Candidate:
        """How a source stands for one message. Always the same number of draws, whatever comes of it."""
        path = _path(source, facts)
        place = self._health.get(path, UNKNOWN).now(self._moment)
        whole = self._health.get((source.id, WHOLE), UNKNOWN).now(self._moment)
        alpha, beta = beta_of(place, whole)
        chance, draw = draws.random(), drawn(alpha, beta, draws, critical=facts.tier == 0)
        shut = is_open(place, self._moment, chance) or is_open(whole, self._moment, chance, after=SOURCE_OPEN_AFTER)
        left, wait = self._left(member, path, place)
        excluded = "warmup_limit" if left == 0 else "circuit_open" if shut else None
        return Candidate(
            member.source,
            "",
            member.role,
            member.weight,
            excluded,
            alpha / (alpha + beta),
            draw,
            left,
            wait,
            latency_factor(place.typical_ms),
        )

    def _left(self, member: Member, path: Path, health: Health) -> tuple[int | None, float | None]:
        if member.warmup is None:
            return None, None
        cap = warming.cap_of(member.warmup, self._now, health)
        if cap is None:
            return None, None
        used = self._used.get(path, 0) + self._more[path]
        left = warming.left_of(cap, used, self._now)
        return left, None if left else warming.wait_for(cap, used + self._waiting[path], self._now)

    def took(self, facts: Facts, decision: Decision, sources: Sequence[Source]) -> None:
        """Count a decision: one more by its source, or one more that waits for the members of its pool."""
        if decision.route is not None and decision.pool is not None:
            chosen = next(each for each in sources if each.id == decision.route.source_id)
            self._more[_path(chosen, facts)] += 1
        waited = (
            {each.source for each in decision.candidates if each.wait is not None} if decision.act == "wait" else ()
        )
        for source in sources:
            if source.name in waited:
                self._waiting[_path(source, facts)] += 1

    def keep(self, connection: Connection) -> None:
        """Write down what warming sources were given."""
        more = [{"source_id": path[0], "place": path[1], "more": count} for path, count in self._more.items()
                if path in self._used]  # fmt: skip
        if more:
            run(connection, _COUNT, as_json(more), warming.day_of(self._now))


def _path(source: Source, facts: Facts) -> Path:
    return source.id, facts.place if source.kind == "direct" else RELAY


def stand(
    connection: Connection, asked: Iterable[tuple[Facts, Policy]], sources: Sequence[Source], *, hold: bool
) -> Standings | None:
    """What is known of the members of these policies' pools; None without pools. `hold` locks what is counted."""
    pairs = [(facts, policy) for facts, policy in asked if policy.pools]
    if not pairs:
        return None
    now = clock.now()
    members = [member for _, policy in pairs for pool in policy.pools.values() for member in pool.members]
    names, warming_names = {each.source for each in members}, {each.source for each in members if each.warmup}
    involved = [source for source in sources if source.name in names]
    places = {facts.place for facts, _ in pairs}
    scale = current_settings().time_scale
    health = path_health.read(connection, [source.id for source in involved], places, time_scale=scale)
    warm = [source for source in involved if source.name in warming_names]
    used = _counted(connection, warm, places, warming.day_of(now), hold=hold) if warm else {}
    return Standings(now, health, used)


def _counted(
    connection: Connection, warm: Sequence[Source], places: Iterable[str], day: int, *, hold: bool
) -> dict[Path, int]:
    if not hold:
        found = rows(connection, _LOOK, [source.id for source in warm], day)
    else:
        wanted = {(source.id, place if source.kind == "direct" else RELAY) for source in warm for place in places}
        given = [{"source_id": source_id, "place": place, "day": day} for source_id, place in wanted]
        found = rows(connection, _HELD, as_json(given))
    return {(row.source_id, row.place): row.routed for row in found}
