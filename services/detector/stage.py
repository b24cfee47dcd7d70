"""The detector process of one stream: frames to faces, and answers back to where they belong."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.clock import monotonic_ns
from affectline.common.runtime.stage import Route, Stage, on
from affectline.common.vision.crops import crop, quality
from affectline.common.vision.preprocessing import to_square
from affectline.common.wire.base import Message
from affectline.common.wire.messages import (
    Emotion,
    Face,
    Faces,
    Frame,
    Packet,
    Quality,
    Resend,
    Scores,
)
from affectline.services.detector.result_buffer import ResultBuffer
from affectline.services.detector.spec import DetectorProcess
from affectline.services.detector.tracking import FaceTracker, TrackedFace

FULL_DECODE_WIDTH: Final = 960
"""Wider JPEGs are decoded at half or a quarter of their size, which costs less; a face that fills
a tenth of the picture's width then still has 48 pixels."""
LARGEST_CROP: Final = 160
"""Larger faces are handed on at this side in pixels: no model of ours looks at more, and a crop of
300 pixels costs as much on its way as everything else about the frame."""
ASKED_AT_ONCE: Final = 2
"""Live delivery: questions under way to the classifiers. While so many are unanswered, new frames
are passed over, which keeps the answers young when the classifiers cannot keep up."""


class Detector(Stage):
    """Finds and follows the faces of one stream, and publishes each frame's one answer."""

    outputs: ClassVar[Mapping[type[Message], Route]] = {Faces: "work_queue", Emotion: "bus"}
    tick_ms = 50

    def __init__(self, process: DetectorProcess) -> None:
        self.stream, self._settings = process.name, process.settings
        self._epoch = -1

    def setup(self) -> None:
        self._lossless = self.context.delivery == "lossless"
        cv2.setNumThreads(1)  # one core a process: the pipeline's parallelism is its processes
        self._begin(epoch=-1, first_seq=0)

    def _begin(self, epoch: int, first_seq: int) -> None:
        """Start anew: another epoch's frames have nothing to do with what was before."""
        self._epoch = epoch
        self._tracker = FaceTracker(self._settings)
        # A detector that joins in the middle must not give a track number a second time: the one
        # before it can have given at most so many
        self._first_track = first_seq * self._settings.max_faces
        self._book = ResultBuffer(lossless=self._lossless)

    @on(Frame, newest_only=True)
    def on_frame(self, packet: Packet[Frame]) -> Iterator[Packet]:
        """Find the faces of a frame, and have them classified."""
        yield from self._process_frame(packet)
        yield from self._book.publish(self.context.now())

    @on(Scores)
    def on_scores(self, packet: Packet[Scores]) -> Iterator[Packet]:
        """A classifier's answer: publish what can be published in order now."""
        if packet.message.epoch == self._epoch:
            self.context.counters["invalid"] += not self._book.settle(packet.message)
        else:
            self.context.counters["late"] += 1
        yield from self._book.publish(self.context.now())

    @on(Resend)
    def on_resend(self, packet: Packet[Resend]) -> Iterator[Packet]:
        """A consumer has missed answers: publish them again."""
        if packet.message.epoch == self._epoch:
            yield from self._book.repeat(packet.message)
        else:
            self.context.counters["late"] += 1
        yield from self._book.publish(self.context.now())

    def on_superseded(self, packet: Packet) -> Iterator[Packet]:
        frame = packet.message
        if isinstance(frame, Frame) and self._follow(frame) and not self._book.knows(frame.seq):
            self.context.counters["skipped"] += 1
            self._book.skip(frame, "behind")
        yield from self._book.publish(self.context.now())

    def on_send_failed(self, packet: Packet) -> Iterator[Packet]:
        # Lossless delivery refuses only while stopping; whoever comes next answers that frame
        if isinstance(packet.message, Faces) and not self._lossless:
            self.context.counters["skipped"] += 1
            self._book.skip(packet.message, "behind")
            yield from self._book.publish(self.context.now())

    def tick(self) -> Iterator[Packet]:
        for question in list(self._book.overdue(monotonic_ns())):
            self.context.counters["asked_again"] += 1
            yield question
        yield from self._book.publish(self.context.now())

    def _follow(self, frame: Frame) -> bool:
        """Go along with a newer epoch; False for a frame of an older one."""
        if frame.epoch > self._epoch:
            self._begin(frame.epoch, frame.seq)
        return frame.epoch == self._epoch

    def _process_frame(self, packet: Packet[Frame]) -> Iterator[Packet]:
        frame = packet.message
        if not self._follow(frame):
            self.context.counters["late"] += 1
            return
        if self._book.knows(frame.seq):
            repeated = self._book.again(frame.seq)
            if repeated is not None:
                yield repeated
            return
        if not self._lossless and self._book.unanswered >= ASKED_AT_ONCE:
            self.context.counters["skipped"] += 1
            self._book.skip(frame, "behind")
            return
        picture = decode_gray(packet.parts[0], frame)
        if picture is None:
            self.context.counters["invalid"] += 1
            self._book.skip(frame, "invalid")
            return
        faces = self._find(frame, picture)
        self.context.counters["faces"] += len(faces.parts) // 2
        self._book.ask(faces, monotonic_ns())
        if faces.parts:
            yield faces

    def _find(self, frame: Frame, picture: NDArray[np.uint8]) -> Packet:
        scale = frame.width / picture.shape[1]
        faces: list[Face] = []
        parts: list[bytes] = []
        for found in self._tracker.find(picture):
            face = crop(picture, found, self._settings.margin, LARGEST_CROP)
            small = to_square(face)
            faces.append(self._describe(found, small, face.shape[0], scale))
            parts += [face.tobytes(), small.tobytes()]
        message = Faces(
            **frame.identity,
            detected_at=self.context.now(),
            faces=tuple(faces),
        )
        return Packet(message, tuple(parts))

    def _describe(
        self, found: TrackedFace, small: NDArray[np.uint8], crop_side: int, scale: float
    ) -> Face:
        measured = quality(small)
        x, y, w, h = (round(value * scale) for value in found.box)
        return Face(
            track=self._first_track + found.track,
            box=(x, y, w, h),
            angle=found.angle,
            quality=Quality(
                size=max(w, h),
                blur=measured.blur,
                brightness=measured.brightness,
            ),
            crop_side=crop_side,
        )


def decode_gray(data: bytes | memoryview, frame: Frame) -> NDArray[np.uint8] | None:
    """Decode a frame to grayscale, straight at the size that finding faces needs.

    Args:
        data: The frame's part.
        frame: Its header.

    Returns:
        ``(H, W) uint8``, whole or at half or a quarter of the frame's size; None where the bytes
        are not a picture of the size that the header says.
    """
    if frame.encoding == "raw":
        bgr = np.frombuffer(data, np.uint8).reshape(frame.height, frame.width, 3)
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    how, divisor = cv2.IMREAD_GRAYSCALE, 1
    if frame.width > 2 * FULL_DECODE_WIDTH:
        how, divisor = cv2.IMREAD_REDUCED_GRAYSCALE_4, 4
    elif frame.width > FULL_DECODE_WIDTH:
        how, divisor = cv2.IMREAD_REDUCED_GRAYSCALE_2, 2
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except cv2.error:  # an empty buffer
        return None
    expected = (-(-frame.height // divisor), -(-frame.width // divisor))
    if picture is None or picture.shape != expected:
        return None
    return np.asarray(picture, dtype=np.uint8)
