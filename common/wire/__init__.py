"""The message protocol: every message, its bytes and its schema."""
