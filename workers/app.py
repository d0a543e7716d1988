"""The explicit list of task modules; what `celery -A workers.app` points at."""

from workers.shell import app

__all__ = ["app"]
