"""Every task: its name and what its `ids` are. The only list; a worker binds a function to a name."""

ROUTE_MESSAGES = "routing.route_messages"
"""ids: queued messages."""

DELIVER_MESSAGES = "delivery.deliver_messages"
"""ids: accepted or deferred messages of one path, in queue order."""

TEST_SOURCES = "delivery.test_sources"
"""ids: tests of sources that wait."""

RELEASE_MESSAGES = "retry.release_messages"
"""ids: deferred messages of one tier; published with a countdown of at most 60 s."""

DISPATCH_DELIVERIES = "webhooks.dispatch_deliveries"
"""ids: webhook deliveries."""

DRAIN_WEBHOOKS = "webhooks.drain_webhooks"
"""ids: webhooks with parked deliveries."""

DRAIN_SLOW_WEBHOOKS = "webhooks.drain_slow_webhooks"
"""ids: webhooks with parked deliveries, whose endpoints take long."""

PRUNE = "maintenance.prune"
"""No ids: removes what retention ends."""

FOLD_EVENTS = "maintenance.fold_events"
"""No ids: counts the events that came since, for analytics."""

INDEX_EVENTS = "maintenance.index_events"
"""No ids: enters the mail that came since into what search looks in."""

CHECK_DOMAINS = "maintenance.check_domains"
"""ids: domains whose records are to be looked up."""

RUN_JOBS = "maintenance.run_jobs"
"""ids: jobs that wait or are under way."""

ALL = (
    ROUTE_MESSAGES,
    DELIVER_MESSAGES,
    TEST_SOURCES,
    RELEASE_MESSAGES,
    DISPATCH_DELIVERIES,
    DRAIN_WEBHOOKS,
    DRAIN_SLOW_WEBHOOKS,
    PRUNE,
    RUN_JOBS,
    CHECK_DOMAINS,
    FOLD_EVENTS,
    INDEX_EVENTS,
)

PREFIXES = {
    ROUTE_MESSAGES: "msg",
    DELIVER_MESSAGES: "msg",
    TEST_SOURCES: "stt",
    RELEASE_MESSAGES: "msg",
    DISPATCH_DELIVERIES: "whd",
    DRAIN_WEBHOOKS: "whk",
    DRAIN_SLOW_WEBHOOKS: "whk",
    PRUNE: "none",
    FOLD_EVENTS: "none",
    INDEX_EVENTS: "none",
    CHECK_DOMAINS: "dom",
    RUN_JOBS: "job",
}
"""How the ids of each task are shown, in log lines as in the API."""
