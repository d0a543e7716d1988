"""When a policy that is tried on a share of the mail has proved itself, or has done harm. Pure.

Never here: counting messages (services/canaries.py).
"""

from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["go_on", "promote", "roll_back"]


@dataclass(frozen=True, slots=True)
class Guardrails:
    """A canary may be worse than the rest by so much: shares of its messages. Nothing is judged, for better or
    worse, before it has `least_messages`."""

    deferrals: float = 0.05
    bounces: float = 0.02
    least_messages: int = 50


@dataclass(frozen=True, slots=True)
class Counts:
    """Messages that were tried at least once, and how many of them were ever deferred, or bounced."""

    messages: int = 0
    deferred: int = 0
    bounced: int = 0

    @property
    def deferrals(self) -> float:
        return self.deferred / self.messages if self.messages else 0.0

    @property
    def bounces(self) -> float:
        return self.bounced / self.messages if self.messages else 0.0

    def shown(self) -> dict[str, Any]:
        """For people."""
        rates = {"deferral_rate": round(self.deferrals, 4), "bounce_rate": round(self.bounces, 4)}
        return {"messages": self.messages, "deferred": self.deferred, "bounced": self.bounced, **rates}


def judge(canary: Counts, base: Counts, rails: Guardrails, *, over: bool) -> tuple[Verdict, str]:
    """What follows, and why in words. `over`: its time has passed."""
    if canary.messages < rails.least_messages:
        return "go_on", f"{canary.messages} of {rails.least_messages} messages have been tried"
    for name, margin in (("deferrals", rails.deferrals), ("bounces", rails.bounces)):
        own, others = getattr(canary, name), getattr(base, name)
        if own > others + margin:
            return "roll_back", f"{name} of {own:.1%}, beside {others:.1%} of other mail"
    return ("promote", "its time passed within the guardrails") if over else ("go_on", "within the guardrails")
