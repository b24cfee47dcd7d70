"""The recorder process: every message of the bus, written to a session file."""
