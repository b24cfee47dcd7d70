"""The recorder process: writes every message of the bus to a session file."""
