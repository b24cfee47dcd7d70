"""Recording without faces: frames wait for their result, and the faces in them are pixelated.

The detector may find a face only some frames after it has come into sight, and lose it before it
has gone. So a frame also waits for a few later results, and is pixelated as well where a face was
in the last second or is in those results. A frame without a result is pixelated as a whole.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.vision.decode import decode
from affectline.common.wire.base import Message
from affectline.common.wire.messages import Box, Emotion, Frame, Packet, StreamEnd

Image = NDArray[np.uint8]
Key = tuple[str, int, int]

LOOK_AHEAD: Final = 8
"""Later results that a frame waits for: a third of a second at 24 frames/s."""
LOOK_AHEAD_NS: Final = 400_000_000
"""Longest wait for them."""
LOOK_BACK_NS: Final = 1_000_000_000
MAX_WAIT_NS: Final = {"live": 600_000_000, "lossless": 10_000_000_000}
"""Longest wait of a frame for its own result: live ones come within half a second or never."""
MAX_RESULTS: Final = 256
MARGIN: Final = 0.3
"""Pixelated around a face on each side, in sides of its box: hair, chin, and a turned head."""
BLOCKS: Final = 6
"""Blocks across what is pixelated around one face: less than four across the face itself, where
eyes, nose and mouth are no longer apart."""
FRAME_BLOCKS: Final = 12
"""Blocks across a frame that is pixelated as a whole."""
JPEG_QUALITY: Final = 90


@dataclass
class BufferedMessage:
    """A message on its way to the file."""

    packet: Packet
    log_time: int
    """Time of arrival in ns since the Unix epoch, for the file."""
    arrived: int
    """The same moment in ns of the monotonic clock."""
    is_frame: bool = False
    """It is a frame, still to be pixelated."""
    result: Emotion | None = None
    later_results: int = 0
    """Results of later frames that have arrived."""


class Anonymizer:
    """Pixelates faces; all messages stay in their order while frames wait for their results.

    Args:
        delivery: ``live`` or ``lossless``: how long a frame waits for its result.
    """

    def __init__(self, delivery: str) -> None:
        self._max_wait_ns = MAX_WAIT_NS[delivery]
        self._queue: deque[BufferedMessage] = deque()
        self._waiting: OrderedDict[Key, BufferedMessage] = OrderedDict()
        self._results: OrderedDict[Key, Emotion] = OrderedDict()
        self.without_result = 0
        """Frames that were pixelated as a whole."""

    def add(self, packet: Packet, log_time: int, now: int) -> None:
        """Add a message.

        Args:
            packet: The message.
            log_time: Time of its arrival in ns since the Unix epoch, for the file.
            now: The same moment in ns of the monotonic clock.
        """
        buffered = BufferedMessage(packet, log_time, now)
        self._queue.append(buffered)
        self._update(packet.message, buffered)

    @singledispatchmethod
    def _update(self, message: Message, buffered: BufferedMessage) -> None:
        """Other kinds wait only for those before them."""

    @_update.register
    def _(self, frame: Frame, buffered: BufferedMessage) -> None:
        key = (frame.stream, frame.epoch, frame.seq)
        buffered.is_frame, buffered.result = True, self._results.get(key)
        self._waiting[key] = buffered

    @_update.register
    def _(self, end: StreamEnd, buffered: BufferedMessage) -> None:
        for (stream, _, _), waiting in self._waiting.items():
            waiting.later_results += LOOK_AHEAD * (stream == end.stream)

    @_update.register
    def _(self, emotion: Emotion, buffered: BufferedMessage) -> None:
        key = (emotion.stream, emotion.epoch, emotion.seq)
        self._results[key] = emotion
        if len(self._results) > MAX_RESULTS:
            self._results.popitem(last=False)
        for (stream, epoch, seq), waiting in self._waiting.items():
            if (stream, epoch, seq) == key:
                waiting.result = emotion
            elif stream == emotion.stream and (epoch, seq) < (emotion.epoch, emotion.seq):
                waiting.later_results += 1

    def pop_ready(self, now: int, *, flush: bool = False) -> Iterator[tuple[Packet, int]]:
        """Remove and yield the messages that may be written, each with its log time.

        Args:
            now: The time in ns of the monotonic clock.
            flush: Yield everything, whether its results have arrived or not.
        """
        while self._queue:
            first = self._queue[0]
            if first.is_frame and not (flush or self._is_ready(first, now)):
                return
            self._queue.popleft()
            packet = self._anonymize(first) if first.is_frame else first.packet
            if packet:
                yield packet, first.log_time

    def _is_ready(self, buffered: BufferedMessage, now: int) -> bool:
        age = now - buffered.arrived
        if buffered.result is None:
            return age > self._max_wait_ns
        return buffered.later_results >= LOOK_AHEAD or age > LOOK_AHEAD_NS

    def _anonymize(self, buffered: BufferedMessage) -> Packet | None:
        """The frame with its faces pixelated; None if it cannot be decoded."""
        frame = buffered.packet.message
        assert isinstance(frame, Frame)  # noqa: S101 - for the type checker
        self._waiting.pop((frame.stream, frame.epoch, frame.seq), None)
        image = decode_writable(frame, buffered.packet.parts[0])
        if image is None:
            return None
        result = buffered.result
        if result is None or (result.missing and not result.faces):
            self.without_result += 1
            pixelate(image, (0, 0, frame.width, frame.height), FRAME_BLOCKS, 0)
        else:
            for box in self._face_boxes(frame):
                pixelate(image, box)
        return Packet(frame, (encode_image(frame, image),))

    def _face_boxes(self, frame: Frame) -> Iterable[Box]:
        """Boxes of faces in the frame, up to a second before it, and in the results after it."""
        at = frame.captured_at
        for (stream, epoch, _), emotion in self._results.items():
            if (stream, epoch) == (frame.stream, frame.epoch) and (
                at - emotion.captured_at <= LOOK_BACK_NS
            ):
                yield from (face.box for face in emotion.faces)


def decode_writable(frame: Frame, data: bytes | memoryview) -> Image | None:
    """Decode a frame to a writable ``(H, W, 3) uint8`` BGR image; None if it is damaged."""
    image = decode(frame, data)
    if image is None or image.shape[:2] != (frame.height, frame.width):
        return None
    return image.copy() if frame.encoding == "raw" else image


def encode_image(frame: Frame, image: Image) -> bytes:
    """Encode an image as the frame is encoded."""
    if frame.encoding == "raw":
        return image.tobytes()
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode(".jpg", image, quality)[1].tobytes()


def pixelate(image: Image, box: Box, blocks: int = BLOCKS, margin: float = MARGIN) -> None:
    """Replace a part of an image by the mean colours of a few blocks.

    Args:
        image: ``(H, W, 3) uint8``, changed in place.
        box: ``(x, y, w, h)`` in pixels; may reach beyond the image.
        blocks: How many across, in both directions.
        margin: Added on each side, in longer sides of the box.
    """
    x, y, w, h = box
    extra = round(max(w, h) * margin)
    left, top = max(0, x - extra), max(0, y - extra)
    part = image[top : max(0, y + h + extra), left : max(0, x + w + extra)]
    if not part.size:
        return
    size = (min(blocks, part.shape[1]), min(blocks, part.shape[0]))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    part[:] = cv2.resize(small, (part.shape[1], part.shape[0]), interpolation=cv2.INTER_NEAREST)
