"""The shape of latencies: measured, promised, and what is left between the two."""

from api.v1.schemas import out


class PercentilesOut(out.Out):
    """Seconds."""

    p50 = out.number("Half of them took no longer.", 0.021, null=True)
    p95 = out.number("95 of 100 took no longer.", 0.11, null=True)
    p99 = out.number("99 of 100 took no longer.", 0.24, null=True)


class ObjectiveOut(out.Out):
    """What is promised."""

    seconds = out.number("A message is tried within so many seconds.", 2.0)
    share = out.number("For this share of the messages.", 0.99)
    origin = out.text("Whose policy promises it: `account` or `operator`; else `built_in`.", "built_in")


class ErrorBudgetOut(out.Out):
    """How much may go wrong, and does."""

    allowed = out.number("So many messages may be late.", 12.0)
    late = out.whole("So many were, or are and still wait.", 3)
    left = out.number("The share of the budget that is left; below 0 it is overdrawn.", 0.75)
    burn = out.number("How much of it the window has used: above 1 the objective is missed.", 0.25)


class TierLatencyOut(out.Out):
    """One tier."""

    priority = out.text("The tier.", "critical")
    messages = out.whole("How many were measured.", 1200)
    waiting = out.whole("How many of them have not been tried yet.", 2)
    first_attempt = out.nested(PercentilesOut, "From acceptance, or the scheduled time, to the first attempt.")
    delivery = out.nested(PercentilesOut, "From there to delivery.")
    objective = out.nested(ObjectiveOut, "What is promised.")
    error_budget = out.nested(ErrorBudgetOut, "What is left of it.")
    met = out.flag("Whether the promise is kept.")


class LatencyOut(out.Out):
    """Latencies by tier."""

    window_seconds = out.whole("Messages accepted within so many seconds.", 3600)
    data = out.listed(TierLatencyOut, "The highest tier first.")
