"""Affectline: live video in, emotion timelines out.

This module is the public interface. Everything below it (``affectline.common``,
``affectline.services``, ``affectline.training``) is private and may change between releases.
"""

__all__ = ["__version__"]

__version__: str


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for: that takes 30 ms, and every process starts here."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("affectline")
    except PackageNotFoundError:  # a checkout that nobody has installed
        return "0.0.0"
