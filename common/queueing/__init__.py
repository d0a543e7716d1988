"""Tickets: queue names, task names, the Celery configuration and the publisher. Never verbs."""
