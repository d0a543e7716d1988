"""The SMTP relay: mail from older tools, accepted exactly as by the API."""
