"""make_celery: the Celery app, configured, without tasks. The reason of each setting is in docs/queueing.md."""

from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from common.config import Settings, current_settings
from common.queueing.queues import ALL, MAINTENANCE
from common.queueing.tasks import FOLD_EVENTS, INDEX_EVENTS, PRUNE

LONGEST_COUNTDOWN = 60
PRUNE_SECONDS = 600
FOLD_SECONDS = 5
INDEX_SECONDS = 5
_TIMETABLE = {
    name: {"task": name, "schedule": seconds, "options": {"expires": 2 * seconds}}
    for name, seconds in ((PRUNE, PRUNE_SECONDS), (FOLD_EVENTS, FOLD_SECONDS), (INDEX_EVENTS, INDEX_SECONDS))
}


def broker_url(settings: Settings) -> str:
    """The broker in Celery's form: a unix:// Redis becomes redis+socket://."""
    if settings.broker_url:
        return settings.broker_url
    url = settings.redis_url
    if url.startswith("unix://"):
        path, _, query = url.removeprefix("unix://").partition("?")
        database = query.removeprefix("db=") or "0"
        return f"redis+socket://{path}?virtual_host={database}"
    return url


def _transport_options(settings: Settings, publisher: bool) -> dict[str, Any]:
    if broker_url(settings).startswith("amqp"):
        return {"confirm_publish": True}
    options: dict[str, Any] = {
        "ack_emulation": False,
        "priority_steps": [0],
        "queue_order_strategy": "priority",
        "socket_timeout": 0.5 if publisher else 5,
        "socket_connect_timeout": 0.5 if publisher else 3,
        "health_check_interval": 5,
        "socket_keepalive": True,
    }
    if publisher:
        options["max_retries"] = 0
    return options


def _queue(name: str, amqp: bool) -> Queue:
    if not amqp:
        return Queue(name, Exchange("mail", type="direct"), routing_key=name)
    return Queue(
        name,
        Exchange("mail", type="topic"),
        routing_key=name,
        queue_arguments={"x-queue-type": "quorum", "x-delivery-limit": 20},
    )


def make_celery(settings: Settings | None = None, *, publisher: bool = False) -> Celery:
    """A configured app. `publisher` shortens every timeout: a web request never waits for a broker."""
    settings = settings or current_settings()
    url = broker_url(settings)
    app = Celery("sendarix", broker=url, set_as_current=not publisher)
    app.conf.update(
        broker_transport_options=_transport_options(settings, publisher),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        broker_pool_limit=10,
        task_publish_retry=False,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        result_backend=None,
        result_expires=None,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_acks_on_failure=True,
        task_acks_on_timeout=True,
        task_retry_on_worker_lost=False,
        task_create_missing_queues=False,
        task_default_queue=MAINTENANCE,
        task_default_exchange="mail",
        task_default_routing_key=MAINTENANCE,
        task_queues=[_queue(name, url.startswith("amqp")) for name in ALL],
        worker_prefetch_multiplier=1,
        worker_eta_task_limit=20_000,
        worker_disable_rate_limits=True,
        worker_send_task_events=False,
        task_send_sent_event=False,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_soft_shutdown_timeout=0,
        beat_schedule=_TIMETABLE,
        enable_utc=True,
        timezone="UTC",
    )
    return app
