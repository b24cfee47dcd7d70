"""Nervousness against people whose stress is known: the live code, fed with recordings."""
