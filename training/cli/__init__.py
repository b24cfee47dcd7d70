"""The commands of ``affectline-train``, one module each."""
