"""What outcomes say of the pace of a destination: who is to blame decides."""

import pytest

from common.domain.outcomes import Outcome
from common.domain.pacing import Marks, excused, marks_of

DELIVERED = Outcome("delivered", "dot", 250, "2.0.0", "2.0.0 ok", "delivered")
UNKNOWN_USER = Outcome("bounced", "rcpt", 550, "5.1.1", "5.1.1 no such user", "invalid_recipient")
SPAM = Outcome("bounced", "dot", 554, "5.7.1", "5.7.1 looks like spam", "content")
GREYLISTED = Outcome("deferred", "rcpt", 451, "4.7.1", "4.7.1 greylisted", "greylisted")
CUT = Outcome("deferred", "rcpt", None, None, "the connection was closed", "connection")
RATE = Outcome("deferred", "mail", 421, "4.7.28", "4.7.28 unusual rate", "throttled")
CROWD = Outcome("deferred", "mail", 421, "4.7.0", "4.7.0 Too many concurrent sessions", "throttled")
DOOR = Outcome("deferred", "banner", 421, None, "service not available", "remote_error")
NO_DNS = Outcome("deferred", "dns", 451, "4.4.3", "no answer", "dns")
SES = Outcome("deferred", "dot", 454, None, "Throttling failure: Maximum sending rate exceeded.", "throttled")


@pytest.mark.parametrize(
    ("outcome", "marks"),
    [
        (DELIVERED, Marks(good=1)),
        (UNKNOWN_USER, Marks(good=1)),
        (SPAM, Marks()),
        (GREYLISTED, Marks()),
        (CUT, Marks(bad=1)),
        (RATE, Marks(bad=1, throttled=True)),
        (CROWD, Marks(bad=1, throttled=True, crowded=True)),
        (DOOR, Marks(bad=1, throttled=True, crowded=True)),
        (NO_DNS, Marks()),
    ],
)
def test_the_wrong_one_is_blamed(outcome: Outcome, marks: Marks) -> None:
    assert marks_of([outcome]) == marks


def test_a_relays_rate_costs_an_attempt() -> None:
    assert (excused(SES).kind, excused(SES).wait_seconds) == ("untried", 3.0)
    assert [excused(each) for each in (DELIVERED, RATE)] == [DELIVERED, RATE]
