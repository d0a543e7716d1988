"""A day of mail without a network: the real routing and pacing code, a virtual clock, twenty invented receivers."""
