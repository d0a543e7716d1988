"""Would the verdict see it? Each rule over hand-made records, one wrong fact at a time."""

import hashlib
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos.ledger import Entry
from tests.chaos.records import Dump
from tests.chaos.sink import Received
from tests.chaos.verdict import AT_LEAST_ONCE, AT_MOST_ONCE, Records, judge

START = datetime(2026, 4, 19, 14, 30, tzinfo=UTC)
AT = START.timestamp()


class Story:
    """One message that went well; a test spoils one thing."""

    def __init__(self) -> None:
        self.entry = Entry("key-1", "user@example.net", "t1", answers=[(AT, 202)], message_ids={"msg_1"})
        self.row = SimpleNamespace(status="delivered", event_seq=3, next_attempt_at=START)
        self.attempts = [self.attempt(1, "delivered")]
        self.statuses = ["queued", "accepted", "delivered"]
        self.copies = [self.copy()]
        self.guarantee = AT_LEAST_ONCE
        self.dump = Dump()
        self.seen: list[str] = []

    def attempt(self, epoch: int, state: str) -> Any:
        moment = START + timedelta(seconds=epoch)
        return SimpleNamespace(
            epoch=epoch, number=1, state=state, stage="dot", code=250, category="", started_at=moment, ended_at=moment
        )

    def copy(self, **changes: Any) -> Received:
        body = hashlib.sha256(self.entry.text.encode() + b"\r\n").hexdigest()
        facts: dict[str, Any] = {"at": AT + 5, "sender": "ledger@example.com", "recipient": self.entry.recipient}
        facts |= {"message_id": "msg_1", "subject": self.entry.subject, "sha256": "s", "body_sha256": body}
        return Received(**(facts | {"dropped": False} | changes))

    def broken(self) -> set[str]:
        self.dump.messages["msg_1"] = self.row
        self.dump.attempts["msg_1"] = self.attempts
        self.dump.events["msg_1"] = [
            SimpleNamespace(seq=seq, type="", timestamp=START, data={"status": status})
            for seq, status in enumerate(self.statuses, 1)
        ]
        return judge(Records([self.entry], self.copies, self.dump, self.guarantee, self.seen)).rules()

    def end(self, status: str) -> None:
        self.row.status = self.statuses[-1] = status
        self.copies = []


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_good_story_is_called_broken(story: Story) -> None:
    assert story.broken() == set()


def test_a_promised_id_is_missing_in_the_database(story: Story) -> None:
    story.entry.message_ids = {"msg_2"}
    assert {"R1", "R4"} <= story.broken()


def test_a_request_never_gets_its_answer(story: Story) -> None:
    story.entry.answers = [(AT, 0), (AT, 503)]
    assert story.broken() == {"R1"}


def test_a_message_never_ends(story: Story) -> None:
    story.end("deferred")
    assert story.broken() == {"R2"}


def test_a_delivered_message_never_arrived(story: Story) -> None:
    story.copies = []
    assert story.broken() == {"R3"}


@pytest.mark.parametrize("status", ["failed", "bounced", "expired", "cancelled"])
def test_a_message_ends_without_a_fault_that_explains_it(story: Story, status: str) -> None:
    story.end(status)
    assert "R3" in story.broken()


def test_an_unknown_outcome_is_a_loss_only_when_mail_may_be_sent_again(story: Story) -> None:
    story.end("failed")
    story.attempts = [story.attempt(1, "unknown")]
    assert story.broken() == {"R3"}
    story.guarantee = AT_MOST_ONCE
    assert story.broken() == set()


def test_a_mail_arrives_that_nobody_asked_for(story: Story) -> None:
    story.copies.append(story.copy(message_id="msg_9"))
    assert story.broken() == {"R4"}


def test_a_second_copy_has_no_explanation(story: Story) -> None:
    story.copies.append(story.copy(at=AT + 6))
    assert story.broken() == {"R5"}


def test_a_second_copy_is_explained_by_an_unknown_attempt_but_never_at_most_once(story: Story) -> None:
    story.copies.append(story.copy(at=AT + 6))
    story.attempts.insert(0, story.attempt(0, "unknown"))
    assert story.broken() == set()
    story.guarantee = AT_MOST_ONCE
    assert story.broken() == {"R5"}


@pytest.mark.parametrize("change", [{"recipient": "other@example.net"}, {"body_sha256": "x"}, {"subject": "x"}])
def test_another_mail_arrives_than_was_sent(story: Story, change: dict[str, str]) -> None:
    story.copies = [story.copy(**change)]
    assert story.broken() == {"R6"}


@pytest.mark.parametrize(
    "statuses", [["queued", "delivered", "accepted"], ["queued", "accepted"], ["queued", "accepted", "bounced"]]
)
def test_a_timeline_has_a_gap_or_tells_another_end(story: Story, statuses: list[str]) -> None:
    story.statuses = statuses
    assert "R7" in story.broken()


def test_a_cancelled_message_arrives(story: Story) -> None:
    story.end("cancelled")
    story.entry.cancel = story.entry.cancelled = True
    assert story.broken() == set()
    story.copies = [story.copy()]
    assert "R8" in story.broken()


def test_a_scheduled_message_arrives_early(story: Story) -> None:
    story.entry.scheduled = AT + 60
    assert story.broken() == {"R9"}


def test_one_key_is_answered_with_two_ids(story: Story) -> None:
    story.entry.message_ids = {"msg_1", "msg_2"}
    assert "R10" in story.broken()


def test_an_invariant_was_violated_for_a_moment(story: Story) -> None:
    story.seen = ["I6 msg_1: a started attempt without a lease"]
    assert story.broken() == {"R11"}


def test_a_lease_is_left(story: Story) -> None:
    story.dump.leases = 1
    assert story.broken() == {"R13"}
