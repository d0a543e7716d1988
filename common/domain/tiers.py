"""The three tiers. FIFO holds within one; a higher tier never waits behind a lower one."""

TIERS = ("critical", "normal", "bulk")
NUMBERS = {name: number for number, name in enumerate(TIERS)}
DEFAULT = "normal"
