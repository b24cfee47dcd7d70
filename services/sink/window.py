"""The window that shows the overlay, and its keys."""

import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2

from affectline.common import file_access
from affectline.common.identifiers import to_name
from affectline.common.labels import LABELS
from affectline.common.runtime.keyboard import ACTIONS, STEERING
from affectline.common.runtime.session_clock import SessionClock
from affectline.common.runtime.stage import StageContext
from affectline.common.vision.decode import decode
from affectline.common.wire.control import REPLAY, Control
from affectline.common.wire.messages import Emotion, Frame, Marker, Packet, StreamEnd, StreamStart
from affectline.services.overlay.renderer import OverlayRenderer

REPLAY_KEYS: Final = (" ", ".")
"""Keys that pause a replay and step through it."""
KEYS: Final = "K: snapshot   M: marker   Q: quit"
SNAPSHOTS: Final = "snapshots"
"""Folder of the snapshots in a session folder."""


def display_problem() -> str | None:
    """Why no window can be opened here; None where one can.

    Qt ends the whole process where it finds no screen, so this is checked first.
    """
    if sys.platform != "linux" or os.environ.get("QT_QPA_PLATFORM") == "offscreen":
        return None
    name = os.environ.get("DISPLAY", "")
    match = re.fullmatch(r"(.*):(\d+)(?:\.\d+)?", name)
    if not match:
        return f"DISPLAY is {name!r}, which names no screen"
    host, number = match[1].removeprefix("unix"), int(match[2])
    try:
        if host:
            socket.create_connection((host, 6000 + number), timeout=2).close()
        else:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(f"/tmp/.X11-unix/X{number}")  # noqa: S108 - X11's own place
    except OSError as error:
        return f"no X server answers at DISPLAY {name!r} ({error.strerror})"
    return None


class WindowDisplay(OverlayRenderer):
    """A window a stream: K saves a snapshot, M sets a marker, Q quits.

    While a replay is shown, keys pause it and step through it.

    Args:
        folder: The session folder.
        context: Of the process.
        keeps_pictures: Snapshots may show faces; else they are numbers alone.
    """

    def __init__(self, folder: Path, context: StageContext, *, keeps_pictures: bool = True) -> None:
        super().__init__()
        self.closed = self._is_replay = False
        self._folder, self._context = folder, context
        self._keeps_pictures = keeps_pictures
        self._clock = SessionClock(context.now)
        self._newest: dict[str, tuple[Packet, Emotion]] = {}
        self._visible: dict[str, tuple[Packet, Emotion]] = {}
        sys.stdout.write(f"{KEYS}\n")
        sys.stdout.flush()

    def begin(self, start: StreamStart) -> None:
        self._clock.observe(start)
        cv2.namedWindow(_title(start.stream), cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
        if start.replay and not self._is_replay:
            self._is_replay = True
            sys.stdout.write(f"{STEERING}\n")
            sys.stdout.flush()

    def end(self, end: StreamEnd) -> None:
        """Its last picture stays."""

    def add_result(self, emotion: Emotion) -> None:
        packet = self.match(emotion)
        if packet:
            self._newest[emotion.stream] = (packet, emotion)

    def refresh(self) -> Iterator[Packet]:
        for stream, (packet, emotion) in self._newest.items():
            image = self.render(packet, emotion)
            if image is not None:
                if stream not in self._visible:
                    cv2.namedWindow(_title(stream), cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
                cv2.imshow(_title(stream), image)
                self._visible[stream] = (packet, emotion)
                self._clock.observe(emotion)
        self._newest.clear()
        key = chr(code).lower() if 0 <= (code := cv2.waitKey(1)) < 128 else ""
        if key == "k":
            for packet, emotion in self._visible.values():
                self._snapshot(packet, emotion)
        elif key == "m":
            yield self._marker()
        elif self._is_replay and key in REPLAY_KEYS:
            action = ACTIONS[key]
            yield Packet(Control(target=REPLAY, at=self._context.now(), action=action))
        closed = any(
            cv2.getWindowProperty(_title(s), cv2.WND_PROP_VISIBLE) < 1 for s in self._visible
        )
        self.closed = key == "q" or closed

    def _snapshot(self, packet: Packet, emotion: Emotion) -> None:
        """Save the image and each face, where these may be kept, and print the probabilities."""
        stem = f"{emotion.stream}-{emotion.seq:06d}"
        if not self._keeps_pictures:
            lines = [f"snapshot of {stem}: its numbers alone, as --privacy asks for"]
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
        """Save the image and each face; False where it cannot be decoded."""
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
        """A marker at the frame that is visible, or at a camera's present."""
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


def _title(stream: str) -> str:
    return f"Affectline {stream}"
