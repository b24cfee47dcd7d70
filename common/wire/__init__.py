"""The wire: every message, its bytes and its schema."""
