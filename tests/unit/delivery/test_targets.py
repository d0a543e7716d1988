"""A path's mail when its connections end early: each mail still gets its one outcome, over a fresh connection."""

from collections.abc import Sequence
from typing import cast

from common.config import read_settings
from common.domain.outcomes import Outcome
from common.services.delivery import Claimed
from tests.fakes.scripted import Drop, Expect, Scripted, hello, mail
from workers.delivery.smtp import Mail, Target
from workers.delivery.targets import Targets

ANY = cast(Claimed, None)
OFFER = hello("PIPELINING")


class Fixed(Targets):
    """Always to one port on loopback."""

    def __init__(self, port: int) -> None:
        super().__init__(read_settings())
        self._port = port

    def _targets(self, sample: Claimed, optional: bool) -> list[Target]:
        return [Target("127.0.0.1", self._port, tls="none")]

    def _mark(self, sample: Claimed, outcomes: Sequence[Outcome]) -> None:
        """There is no database here."""


def a_mail(name: str) -> Mail:
    return Mail(name, "a@example.com", (f"{name}@example.net",), b"x\r\n")


def test_an_idle_connection_closed_by_the_server_is_replaced() -> None:
    with Scripted([*OFFER, *mail(), Drop()], [*OFFER, *mail()]) as server:
        targets = Fixed(server.port)
        kinds = [targets.send(ANY, [a_mail(name)], lambda _: True)[0][1].kind for name in ("m1", "m2")]
        targets._sessions.close_all()
    assert kinds == ["delivered", "delivered"]
    assert len(server.seen) == 2


def test_421_after_each_mail_delivers_all_over_new_connections() -> None:
    script = [*OFFER, *mail(), Expect("MAIL", "421 4.4.5 one is enough"), Drop()]
    with Scripted(script, script, [*OFFER, *mail()]) as server:
        targets = Fixed(server.port)
        results = targets.send(ANY, [a_mail(f"m{n}") for n in range(3)], lambda _: True)
        targets._sessions.close_all()
    assert (targets.count_opened(), targets.count_opened()) == (3, 0)
    assert [(each.id, outcome.kind) for each, outcome in results] == [(f"m{n}", "delivered") for n in range(3)]


def test_a_lost_lease_ends_the_turn_without_a_loop() -> None:
    with Scripted([*OFFER, Expect("MAIL"), Expect("RCPT"), Expect("DATA", "354 go")]) as server:
        results = Fixed(server.port).send(ANY, [a_mail("m1"), a_mail("m2")], lambda _: False)
    assert [outcome.kind for _, outcome in results] == ["untried", "untried"]
    assert server.seen[0].contents == []
