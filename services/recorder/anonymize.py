"""Recording without faces: pictures wait for their answer, and the faces in them are pixelated.

The detector may find a face only some pictures after it has come into sight, and lose it before it
has gone. So a picture also waits for a few later answers, and where a face was in the last second
or will be in those answers is pixelated as well. A picture without an answer is pixelated wholly.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.vision.decode import decode
from affectline.common.wire.messages import Box, Emotion, Frame, Packet, StreamEnd

Image = NDArray[np.uint8]
Key = tuple[str, int, int]

LOOK_AHEAD: Final = 8
"""Later answers that a picture waits for: a third of a second at 24 pictures a second."""
LOOK_AHEAD_NS: Final = 400_000_000
"""It waits at most so long for them."""
LOOK_BACK_NS: Final = 1_000_000_000
PATIENCE_NS: Final = {"live": 600_000_000, "lossless": 10_000_000_000}
"""How long a picture waits for its own answer: live ones come within half a second or never."""
ANSWERS_KEPT: Final = 256
MARGIN: Final = 0.3
"""Pixelated around a face on each side, in sides of its box: hair, chin, and a turned head."""
BLOCKS: Final = 6
"""Blocks across what is pixelated around one face: less than four across the face itself, where
eyes, nose and mouth are no longer apart."""
PICTURE_BLOCKS: Final = 12
"""Blocks across a picture that is pixelated wholly."""
QUALITY: Final = 90


@dataclass
class BufferedMessage:
    """A message on its way to the file."""

    packet: Packet
    arrived: int
    """Time of day, for the file."""
    since: int
    """The same moment by the clock that waiting is measured by."""
    answer: Emotion | None = None
    waits: bool = False
    """It is a picture that is still to be pixelated."""
    later: int = 0
    """Answers to later pictures that have come."""


class Anonymizer:
    """Keeps the messages in their order while pictures wait.

    Args:
        delivery: Sets how long an answer is waited for.
    """

    def __init__(self, delivery: str) -> None:
        self._patience = PATIENCE_NS[delivery]
        self._queue: deque[BufferedMessage] = deque()
        self._waiting: OrderedDict[Key, BufferedMessage] = OrderedDict()
        self._answers: OrderedDict[Key, Emotion] = OrderedDict()
        self.wholly = 0
        """Pictures that had to be pixelated wholly."""

    def take(self, packet: Packet, arrived: int, now: int) -> None:
        """Take in a message.

        Args:
            packet: The message.
            arrived: The time of day in ns, as the file will have it.
            now: The same moment in ns by a clock that nobody sets.
        """
        message = packet.message
        held = BufferedMessage(packet, arrived, now, waits=isinstance(message, Frame))
        self._queue.append(held)
        if isinstance(message, Frame):
            key = (message.stream, message.epoch, message.seq)
            held.answer = self._answers.get(key)
            self._waiting[key] = held
        elif isinstance(message, Emotion):
            self._note(message)
        elif isinstance(message, StreamEnd):
            for (stream, _, _), waiting in self._waiting.items():
                waiting.later += LOOK_AHEAD * (stream == message.stream)

    def _note(self, emotion: Emotion) -> None:
        key = (emotion.stream, emotion.epoch, emotion.seq)
        self._answers[key] = emotion
        if len(self._answers) > ANSWERS_KEPT:
            self._answers.popitem(last=False)
        for (stream, epoch, seq), held in self._waiting.items():
            if (stream, epoch, seq) == key:
                held.answer = emotion
            elif stream == emotion.stream and (epoch, seq) < (emotion.epoch, emotion.seq):
                held.later += 1

    def ready(self, now: int, *, all_of_them: bool = False) -> Iterator[tuple[Packet, int]]:
        """Yield what may be written, and when it arrived.

        Args:
            now: The time in ns by the clock that nobody sets.
            all_of_them: Wait for nothing any more.
        """
        while self._queue:
            held = self._queue[0]
            if held.waits and not (all_of_them or self._may_go(held, now)):
                return
            self._queue.popleft()
            packet = self._blurred(held) if held.waits else held.packet
            if packet:
                yield packet, held.arrived

    def _may_go(self, held: BufferedMessage, now: int) -> bool:
        age = now - held.since
        if held.answer is None:
            return age > self._patience
        return held.later >= LOOK_AHEAD or age > LOOK_AHEAD_NS

    def _blurred(self, held: BufferedMessage) -> Packet | None:
        frame = held.packet.message
        assert isinstance(frame, Frame)  # noqa: S101 - for the type checker
        self._waiting.pop((frame.stream, frame.epoch, frame.seq), None)
        picture = open_picture(frame, held.packet.parts[0])
        if picture is None:
            return None
        if held.answer is None or (held.answer.missing and not held.answer.faces):
            self.wholly += 1
            pixelate(picture, (0, 0, frame.width, frame.height), PICTURE_BLOCKS, 0)
        else:
            for box in self._boxes(frame):
                pixelate(picture, box)
        return Packet(frame, (encode(frame, picture),))

    def _boxes(self, frame: Frame) -> Iterable[Box]:
        """Where faces are, were a moment ago, or will be in a moment."""
        at = time_of(frame)
        for (stream, epoch, _), emotion in self._answers.items():
            if (stream, epoch) == (frame.stream, frame.epoch) and (
                at - time_of(emotion) <= LOOK_BACK_NS
            ):
                yield from (face.box for face in emotion.faces)


def time_of(message: Frame | Emotion) -> int:
    """When a picture was taken, by the clock that its stream goes by."""
    return message.captured_at if message.media_time is None else message.media_time


def open_picture(frame: Frame, data: bytes | memoryview) -> Image | None:
    """A picture ``(H, W, 3) uint8`` BGR that may be changed; None where it is none."""
    picture = decode(frame, data)
    if picture is None or picture.shape[:2] != (frame.height, frame.width):
        return None
    return picture.copy() if frame.encoding == "raw" else picture


def encode(frame: Frame, picture: Image) -> bytes:
    """A picture in the frame's encoding."""
    if frame.encoding == "raw":
        return picture.tobytes()
    quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    return cv2.imencode(".jpg", picture, quality)[1].tobytes()


def pixelate(picture: Image, box: Box, blocks: int = BLOCKS, margin: float = MARGIN) -> None:
    """Replace a part of a picture by the mean colours of a few blocks.

    Args:
        picture: ``(H, W, 3) uint8``, changed in place.
        box: ``(x, y, w, h)`` in pixels; may reach beyond the picture.
        blocks: How many across, in both directions.
        margin: What is added on each side, in longer sides of the box.
    """
    x, y, w, h = box
    more = round(max(w, h) * margin)
    left, top = max(0, x - more), max(0, y - more)
    part = picture[top : max(0, y + h + more), left : max(0, x + w + more)]
    if not part.size:
        return
    size = (min(blocks, part.shape[1]), min(blocks, part.shape[0]))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    part[:] = cv2.resize(small, (part.shape[1], part.shape[0]), interpolation=cv2.INTER_NEAREST)
