"""Verbs: the only code that changes rows. No HTTP, no SMTP, no Celery task objects."""
