"""The commands of ``affectline-train``, a module each."""
