"""A window with a square that flashes."""

import multiprocessing
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Final

import cv2
import numpy as np

from affectline.common.clock import monotonic, now_ns
from affectline.common.errors import AffectlineError
from affectline.services.synchrony.flash_delay import Change

TITLE: Final = "Affectline sync-test (Q ends it)"
SIDE: Final = 480
"""Of the square, in pixels."""
MARGIN: Final = 60
"""Gray about it, in pixels, so that the camera's exposure does not follow the square alone."""
GRAY: Final = 96
CLOSING_S: Final = 5.0
"""How long the window may take to close."""
PAINTING: Final = 2
"""Turns of the window system until what was drawn has been painted: one hands the picture over,
one paints it."""


def flash_in_window(moments: list[float], is_over: Callable[[], bool]) -> list[Change]:
    """Show the square dark and light in turn; returns when it changed.

    The window has a process of its own: PyAV, which reads streams, and OpenCV's Qt bring different
    libraries of X and hang beside each other, and decoding would make the flashes late.

    Args:
        moments: When to change it, in s from the beginning.
        is_over: Asked all the time: whether to end early.

    Raises:
        AffectlineError: The window could not be shown.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=run_window, args=(there, moments), daemon=True)
    process.start()
    there.close()
    try:
        while not here.poll(0.1):
            if is_over():
                here.send(None)  # the window ends, and says what it has shown
                here.poll(CLOSING_S)
                break
        changes: list[Change] = here.recv() if here.poll() else []
    except (EOFError, OSError) as error:
        raise AffectlineError(
            "--show window: the window was closed early",
            "see what is said above, or use --show page",
        ) from error
    finally:
        here.close()
        process.join(timeout=CLOSING_S)
        process.terminate()
    return changes


def run_window(pipe: Connection, moments: list[float]) -> None:
    """The process of the window: it ends when anything comes from the pipe, or the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command is told, and ends the pipe
    changes = show_flashes(moments, pipe.poll)
    with suppress(OSError):  # nobody wants to know any more
        pipe.send(changes)


def show_flashes(moments: list[float], is_over: Callable[[], bool]) -> list[Change]:
    """Show the square in a window of this process.

    Args:
        moments: When to change it, in s from the beginning.
        is_over: Asked all the time: whether to end early.
    """
    dark, light = _picture(0), _picture(255)
    cv2.namedWindow(TITLE, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
    changes: list[Change] = []
    try:
        cv2.imshow(TITLE, dark)
        cv2.waitKey(1)
        begin = monotonic()
        for moment in moments:
            if not _wait_until(begin + moment, is_over):
                break
            is_light = len(changes) % 2 == 0
            cv2.imshow(TITLE, light if is_light else dark)
            for _ in range(PAINTING):
                cv2.pollKey()
            changes.append(Change(now_ns(), is_light))
        _wait_until(monotonic() + 1, is_over)  # the last change reaches the camera
    finally:
        cv2.destroyAllWindows()
    return changes


def _wait_until(due: float, is_over: Callable[[], bool]) -> bool:
    """Wait, while the window stays alive; False where it was closed."""
    while (left := due - monotonic()) > 0:
        key = cv2.waitKey(max(1, min(20, int(left * 1e3))))
        if key in (ord("q"), ord("Q"), 27) or is_over():
            return False
        if cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
            return False
    return True


def _picture(level: int) -> cv2.typing.MatLike:
    side = SIDE + 2 * MARGIN
    picture = np.full((side, side, 3), GRAY, dtype=np.uint8)
    picture[MARGIN:-MARGIN, MARGIN:-MARGIN] = level
    return picture
