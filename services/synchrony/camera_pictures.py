"""Reads a camera in a thread, like the capture process, and keeps small frames with time stamps."""

import threading
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError
from affectline.common.settings.sources import CaptureSettings, SourceSettings, redact
from affectline.services.capture.frame_source import Source
from affectline.services.capture.sources import open_source
from affectline.services.synchrony.flash_delay import GRID

MAX_PICTURES: Final = 120_000
"""Ten minutes at 200 frames a second; about 280 MB. Later frames are not kept."""
CLOSING_S: Final = 5.0
"""How long to wait for the last frame before abandoning the thread."""


class CameraPictures(threading.Thread):
    """The brightness of a live source's frames, averaged to `GRID`, each with its time stamp.

    Args:
        source: A camera or a network stream.
        settings: Size and rate to request from a camera.

    Raises:
        AffectlineError: The source cannot be opened, or is not live.
    """

    def __init__(self, source: SourceSettings, settings: CaptureSettings) -> None:
        super().__init__(name="camera-pictures", daemon=True)
        self._check_live(source)
        self._source: Source = open_source(source, settings)
        self._shown = redact(source.source)
        self._stopping = threading.Event()
        self._stamps: list[int] = []
        self._pictures: list[npt.NDArray[np.uint8]] = []
        self.ending = ""
        """Why there are no more frames; empty while they arrive."""

    @staticmethod
    def _check_live(source: SourceSettings) -> None:
        if source.kind not in ("camera", "stream"):
            raise AffectlineError(
                f"--source {redact(source.source)}: a {source.kind} has no delay",
                "name a camera that sees the display: an index, or an RTSP or HTTP address",
            )

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                frame = self._source.read()
                stamp = now_ns()
                if frame is None:
                    self.ending = self._source.ending().detail or f"{self._shown} ended"
                    return
                if len(self._stamps) < MAX_PICTURES:
                    self._pictures.append(shrink(frame.image))
                    self._stamps.append(stamp)
        except Exception as error:
            self.ending = f"{self._shown} cannot be read ({error})"
        finally:
            self._source.close()

    @property
    def count(self) -> int:
        return len(self._stamps)

    def stop(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        """Stop; return stamps in ns of shape (n,), and frames of shape (n, rows, columns)."""
        self._stopping.set()
        self.join(timeout=CLOSING_S)
        count = len(self._stamps)
        pictures = np.array(self._pictures[:count], dtype=np.uint8).reshape(count, *GRID)
        return np.array(self._stamps[:count], dtype=np.int64), pictures


def shrink(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The brightness of a frame (BGR or gray), averaged to `GRID`."""
    rows, columns = GRID
    small = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
    gray = small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    return np.asarray(gray, dtype=np.uint8)
