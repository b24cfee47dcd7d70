"""Where the overlay goes: a window with keys, or an annotated MP4."""

import os
import re
import socket
import sys
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import to_name
from affectline.common.labels import LABELS
from affectline.common.runtime.keyboard import ACTIONS, STEERING
from affectline.common.runtime.stage import StageContext
from affectline.common.settings.pipeline import Display as Kind
from affectline.common.vision.decode import decode
from affectline.common.wire.control import REPLAY, Control
from affectline.common.wire.messages import Emotion, Frame, Marker, Packet, StreamStart
from affectline.services.overlay.drawing import Image, Status, draw

FRAMES_KEPT: Final = 64
"""Frames of a stream that wait for their answer; in lossless delivery at most 16 are under way."""
LONGEST_GAP_S: Final = 2.0
"""A longer gap in a stream is left out of the film."""
RATE_OVER_S: Final = 2.0
DEFAULT_RATE: Final = 25.0
STEPS: Final = (" ", ".")
"""Keys that steer a replay."""
KEYS: Final = "K: snapshot   M: marker   Q: quit"


class Display(Protocol):
    """Something that shows answered frames."""

    closed: bool

    def begin(self, start: StreamStart) -> None:
        """A stream begins."""

    def keep(self, packet: Packet) -> None:
        """A frame came; its answer will follow."""

    def answer(self, emotion: Emotion) -> None:
        """A frame's answer, in order."""

    def show(self) -> Iterable[Packet]:
        """Bring the picture up to date; yield what the user's keys have caused."""

    def close(self) -> None:
        """Close the window, or the files."""


def open_display(kind: Kind, folder: Path, context: StageContext) -> Display:
    """Open a window or an MP4 writer.

    Raises:
        AffectlineError: There is no screen.
    """
    if kind == "mp4":
        return Mp4(folder)
    problem = display_problem()
    if problem:
        raise AffectlineError(
            f"--display window: {problem}",
            "log in to a desktop, use ssh -X, or write a film with --display mp4",
        )
    return WindowDisplay(folder, context)


def display_problem() -> str | None:
    """Why no window can be opened here; None where one can.

    Qt ends the whole process where it finds no screen, so this is asked first.
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


class OverlayDisplay:
    """Matches answers with their frames, and knows the pipeline's rate, latency and skips."""

    def __init__(self) -> None:
        self._frames: dict[str, OrderedDict[tuple[int, int], Packet]] = {}
        self._published: dict[str, deque[int]] = {}
        self._skipped: dict[str, int] = {}

    def keep(self, packet: Packet) -> None:
        """Keep a frame until its answer comes."""
        frame = packet.message
        if isinstance(frame, Frame):
            kept = self._frames.setdefault(frame.stream, OrderedDict())
            kept[frame.epoch, frame.seq] = packet
            while len(kept) > FRAMES_KEPT:
                kept.popitem(last=False)

    def match(self, emotion: Emotion) -> Packet | None:
        """The frame that an answer is about, if it is still there."""
        # By the answers' own times: those of a recording tell the rate that it had
        times = self._published.setdefault(emotion.stream, deque())
        if times and emotion.published_at < times[-1]:
            times.clear()
        times.append(emotion.published_at)
        while times[-1] - times[0] > RATE_OVER_S * 1e9:
            times.popleft()
        missed = bool(emotion.missing) or any(face.missing for face in emotion.faces)
        self._skipped[emotion.stream] = self._skipped.get(emotion.stream, 0) + missed
        kept = self._frames.get(emotion.stream, OrderedDict())
        return kept.pop((emotion.epoch, emotion.seq), None)

    def paint(self, packet: Packet, emotion: Emotion) -> Image | None:
        """Draw an answer onto its frame."""
        frame = packet.message
        picture = decode(frame, packet.parts[0]) if isinstance(frame, Frame) else None
        if picture is None:
            return None
        times = self._published[emotion.stream]
        rate = (len(times) - 1) * 1e9 / max(1, times[-1] - times[0])
        latency = (emotion.published_at - emotion.captured_at) / 1e6
        return draw(picture, emotion, Status(rate, latency, self._skipped[emotion.stream]))


class Mp4(OverlayDisplay):
    """One annotated MP4 a stream, at the rate that the source says."""

    closed = False

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._rates: dict[str, float] = {}
        self._writers: dict[str, VideoDisplay] = {}

    def begin(self, start: StreamStart) -> None:
        self._rates[start.stream] = start.rate or DEFAULT_RATE

    def answer(self, emotion: Emotion) -> None:
        packet = self.match(emotion)
        image = self.paint(packet, emotion) if packet else None
        if image is None:
            return
        if emotion.stream not in self._writers:
            rate = self._rates.get(emotion.stream, DEFAULT_RATE)
            self._writers[emotion.stream] = VideoDisplay(self._folder, emotion.stream, image, rate)
        at = emotion.captured_at if emotion.media_time is None else emotion.media_time
        self._writers[emotion.stream].add(image, at)

    def show(self) -> Iterable[Packet]:
        return ()

    def close(self) -> None:
        for film in self._writers.values():
            film.close()


