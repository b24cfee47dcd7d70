"""Recorded sessions: reading, tables, catalogue and summaries. Starts no process."""
