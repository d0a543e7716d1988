"""What the API and the workers must agree on: words, rows, tickets and verbs. No HTTP, no SMTP."""
