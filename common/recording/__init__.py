"""Session files: their layout, writing, reading and recovery."""
