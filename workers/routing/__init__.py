"""Routing: queued messages get a way out. Pure database work."""
