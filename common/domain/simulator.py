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


def part_of(address: str) -> str | None:
    """The part that an address plays (`bounced+case7@…` plays `bounced`); None when it is no simulator's address."""
    local, _, domain = address.lower().rpartition("@")
    return local.partition("+")[0] if domain == DOMAIN else None
