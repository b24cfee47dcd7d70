"""The window that shows the overlay, and its keys."""

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from affectline.common import file_access
from affectline.common.clock import monotonic
from affectline.common.identifiers import to_name
from affectline.common.labels import LABELS
from affectline.common.runtime.keyboard import ACTIONS, STEERING
from affectline.common.runtime.session_clock import SessionClock
from affectline.common.runtime.stage import StageContext
from affectline.common.vision.decode import decode
from affectline.common.wire.control import REPLAY, Control
from affectline.common.wire.messages import Emotion, Frame, Marker, Packet, StreamEnd, StreamStart
from affectline.services.overlay.drawing import Image, text_height
from affectline.services.overlay.grid import USUAL, cells, fit, window_size
from affectline.services.overlay.lettering import text_size, write
from affectline.services.overlay.placement import Rect
from affectline.services.overlay.renderer import OverlayRenderer
from affectline.services.sink.screen import screen_size

REPLAY_KEYS: Final = (" ", ".")
"""Keys that pause a replay and step through it."""
KEYS: Final = "K: snapshot   M: marker   Q: quit"
SNAPSHOTS: Final = "snapshots"
"""Name of the folder for snapshots in a session folder."""


NAME: Final = "Affectline"
"""Name of the window for OpenCV; its title follows the streams."""
SMALLEST_WIDTH: Final = 960
"""Least width at which a single video is shown, if the screen is that wide."""
BACKGROUND: Final = (30, 26, 23)
PATIENCE_S: Final = 1.0
"""If no frame arrives within this time, a window of the usual proportions opens: its keys are
useful without video as well."""
SMALLEST_CANVAS: Final = 120
"""Pixels: a window may be dragged to a size too small to draw anything."""


