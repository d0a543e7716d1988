"""Facts about a message to a Route with its reason. A first simple policy; rules join it here."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from common.domain.simulator import DOMAIN as SIMULATOR


@dataclass(frozen=True, slots=True)
class Source:
    """A way out: `sink` records, `relay` is a smarthost, `direct` asks the recipient's MX."""

    id: UUID
    name: str
    kind: str
    account_id: UUID | None
    is_default: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What routing knows of one message."""

    account_id: UUID
    environment: str
    recipient_domain: str
    tier: int
    account_source_id: UUID | None


@dataclass(frozen=True, slots=True)
class Route:
    """The frozen decision: the source, the path (source and site) and why."""

    source_id: UUID
    source: str
    path: str
    reason: str


def choose(facts: Facts, sources: Sequence[Source]) -> Route | None:
    """The way out for one message, or None when no source may carry it.

    Test keys always use a sink, and so does mail to the simulator where there is one. Otherwise: the
    account's own choice, then its default source, then the operator's.
    """
    allowed = [source for source in sources if source.account_id in (None, facts.account_id)]
    sinks = [source for source in allowed if source.kind == "sink"]
    if facts.environment == "test":
        return _first(facts, sinks, "a test key only reaches the sink")
    if sinks and facts.recipient_domain == SIMULATOR:
        return _first(facts, sinks, "the sink plays the simulator")
    chosen = [source for source in allowed if source.id == facts.account_source_id]
    if chosen:
        return _first(facts, chosen, "default source of the account")
    own = [source for source in allowed if source.is_default and source.account_id == facts.account_id]
    shared = [source for source in allowed if source.is_default and source.account_id is None]
    return _first(facts, own, "own default source") or _first(facts, shared, "the operator's default source")


def _first(facts: Facts, sources: Sequence[Source], reason: str) -> Route | None:
    if not sources:
        return None
    source = sources[0]
    return Route(source.id, source.name, path_of(source.name, source.kind, facts.recipient_domain), reason)


def path_of(source: str, kind: str, recipient_domain: str) -> str:
    """The path of a message over a source: one place for all that goes through a relay or a sink."""
    return f"{source}/{recipient_domain if kind == 'direct' else kind}"
