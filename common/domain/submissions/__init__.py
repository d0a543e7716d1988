"""Mail as a customer's tool built it, read for the relay: options out of headers, the rest kept byte for byte. Pure.

Never here: SMTP, who may send what.
"""
