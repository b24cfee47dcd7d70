"""Affectline: live video in, emotion timelines out.

This module is the public interface: what it offers is imported when it is asked for. Everything
below it (``affectline.common``, ``affectline.services``, ``affectline.training``) is private and
may change between releases.

    frames = affectline.analyse("film.mp4")
    for emotion in affectline.watch(0): ...
    session = affectline.open_session("sessions/study1")
    affectline.mark("hard braking")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from affectline.common.errors import AffectlineError
    from affectline.common.wire.messages import Emotion
    from affectline.services.api.analyse import analyse
    from affectline.services.api.live import mark, record, stop, watch
    from affectline.services.api.session import Session, open_session

__all__ = [
    "AffectlineError",
    "Emotion",
    "Session",
    "__version__",
    "analyse",
    "mark",
    "open_session",
    "record",
    "stop",
    "watch",
]

__version__: str

_HOMES = {
    "AffectlineError": "common.errors",
    "Emotion": "common.wire.messages",
    "Session": "services.api.session",
    "analyse": "services.api.analyse",
    "mark": "services.api.live",
    "open_session": "services.api.session",
    "record": "services.api.live",
    "stop": "services.api.live",
    "watch": "services.api.live",
}
"""Where each name is defined: no model and no OpenCV is loaded before it is needed."""


def __getattr__(name: str) -> Any:
    """Look a name up when it is asked for: every process starts here."""
    if name == "__version__":
        return _read_version()
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _read_version() -> str:
    """The version of the installed package, which takes 30 ms to find."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("affectline")
    except PackageNotFoundError:  # a checkout that nobody has installed
        return "0.0.0"
