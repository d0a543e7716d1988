"""Webhooks: claim, post, record."""
