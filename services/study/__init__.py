"""Studies: many sessions compared by condition, and around events."""
