"""The table of contents of the API: every blueprint under /v1, and health."""

from api.v1 import (
    api_keys,
    batches,
    dead_letters,
    events,
    health,
    idempotency_keys,
    mailbox,
    messages,
    pacing,
    returned_mails,
    suppressions,
    templates,
    webhook_logs,
    webhook_replays,
    webhooks,
)

BLUEPRINTS = (
    messages.blueprint,
    returned_mails.blueprint,
    batches.blueprint,
    templates.blueprint,
    suppressions.blueprint,
    suppressions.unsubscribes,
    events.blueprint,
    webhooks.blueprint,
    webhook_logs.blueprint,
    webhook_replays.blueprint,
    api_keys.blueprint,
    dead_letters.blueprint,
    idempotency_keys.blueprint,
    mailbox.blueprint,
    pacing.blueprint,
    health.blueprint,
)