class WindowDisplay(OverlayRenderer):
    """One window for all streams: K saves a snapshot, M sets a marker, Q quits.

    It opens as large as the screen allows and can be resized; the overlay is drawn for the actual
    size. While a replay is shown, keys pause it and step through it.

    Args:
        folder: The session folder.
        context: Context of the process.
        keeps_pictures: Whether snapshots may show faces; else they contain only numbers.
        stats: Whether to show the pipeline's rate and latency.
        streams: Expected streams, as far as they are known: each has a cell from the start.
    """

    def __init__(
        self,
        folder: Path,
        context: StageContext,
        *,
        keeps_pictures: bool = True,
        stats: bool = False,
        streams: Sequence[str] = (),
    ) -> None:
        super().__init__(stats=stats)
        self.closed = self._is_replay = False
        self._folder, self._context = folder, context
        self._keeps_pictures = keeps_pictures
        self._clock = SessionClock(context.now)
        self._streams = list(streams)
        self._newest: dict[str, tuple[Packet, Emotion]] = {}
        self._visible: dict[str, tuple[Packet, Emotion]] = {}
        self._canvas: Image | None = None
        """The contents of the window; None before it is opened."""
        self._cells: dict[str, Rect] = {}
        self._opens_at = math.inf
        sys.stdout.write(f"{KEYS}\n")
        sys.stdout.flush()

    def begin(self, start: StreamStart) -> None:
        super().begin(start)
        self._clock.observe(start)
        self._know(start.stream)
        self._opens_at = min(self._opens_at, monotonic() + PATIENCE_S)
        if start.replay and not self._is_replay:
            self._is_replay = True
            sys.stdout.write(f"{STEERING}\n")
            sys.stdout.flush()

    def _know(self, stream: str) -> None:
        """Make sure that a stream has a cell."""
        if stream not in self._streams:
            self._streams.append(stream)
            self._cells.clear()

    def end(self, end: StreamEnd) -> None:
        """Keep showing the stream's last frame."""
        self._clock.observe(end)

    def add_result(self, emotion: Emotion) -> None:
        packet = self.match(emotion)
        if packet:
            self._know(emotion.stream)
            self._newest[emotion.stream] = (packet, emotion)

    def refresh(self) -> Iterator[Packet]:
        if not self.closed:
            self._show()
        key = chr(code).lower() if 0 <= (code := cv2.waitKey(1)) < 128 else ""
        if key == "k":
            for packet, emotion in self._visible.values():
                self._snapshot(packet, emotion)
        elif key == "m":
            yield self._marker()
        elif self._is_replay and key in REPLAY_KEYS:
            action = ACTIONS[key]
            yield Packet(Control(target=REPLAY, at=self._context.now(), action=action))
        self.closed = key == "q" or (self._canvas is not None and not _is_visible())

    def _show(self) -> None:
        """Draw the newest results, or all of them if the window was resized."""
        if self._canvas is None and not self._newest and monotonic() < self._opens_at:
            return
        canvas = self._lay_out()
        is_new = not self._cells
        shown = self._visible | self._newest if is_new else dict(self._newest)
        if is_new:
            self._divide(canvas)
        self._newest.clear()
        for stream, (packet, emotion) in shown.items():
            frame, cell = packet.message, self._cells[stream]
            if not isinstance(frame, Frame):
                continue
            at = fit((frame.width, frame.height), cell)
            image = self.render(packet, emotion, (at.width, at.height))
            if image is not None:
                canvas[at.top : at.bottom, at.left : at.right] = image
                self._visible[stream] = (packet, emotion)
                self._clock.observe(emotion)
        if shown or is_new:
            cv2.imshow(NAME, canvas)

    def _lay_out(self) -> Image:
        """The canvas, as large as the window; opens the window if there is none."""
        if self._canvas is None:
            frames = [p.message for p, _ in self._newest.values()]
            sizes = [(f.width, f.height) for f in frames if isinstance(f, Frame)]
            size = window_size(sizes, max(1, len(self._streams)), screen_size(), SMALLEST_WIDTH)
            cv2.namedWindow(NAME, cv2.WINDOW_NORMAL | cv2.WINDOW_FREERATIO | cv2.WINDOW_GUI_NORMAL)
            cv2.resizeWindow(NAME, *size)
        else:
            size = self._canvas.shape[1], self._canvas.shape[0]
            width, height = cv2.getWindowImageRect(NAME)[2:]
            if min(width, height) >= SMALLEST_CANVAS:
                size = width, height
        if self._canvas is None or self._canvas.shape[1::-1] != size:
            self._canvas = np.full((size[1], size[0], 3), BACKGROUND, np.uint8)
            self._cells.clear()
        return self._canvas

    def _divide(self, canvas: Image) -> None:
        """Give every stream its cell, and name those that show nothing yet."""
        canvas[:] = BACKGROUND
        known = [*self._visible.values(), *self._newest.values()]
        aspects = [e.width / e.height for _, e in known] or [USUAL[0] / USUAL[1]]
        size = canvas.shape[1], canvas.shape[0]
        places = cells(len(self._streams), size, sorted(aspects)[len(aspects) // 2])
        self._cells = dict(zip(self._streams, places, strict=True))
        for stream, cell in self._cells.items():
            if stream not in self._visible and stream not in self._newest:
                text = text_height((cell.width, cell.height))
                said = f"{stream}: no video yet"
                width, height = text_size(said, text)
                at = cell.left + (cell.width - width) // 2, cell.top + (cell.height - height) // 2
                write(canvas, said, at, text)
        cv2.setWindowTitle(NAME, f"{NAME} {', '.join(self._streams)}")

    def _snapshot(self, packet: Packet, emotion: Emotion) -> None:
        """Save the image and each face if these may be kept, and print the probabilities."""
        stem = f"{emotion.stream}-{emotion.seq:06d}"
        if not self._keeps_pictures:
            lines = [f"snapshot of {stem}: numbers only, because of --privacy"]
        elif self._save(stem, packet, emotion):
            lines = [f"snapshot {self._folder / SNAPSHOTS / stem}.png"]
        else:
            return
        for face in emotion.faces:
            values = face.probabilities or ()
            scores = "  ".join(f"{n} {p:.3f}" for n, p in zip(LABELS, values, strict=False))
            if face.valence is not None and face.arousal is not None:
                scores += f"  valence {face.valence:+.2f}  arousal {face.arousal:+.2f}"
            said = f"{face.label}: {scores}" if face.label else face.missing
            lines.append(f"  face {face.track}: {said}")
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    def _save(self, stem: str, packet: Packet, emotion: Emotion) -> bool:
        """Save the image and each face; False if the image cannot be decoded."""
        frame = packet.message
        image = decode(frame, packet.parts[0]) if isinstance(frame, Frame) else None
        if image is None:
            return False
        folder = self._folder / SNAPSHOTS
        file_access.make_folder(folder)
        cv2.imwrite(str(folder / f"{stem}.png"), image)
        for face in emotion.faces:
            x, y, w, h = face.box
            part = image[max(0, y) : y + h, max(0, x) : x + w]
            if part.size:
                cv2.imwrite(str(folder / f"{stem}-face{face.track}.png"), part)
        return True

    def _marker(self) -> Packet:
        """A marker at the visible frame, or at the present time for a camera."""
        marker = Marker(
            session=to_name(self._folder.name) or "session",
            at=self._clock.now(),
            label="marker",
            source="window",
        )
        sys.stdout.write(f"marker set at {self._clock.describe(marker.at)}\n")
        sys.stdout.flush()
        return Packet(marker)

    def close(self) -> None:
        cv2.destroyAllWindows()


def _is_visible() -> bool:
    try:
        return cv2.getWindowProperty(NAME, cv2.WND_PROP_VISIBLE) >= 1
    except cv2.error:  # Qt ended with its last window
        return False
