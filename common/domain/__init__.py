"""Words: states, transitions, rules and shapes. Pure values in, pure values out; no I/O and no clock."""
