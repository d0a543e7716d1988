"""Every queue name, and which queue a kind of work of a tier belongs to."""

from common.domain.tiers import TIERS

ROUTING = tuple(f"routing.{tier}" for tier in TIERS)
DELIVERY = tuple(f"delivery.{tier}" for tier in TIERS)
RETRY = "retry"
WEBHOOKS = "webhooks"
WEBHOOKS_SLOW = "webhooks.slow"
MAINTENANCE = "maintenance"

ALL = (*ROUTING, *DELIVERY, RETRY, WEBHOOKS, WEBHOOKS_SLOW, MAINTENANCE)


def routing_queue(tier: int) -> str:
    return ROUTING[tier]


def delivery_queue(tier: int) -> str:
    return DELIVERY[tier]
