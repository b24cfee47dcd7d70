"""Affectline: live video in, emotion timelines out.

This module is the public interface. Everything below it (``affectline.common``,
``affectline.services``, ``affectline.training``) is private and may change between releases.
"""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("affectline")
except PackageNotFoundError:  # a checkout that nobody has installed
    __version__ = "0.0.0"
