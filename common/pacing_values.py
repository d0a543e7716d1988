"""What pacing is told and answers: levels, scopes, grants, feedback, and how a level stands. Values only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Level:
    """One thing with limits of its own: a site or a provider, seen from one source. `key` names it.

    `connections` at once and `per_second` mails at most; `start` connections until it is known better. At most
    `connects_per_minute` are opened, a tenth of them at once; `failed_connects` in a row make it rest. 0: no limit.
    """

    key: str
    connections: int
    per_second: float
    start: int
    connects_per_minute: int = 0
    failed_connects: int = 0


@dataclass(frozen=True, slots=True)
class Scope:
    """What a batch of mail is paced by: its levels, at most two, the narrower first.

    `source` is whose connections count; `place` the site's key or the provider's name; `name` is for people. A
    connection carries `most_mails`, and may idle for `idle_seconds`.
    """

    source: str
    place: str
    name: str
    levels: tuple[Level, ...]
    most_mails: int = 1000
    idle_seconds: float = 5.0

    @property
    def key(self) -> str:
        """The name under which its mail is parked: that of the widest level."""
        return self.levels[-1].key


@dataclass(frozen=True, slots=True)
class Grant:
    """`count` mails may go now over the lease. Otherwise `limit` (connections, connects, rate, queue, rest) of the
    level `key` refused, at `used` of `most`, for about `wait` seconds. `queued`: mail may be parked here, as
    `mark` says how often; `room`: one more connection would be granted."""

    count: int
    limit: str = ""
    key: str = ""
    used: int = 0
    most: float = 0.0
    wait: float = 0.0
    queued: bool = True
    mark: int = 0
    room: bool = False


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a batch showed: mails that show a working host, marks against it, whether it named too many connections
    or asked for less. `unused` is what was granted and not sent; `lost` of the marks are tries nobody answered;
    `opened` connections were opened beyond the one that came with the lease and those told before."""

    good: int = 0
    bad: int = 0
    crowded: bool = False
    throttled: bool = False
    unused: int = 0
    lost: int = 0
    opened: int = 0


@dataclass(frozen=True, slots=True)
class Use:
    """How a level stands now: connections in use, of how many that are believed in, of how many at most; seconds
    until the rate lets the next mail go, until a limit that the server has shown is tried again, of a rest, and until
    one more connection may be opened."""

    connections: int
    believed: int
    most: int
    rate_wait: float
    ceiling: float
    rest: float
    connect_wait: float
