"""What somebody can do who reaches the hub's ports without a key, and what becomes of it."""
