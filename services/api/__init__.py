"""The Python interface: what ``import affectline`` offers."""
