"""Every address of the simulator ends as documented, through accepting, routing, the wire and back."""

from pathlib import Path
from typing import Any

import pytest

from common.domain.routing import Facts, Source, choose
from common.domain.simulator import ADDRESSES, DOMAIN
from common.services.quickstart import QUICKSTART_ACCOUNT
from tests.callers import Api
from tests.pipeline import work_off

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"
ENDS = {
    "delivered": ("delivered", ["queued", "accepted", "delivered"], 1),
    "bounced": ("bounced", ["queued", "accepted", "bounced"], 0),
    "deferred": ("bounced", ["queued", "accepted", *["deferred"] * 5, "bounced"], 0),
    "deferred-then-delivered": ("delivered", ["queued", "accepted", "deferred", "delivered"], 1),
    "complained": ("complained", ["queued", "accepted", "delivered", "complained"], 1),
    "unsubscribed": ("delivered", ["queued", "accepted", "delivered", "unsubscribed"], 1),
    "slow": ("delivered", ["queued", "accepted", "delivered"], 1),
}
SUPPRESSED = {"bounced": "hard_bounce", "complained": "complaint", "unsubscribed": "user_unsubscribed"}


def types(api: Api, message_id: str, key: str) -> list[str]:
    return [each["type"].removeprefix("message.") for each in api.read(message_id, "/events", key)["data"]]


@pytest.mark.parametrize("environment", ["live", "test"])
def test_s55_an_address_of_the_simulator_ends_otherwise(api: Api, environment: str) -> None:
    assert set(ENDS) == set(ADDRESSES)
    key = getattr(api, environment)
    sent = {name: api.send(key, recipient=f"{name}+{environment}@{DOMAIN}")["message_id"] for name in ENDS}
    work_off()
    assert api.read(sent["deferred"], key=key)["status"] == "deferred"
    assert api.read(sent["deferred-then-delivered"], key=key)["status"] == "deferred"
    work_off(retries=5)
    for name, (status, timeline, mails) in ENDS.items():
        message = api.read(sent[name], key=key)
        assert (message["status"], types(api, sent[name], key)) == (status, timeline), name
        assert len(api.caught(f"{name}+{environment}@{DOMAIN}")) == mails, name
        found = api.call("GET", f"/v1/suppressions/{name}%2B{environment}@{DOMAIN}", key=key)
        assert (found.get_json().get("reason") if found.status_code == 200 else None) == SUPPRESSED.get(name), name


def test_s50_an_unsubscribe_does_not_reach_the_list(api: Api) -> None:
    address = f"unsubscribed+again@{DOMAIN}"
    first = api.send(api.test, recipient=address)["message_id"]
    work_off()
    event = api.read(first, "/events", api.test)["data"][-1]
    assert (event["type"], event["data"]["source"]) == ("message.unsubscribed", "simulator")
    second = api.send(api.test, recipient=address)["message_id"]
    work_off()
    assert api.read(second, key=api.test)["status"] == "suppressed"
    assert api.call("DELETE", f"/v1/unsubscribes/{address.replace('+', '%2B')}", key=api.test).status_code == 204
    third = api.send(api.test, recipient=address)["message_id"]
    work_off()
    assert api.read(third, key=api.test)["status"] == "delivered"


def test_an_unknown_part_is_delivered(api: Api) -> None:
    message_id = api.send(api.test, recipient=f"nobody@{DOMAIN}")["message_id"]
    work_off()
    assert api.read(message_id, key=api.test)["status"] == "bounced"


def test_simulated_mail_of_a_live_key_leaves_the_house() -> None:
    account: Any = QUICKSTART_ACCOUNT
    direct = Source(account, "direct", "direct", None, True)
    sink = Source(QUICKSTART_ACCOUNT, "mailbox", "sink", account, False)
    facts = Facts(account, "live", DOMAIN, 1, direct.id)
    found = choose(facts, [direct, sink])
    assert found is not None and found.source == "mailbox"


def test_an_address_has_no_line_in_the_page() -> None:
    text = PAGE.read_text()
    for name in ADDRESSES:
        assert f"| `{name}@{DOMAIN}` |" in text, name
