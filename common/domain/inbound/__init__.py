"""Mail that comes back, read: bounces, delays, complaints, auto-replies, unsubscribes. Pure; any bytes are read.

Never here: tokens, storage, what follows from a report.
"""
