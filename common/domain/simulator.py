"""The simulator's addresses: recipients that end in a known way, through the whole pipeline.

Who plays them: the built-in mailbox on the wire, and services/simulating.py for what recipients say
afterwards. docs/simulator.md tells users. Never here: acting.
"""

DOMAIN = "simulator.sendarix.test"

ADDRESSES = {
    "delivered": "delivered",
    "bounced": "bounced",
    "deferred": "deferred, and bounced when its schedule ends",
    "deferred-then-delivered": "deferred once, then delivered",
    "complained": "delivered, then complained",
    "unsubscribed": "delivered, and the recipient unsubscribes",
    "slow": "delivered after two seconds",
}
"""What stands before the `@`, and what becomes of a message to it."""


SCRIPTED = "scripted"
"""`scripted+defer-defer-deliver@…` does at each attempt what its label says; the last step repeats."""
STEPS = ("deliver", "defer", "bounce")


def script_of(address: str) -> tuple[str, ...]:
    """The steps of a scripted address; () when its label is no script. A second label tells addresses apart."""
    label = address.lower().rpartition("@")[0].partition("+")[2].partition("+")[0]
    steps = tuple(label.split("-"))
    return steps if all(step in STEPS for step in steps) else ()


def part_of(address: str) -> str | None:
    """The part that an address plays (`bounced+case7@…` plays `bounced`); None when it is no simulator's address."""
    local, _, domain = address.lower().rpartition("@")
    return local.partition("+")[0] if domain == DOMAIN else None