class VideoDisplay:
    """An MP4 file of constant rate, whose pictures stand where their time says."""

    def __init__(self, folder: Path, stream: str, first: Image, rate: float) -> None:
        names = [f"{stream}.mp4", *(f"{stream}-{i}.mp4" for i in range(2, 1000))]
        # A sink that was restarted starts another film, the first part stays as it is
        path = next(p for n in names if not (p := folder / n).exists())
        self._rate, self._size = rate, (first.shape[1], first.shape[0])
        codec = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, rate, self._size)
        if not self._writer.isOpened():
            raise AffectlineError(f"cannot write {path}", "check the space and the permissions")
        self._begun = self._last = 0
        self._written = 0

    def add(self, image: Image, at: int) -> None:
        """Add a picture of the time ``at`` in ns; it is repeated where others are missing."""
        if not self._written or not 0 <= at - self._last <= LONGEST_GAP_S * 1e9:
            self._begun = at - round(self._written * 1e9 / self._rate)
        self._last = at
        due = round((at - self._begun) / 1e9 * self._rate) + 1
        if (image.shape[1], image.shape[0]) != self._size:
            image = np.asarray(cv2.resize(image, self._size), dtype=np.uint8)
        for _ in range(due - self._written):
            self._writer.write(image)
        self._written = max(self._written, due)

    def close(self) -> None:
        """Write the index: without it the file cannot be played."""
        self._writer.release()


class WindowDisplay(OverlayDisplay):
    """A window a stream: K saves a snapshot, M sets a marker, Q quits.

    While a replay is shown, the keys that steer it are passed on.
    """

    def __init__(self, folder: Path, context: StageContext) -> None:
        super().__init__()
        self.closed = self._is_replay = False
        self._folder, self._context = folder, context
        self._newest: dict[str, tuple[Packet, Emotion]] = {}
        self._visible: dict[str, tuple[Packet, Emotion]] = {}
        sys.stdout.write(f"{KEYS}\n")
        sys.stdout.flush()

    def begin(self, start: StreamStart) -> None:
        cv2.namedWindow(_title(start.stream), cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
        if start.replay and not self._is_replay:
            self._is_replay = True
            sys.stdout.write(f"{STEERING}\n")
            sys.stdout.flush()

    def answer(self, emotion: Emotion) -> None:
        packet = self.match(emotion)
        if packet:
            self._newest[emotion.stream] = (packet, emotion)

    def show(self) -> Iterator[Packet]:
        for stream, (packet, emotion) in self._newest.items():
            image = self.paint(packet, emotion)
            if image is not None:
                if stream not in self._visible:
                    cv2.namedWindow(_title(stream), cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)
                cv2.imshow(_title(stream), image)
                self._visible[stream] = (packet, emotion)
        self._newest.clear()
        key = chr(code).lower() if 0 <= (code := cv2.waitKey(1)) < 128 else ""
        if key == "k":
            for packet, emotion in self._visible.values():
                self._snapshot(packet, emotion)
        elif key == "m":
            yield self._marker()
        elif self._is_replay and key in STEPS:
            action = ACTIONS[key]
            yield Packet(Control(target=REPLAY, at=self._context.now(), action=action))
        gone = any(
            cv2.getWindowProperty(_title(s), cv2.WND_PROP_VISIBLE) < 1 for s in self._visible
        )
        self.closed = key == "q" or gone

    def _snapshot(self, packet: Packet, emotion: Emotion) -> None:
        """Save the picture and each face, and print what the faces show."""
        frame = packet.message
        picture = decode(frame, packet.parts[0]) if isinstance(frame, Frame) else None
        if picture is None:
            return
        folder = self._folder / "snapshots"
        folder.mkdir(exist_ok=True)
        stem = f"{emotion.stream}-{emotion.seq:06d}"
        lines = [f"snapshot {folder / stem}.png"]
        cv2.imwrite(str(folder / f"{stem}.png"), picture)
        for face in emotion.faces:
            x, y, w, h = face.box
            part = picture[max(0, y) : y + h, max(0, x) : x + w]
            if part.size:
                cv2.imwrite(str(folder / f"{stem}-face{face.track}.png"), part)
            values = face.probabilities or ()
            said = "  ".join(f"{n} {p:.3f}" for n, p in zip(LABELS, values, strict=False))
            lines.append(f"  face {face.track}: {said or face.missing}")
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    def _marker(self) -> Packet:
        marker = Marker(
            session=to_name(self._folder.name) or "session",
            at=self._context.now(),
            label="marker",
            source="window",
        )
        sys.stdout.write(f"marker set at {marker.at}\n")
        sys.stdout.flush()
        return Packet(marker)

    def close(self) -> None:
        cv2.destroyAllWindows()


def _title(stream: str) -> str:
    return f"Affectline {stream}"
