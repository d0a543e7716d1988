"""Retry: countdowns end here and go back to the lanes of their tier. No SMTP."""
