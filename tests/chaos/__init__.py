"""Chaos: what clients were promised, set against what a mail server received, while processes are killed."""
