"""react(...): the simulator's recipients answer what they received: one complains, one unsubscribes.

As if it had come in from outside, but in the transaction that writes the delivery down. Never here:
refusing or delaying mail; that is the built-in mailbox's part on the wire.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from common.domain.simulator import DOMAIN, part_of
from common.services import feedback
from common.services.claimed import Claimed
from common.services.lifecycle import Applied

SINK = "/sink"
"""How the path of a message ends that went to a sink: nobody else plays the simulator."""


def react(connection: Connection, claimed: Sequence[Claimed], applied: Sequence[Applied]) -> None:
    """For those of `applied` that were just delivered to the simulator."""
    ours = {each.id: part_of(each.row.recipient) for each in claimed if each.row.recipient_domain == DOMAIN}
    if not ours:
        return
    delivered = [done.message_id for done in applied if done.status == "delivered" and (done.path or "").endswith(SINK)]
    complaining = [each for each in delivered if ours.get(each) == "complained"]
    if complaining:
        feedback.complain(connection, complaining, data={"simulated": True})
    leaving = [each for each in delivered if ours.get(each) == "unsubscribed"]
    if leaving:
        feedback.unsubscribe(connection, leaving, source="simulator")
