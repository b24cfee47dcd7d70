"""The Python interface: what ``import affectline`` provides."""
