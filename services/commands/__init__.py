"""The commands of ``affectline``, a file for each family."""
