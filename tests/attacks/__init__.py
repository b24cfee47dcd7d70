"""Attacks on the hub through its ports, and what they achieve."""
