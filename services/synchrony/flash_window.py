"""A window with a flashing square."""

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
"""Side of the square in pixels."""
MARGIN: Final = 60
"""Gray margin around it in pixels, so that the camera's exposure does not follow only the
square."""
GRAY: Final = 96
CLOSING_S: Final = 5.0
"""How long the window may take to close."""
PAINTING: Final = 2
"""Event-loop turns until an image is painted: one passes it to the window system, one paints
it."""


def flash_in_window(moments: list[float], is_over: Callable[[], bool]) -> list[Change]:
    """Show the square alternately dark and light; return when it changed.

    The window has its own process: PyAV, which reads streams, and OpenCV's Qt bring different X
    libraries and hang in one process, and decoding would delay the flashes.

    Args:
        moments: When to change the square, in s from the beginning.
        is_over: Polled; returns whether to end early.

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
                here.send(None)  # the window closes and reports its changes
                here.poll(CLOSING_S)
                break
        changes: list[Change] = here.recv() if here.poll() else []
    except (EOFError, OSError) as error:
        raise AffectlineError(
            "--show window: the window was closed early",
            "see the messages above, or use --show page",
        ) from error
    finally:
        here.close()
        process.join(timeout=CLOSING_S)
        process.terminate()
    return changes


def run_window(pipe: Connection, moments: list[float]) -> None:
    """Run the window's process until data arrives on the pipe or the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command handles it and closes the pipe
    changes = show_flashes(moments, pipe.poll)
    with suppress(OSError):  # the receiver is gone
        pipe.send(changes)


def show_flashes(moments: list[float], is_over: Callable[[], bool]) -> list[Change]:
    """Show the square in a window of this process.

    Args:
        moments: When to change the square, in s from the beginning.
        is_over: Polled; returns whether to end early.
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
        _wait_until(monotonic() + 1, is_over)  # so that the last change reaches the camera
    finally:
        cv2.destroyAllWindows()
    return changes


def _wait_until(due: float, is_over: Callable[[], bool]) -> bool:
    """Wait while keeping the window alive; False if it was closed."""
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
