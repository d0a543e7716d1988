"""Delivery: claim, converse over SMTP, record."""
