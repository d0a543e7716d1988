"""The shapes of analytics."""

from api.v1.schemas import out
from common.domain.analytics import METRICS

_WORDS = {
    "accepted": "Taken by the API or the relay.",
    "routed": "Given a way out.",
    "delivered": "Taken by the remote server.",
    "deferred": "Attempts that failed for now; a message may be deferred several times.",
    "bounced": "Refused for good, or given up: hard_bounced and soft_bounced.",
    "hard_bounced": "Refused for good.",
    "soft_bounced": "Given up after the last attempt.",
    "late_bounced": "Those of the bounced that had been delivered before.",
    "complained": "Reported by the recipient.",
    "unsubscribed": "Unsubscribed by the recipient.",
    "suppressed": "Not sent: the address is on the suppression list.",
    "cancelled": "Cancelled by the caller.",
    "expired": "Not sent within the ttl.",
    "failed": "Not sendable, or with an outcome that stays unknown.",
}

MetricsOut = out.Out.from_dict(
    {
        **{name: out.whole(_WORDS[name], 0) for name in METRICS},
        "delivery_rate": out.number("Delivered of all that were delivered or bounced, 0 to 1.", 0.98, null=True),
        "bounce_rate": out.number("Bounced of all that were delivered or bounced, 0 to 1.", 0.02, null=True),
        "complaint_rate": out.number("Complained of all delivered, 0 to 1.", 0.0005, null=True),
        "reasons": out.mapped(
            "Why: for deferred, bounced, suppressed and failed, each reason with its count, the most frequent first.",
            {"deferred": {"greylisted": 3}, "bounced": {"invalid_recipient": 1}, "suppressed": {}, "failed": {}},
        ),
    },
    name="AnalyticsMetrics",
)


class DeliveryTimesOut(out.Out):
    """How long it took from accepted (or the time it was scheduled for) to delivered."""

    count = out.whole("How many were delivered.", 1017)
    p50_seconds = out.number("Half were faster.", 0.4, null=True)
    p95_seconds = out.number("95 of 100 were faster.", 2.1, null=True)
    p99_seconds = out.number("99 of 100 were faster.", 31.0, null=True)


class TimeStepOut(out.Out):
    """A step of the histogram."""

    below_seconds = out.number("Its upper bound; null: above all others.", 0.5, null=True)
    count = out.whole("How many took less than this and at least the step before.", 812)


class DeliveryTimesWholeOut(DeliveryTimesOut):
    """The same with every step."""

    histogram = out.listed(TimeStepOut, "Steps in order.")


class AnalyticsLineOut(out.Out):
    """One interval of one group."""

    start = out.moment("Its beginning.")
    end = out.moment("Its end, not included.")
    dimensions = out.mapped("The group: a value for each of `group_by`; null where unknown.", {"provider": "google"})
    metrics = out.nested(MetricsOut, "What happened in it.")
    time_to_delivery = out.nested(DeliveryTimesOut, "How long delivering took.")


TotalsOut = MetricsOut.from_dict(
    {"time_to_delivery": out.nested(DeliveryTimesWholeOut, "How long delivering took.")}, name="AnalyticsTotals"
)


class AnalyticsOut(out.Out):
    """Counts over time."""

    start = out.moment("The beginning, moved back to that of its interval.")
    end = out.moment("The end, not included, moved on to that of its interval.")
    interval = out.text("hour, day, month or total.", "day")
    group_by = out.listed(out.text("A dimension."), "What the lines are grouped by.")
    environment = out.text("`live` or `test`: that of the key.", "live")
    as_of = out.moment("What happened until then is in the answer.", null=True)
    data = out.listed(AnalyticsLineOut, "By time, then by volume.")
    totals = out.nested(TotalsOut, "Over the whole range and all groups.")


class IdentityOut(out.Out):
    """accepted = live + delivered + bounced + suppressed + cancelled + expired + failed."""

    start = out.moment("From the hour in which this is; null: from the beginning.", null=True)
    end = out.moment("Until then, not included; null: until now.", null=True)
    environment = out.text("`live` or `test`: that of the key.", "live")
    as_of = out.moment("When this was so.", null=True)
    accepted = out.whole("Mail that was accepted in the range.", 1000)
    live = out.whole("Still on its way: scheduled, queued, accepted or deferred.", 10)
    delivered = out.whole("Delivered, also when it was complained about later.", 950)
    bounced = out.whole("Bounced, also after it had been delivered.", 20)
    suppressed = out.whole("Suppressed.", 10)
    cancelled = out.whole("Cancelled.", 5)
    expired = out.whole("Expired.", 3)
    failed = out.whole("Failed.", 2)
    complained = out.whole("How many of the delivered were complained about.", 1)
    difference = out.whole("accepted less all others: 0.", 0)
    closes = out.flag("Whether it closes; null while more events wait to be counted than an answer adds.", null=True)
