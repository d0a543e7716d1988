"""Every task module, for a line that does everything, and for Flower. A Procfile line that names `-I` loads less."""

from workers.delivery import tasks as delivery
from workers.jobs import tasks as jobs
from workers.retry import tasks as retry
from workers.routing import tasks as routing
from workers.scheduler import counting, domains
from workers.scheduler import tasks as scheduler
from workers.shell import app
from workers.webhooks import tasks as webhooks

TASK_MODULES = (routing, delivery, retry, webhooks, scheduler, jobs, domains, counting)

__all__ = ["TASK_MODULES", "app"]
