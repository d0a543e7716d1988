"""The built-in mailbox: an SMTP server that keeps what it is given. Not Celery."""
