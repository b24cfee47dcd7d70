"""Decoders of what comes from outside, and bytes for them: for property tests and `make fuzz`."""
