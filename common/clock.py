"""What time it is, in nanoseconds since the Unix epoch."""

import time

now_ns = time.time_ns
"""Every timestamp of the pipeline comes from here."""
monotonic = time.monotonic
"""Seconds for intervals; never set back."""
