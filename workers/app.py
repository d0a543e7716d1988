"""The explicit list of task modules; what `celery -A workers.app` points at."""

import workers.delivery.tasks
import workers.retry.tasks
import workers.routing.tasks
import workers.scheduler.tasks
import workers.webhooks.tasks
from workers.shell import app

__all__ = ["app"]
