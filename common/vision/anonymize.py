"""Removes recognisable faces from frames: each frame waits until its faces are known.

The detector may find a face only some frames after it has appeared, and lose it before it has
gone. So a frame waits for a number of later results. It is pixelated wherever there are faces in
its own result, in those of the second before it, and in the results after it.

The whole frame is pixelated unless the positions of all faces are known. They are unknown if it has
no result, or shows no face; if a face is appearing, or has just gone; if results did not arrive in
time; if this process has not seen what came before; or if there may be more faces than reported.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import singledispatchmethod
from itertools import pairwise
from typing import Any, Final, NamedTuple

from affectline.common.clock import monotonic_ns
from affectline.common.vision.pixelation import (
    blank,
    decode_pixelated,
    decode_writable,
    encode_image,
    pixelate,
)
from affectline.common.wire.base import Message
from affectline.common.wire.messages import (
    Box,
    Emotion,
    Frame,
    Packet,
    StreamEnd,
    StreamMessage,
)

SECOND: Final = 1_000_000_000
LOOK_BACK: Final = 8
"""Minimum number of results before a frame whose faces are pixelated in it, however old."""
LOOK_BACK_NS: Final = SECOND
LOOK_AHEAD_SCANS: Final = 3
"""A frame waits for the results of this many scan passes of the detector: besides a face that it
knows, the detector finds another one within two passes and confirms it before the third."""
LOOK_AHEAD_NS: Final = SECOND * 2 // 5
"""A frame waits for the results of at least this much event time: at high frame rates a few frames
cover only a moment."""
PICTURE_SCALE: Final = 3
"""In single pictures, boxes are enlarged by this factor before pixelation: the detector may find
only a part of a face, and no other frame corrects that."""
PATIENCE_NS: Final = 4 * SECOND
"""Live delivery: when a stream is ahead by more than this, a frame waits no longer."""
SILENCE_NS: Final = 3 * SECOND
"""Live delivery: when a stream was silent for this long, its frames wait no longer."""
MOST_HELD_BYTES: Final = 2**30
"""Maximum size of waiting images; beyond that the first is pixelated as a whole."""
WORK_NS: Final = SECOND // 20
"""Time limit of one call, which handles at least one frame, so that heartbeats continue."""

Key = tuple[str, int]
"""Stream and epoch."""


@dataclass
class BufferedMessage:
    """A message that waits."""

    packet: Packet
    log_time: int
    """Its log time in the file, in ns since the Unix epoch."""

    @property
    def frame(self) -> Frame | None:
        """The frame that is still to be pixelated; None: it is another message."""
        message = self.packet.message
        return message if isinstance(message, Frame) else None

    @property
    def size(self) -> int:
        """Bytes of its binary parts."""
        return sum(len(part) for part in self.packet.parts)


class DetectorLimits(NamedTuple):
    """Limits of a detector, which define how far its results can be trusted."""

    look_ahead: int = LOOK_AHEAD_SCANS * 8
    """Number of results within which a face that has appeared is found."""
    max_faces: int = 8
    """A result with this many faces may lack others."""

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> "DetectorLimits":
        """The limits for a session that ``about`` describes (`PipelineSettings.describe`)."""
        detector = about.get("settings", {}).get("detector", {})
        default = cls()
        scans = detector.get("scan_interval", default.look_ahead // LOOK_AHEAD_SCANS)
        return cls(
            look_ahead=LOOK_AHEAD_SCANS * max(scans, detector.get("search_interval", 1)),
            max_faces=detector.get("max_faces", default.max_faces),
        )


class Result(NamedTuple):
    """The positions of the faces in an analysed frame."""

    seq: int
    at: int
    """Event time in ns."""
    boxes: dict[int, Box]
    """By track."""


@dataclass
class FaceHistory:
    """The results of one stream and epoch that its frames still need."""

    limits: DetectorLimits
    waiting: deque[Frame] = field(default_factory=deque)
    """Waiting frames, in order of arrival."""
    heard_at: int = 0
    """When the last message arrived, in ns of the monotonic clock."""
    latest_at: int = 0
    """Event time of the last frame to arrive, in ns."""
    _results: list[Result] = field(default_factory=list)
    """In order of seq."""
    _unanalysed: set[int] = field(default_factory=set)
    """Seqs of frames that were not analysed, according to their results."""
    _has_beginning: bool = False
    """Whether the first result here is the first of the stream."""
    _newest: int = -1
    """Seq of the last frame with a result."""
    _last_seq: int | None = None
    """Seq of the stream's last frame, once it has ended."""
    _most: int = 0
    """Number of results beyond which unneeded ones are dropped."""

    def add_frame(self, frame: Frame) -> None:
        """Add a waiting frame."""
        self.waiting.append(frame)
        self.latest_at = frame.captured_at
        if self._last_seq is not None and frame.seq > self._last_seq:
            self._last_seq = None  # the stream continues

    def add_result(self, emotion: Emotion) -> None:
        """Add a result; results may come in any order, and repeatedly."""
        self._newest = max(self._newest, emotion.seq)
        self._has_beginning |= emotion.seq == 0
        if emotion.missing and not emotion.faces:
            self._unanalysed.add(emotion.seq)
        elif self._find(emotion.seq) is None:
            boxes = {face.track: face.box for face in emotion.faces}
            insort(self._results, Result(emotion.seq, emotion.captured_at, boxes))
        if len(self._results) + len(self._unanalysed) > self._most:
            self._forget()

    def end(self, end: StreamEnd) -> None:
        """Register the end of the stream."""
        self._last_seq = end.last_seq

    def is_complete(self, frame: Frame) -> bool:
        """Whether all results have arrived that can show where the frame's faces are."""
        is_answered = frame.seq in self._unanalysed or self._find(frame.seq) is not None
        if frame.file is not None and is_answered:
            return True
        if self._last_seq is not None and self._newest >= self._last_seq:
            return True
        later = len(self._results) - bisect_left(self._results, (frame.seq + 1,))
        if later < self.limits.look_ahead:
            return False
        # If event time goes backwards, that many results must suffice
        return not 0 <= self._results[-1].at - frame.captured_at < LOOK_AHEAD_NS

    def find_boxes(self, frame: Frame) -> set[Box]:
        """Boxes of all faces that the frame may show; empty if they are not known."""
        index = self._find(frame.seq)
        if index is None or not self.is_complete(frame):
            return set()
        if frame.file is not None:
            own = self._results[index]
            return set() if self._is_full(own) else {_enlarge(box) for box in own.boxes.values()}
        begin = self._find_past(index, frame.captured_at)
        end = self._find_future(index, frame.captured_at)
        around = self._results[begin:end]
        if not (begin or self._has_beginning) or self._has_gap(around, begin):
            return set()
        if any(self._is_full(result) for result in around):
            return set()
        hidden = self._find_hidden(begin, index, end)
        if hidden is None:
            return set()
        return hidden.union(*(result.boxes.values() for result in around))

    def _find_hidden(self, begin: int, index: int, end: int) -> set[Box] | None:
        """Boxes of faces that the detector missed in one frame, but not around it.

        Args:
            begin: Index of the first result of the look-back.
            index: Index of the frame's own result.
            end: Index after the last result of the look-ahead.

        Returns:
            Boxes that contain the last and the next positions; None if a face has no next or no
            previous position.
        """
        own = self._results[index].boxes
        before: dict[int, Box] = {}
        after: dict[int, Box] = {}
        for result in self._results[begin:index]:
            before |= result.boxes
        for result in reversed(self._results[index + 1 : end]):
            after |= result.boxes
        if before.keys() - own.keys() != after.keys() - own.keys():
            return None
        return {_join(before[track], after[track]) for track in before.keys() - own.keys()}

    def _is_full(self, result: Result) -> bool:
        """Whether there may be more faces than the detector reports."""
        return len(result.boxes) >= self.limits.max_faces

    def _find(self, seq: int) -> int | None:
        """Index of a frame's own result."""
        index = bisect_left(self._results, (seq,))
        is_found = index < len(self._results) and self._results[index].seq == seq
        return index if is_found else None

    def _find_past(self, index: int, at: int) -> int:
        """Index of the first result of the look-back of a result; 0: some may be missing."""
        begin = index
        while begin > 0 and (
            index - begin < LOOK_BACK or abs(at - self._results[begin - 1].at) <= LOOK_BACK_NS
        ):
            begin -= 1
        return begin

    def _find_future(self, index: int, at: int) -> int:
        """Index after the last result of the look-ahead."""
        end = index + 1
        while end < len(self._results) and (
            end - index <= self.limits.look_ahead
            or 0 <= self._results[end].at - at <= LOOK_AHEAD_NS
        ):
            end += 1
        return end

    def _has_gap(self, around: list[Result], begin: int) -> bool:
        """Whether faces may have appeared and gone in a gap between analysed frames.

        Args:
            around: The results of the look-back and of the look-ahead.
            begin: Index of the first of them.
        """
        looked = [*self._results[max(0, begin - 1) : begin], *around]
        return any(b.seq - a.seq > self.limits.look_ahead for a, b in pairwise(looked))

    def _forget(self) -> None:
        """Drop results that neither waiting frames nor the next one need."""
        first = min((frame.seq for frame in self.waiting), default=self._newest)
        index = min(bisect_left(self._results, (first,)), len(self._results) - 1)
        if index >= 0:
            needed = self._find_past(index, self._results[index].at) - 1
            if needed > 0:
                del self._results[:needed]
                self._has_beginning = False
        self._unanalysed = {seq for seq in self._unanalysed if seq >= first}
        self._most = 2 * (len(self._results) + len(self._unanalysed)) + 64


def _join(first: Box, second: Box) -> Box:
    """The smallest box that contains both."""
    x, y = min(first[0], second[0]), min(first[1], second[1])
    right = max(first[0] + first[2], second[0] + second[2])
    bottom = max(first[1] + first[3], second[1] + second[3])
    return x, y, right - x, bottom - y


def _enlarge(box: Box) -> Box:
    """A larger box with the same centre, for single pictures."""
    x, y, w, h = box
    more = PICTURE_SCALE - 1
    return x - w * more // 2, y - h * more // 2, w * PICTURE_SCALE, h * PICTURE_SCALE


class Anonymizer:
    """Pixelates faces; messages stay in order while frames wait for their results.

    In lossless delivery a frame waits without limit: only the end of its stream releases it early.

    Args:
        delivery: ``live`` or ``lossless``.
        limits: Limits of the detector; None: those of the default settings.
        as_raw: Return frames as raw images, for use by this process itself.
    """

    def __init__(
        self, delivery: str, limits: DetectorLimits | None = None, *, as_raw: bool = False
    ) -> None:
        self._is_live = delivery == "live"
        self._limits, self._as_raw = limits or DetectorLimits(), as_raw
        self._queue: deque[BufferedMessage] = deque()
        self._held_bytes = 0
        self._histories: dict[Key, FaceHistory] = {}
        self._epochs: dict[str, int] = {}
        """By stream: the newest epoch that has results."""
        self.without_result = 0
        """Number of frames that were pixelated as a whole."""

    @property
    def held(self) -> int:
        """Number of waiting messages; they leave in the order of their arrival."""
        return len(self._queue)

    def remember(self, message: Message, now: int) -> None:
        """Register what a former process has written, for the earlier positions of faces.

        Args:
            message: Any message.
            now: The present in ns of the monotonic clock.
        """
        if isinstance(message, Emotion):
            self._observe(message, now)

    def add(self, packet: Packet, log_time: int, now: int) -> None:
        """Add a message.

        Args:
            packet: The message.
            log_time: Its log time in the file, in ns since the Unix epoch.
            now: The present in ns of the monotonic clock.
        """
        buffered = BufferedMessage(packet, log_time)
        self._queue.append(buffered)
        self._held_bytes += buffered.size
        if isinstance(packet.message, StreamMessage):
            self._observe(packet.message, now)

    @singledispatchmethod
    def _observe(self, message: StreamMessage, now: int) -> None:
        """Ignore other kinds: they wait only for the messages before them."""

    @_observe.register
    def _(self, frame: Frame, now: int) -> None:
        self._history(frame, now).add_frame(frame)

    @_observe.register
    def _(self, emotion: Emotion, now: int) -> None:
        if not self._is_over(emotion):
            self._epochs[emotion.stream] = emotion.epoch
            self._history(emotion, now).add_result(emotion)

    @_observe.register
    def _(self, end: StreamEnd, now: int) -> None:
        self._history(end, now).end(end)

    def _history(self, message: StreamMessage, now: int) -> FaceHistory:
        key = (message.stream, message.epoch)
        if key not in self._histories:
            for other in [k for k in self._histories if k[0] == message.stream]:
                if not self._histories[other].waiting:
                    del self._histories[other]
            self._histories[key] = FaceHistory(self._limits)
        self._histories[key].heard_at = now
        return self._histories[key]

    def _is_over(self, message: StreamMessage) -> bool:
        """Whether its stream has started a newer epoch: no result follows."""
        return message.epoch < self._epochs.get(message.stream, 0)

    def pop_ready(self, now: int, *, flush: bool = False) -> Iterator[tuple[Packet, int]]:
        """Remove and yield messages that may be written, each with its log time.

        Stops after `WORK_NS`; `is_ready` shows whether there is more.

        Args:
            now: The present in ns of the monotonic clock.
            flush: Yield everything, whether or not its results have arrived.
        """
        stop_at = monotonic_ns() + WORK_NS
        while flush or self.is_ready(now):
            if not self._queue:
                return
            first = self._queue.popleft()
            self._held_bytes -= first.size
            packet = first.packet if first.frame is None else self._anonymize(first.frame, first)
            yield packet, first.log_time
            if monotonic_ns() > stop_at and not flush:
                return

    def is_ready(self, now: int) -> bool:
        """Whether the first message can be released.

        Args:
            now: The present in ns of the monotonic clock.
        """
        if not self._queue:
            return False
        frame = self._queue[0].frame
        if frame is None or self._held_bytes > MOST_HELD_BYTES:
            return True
        history = self._histories[frame.stream, frame.epoch]
        if history.is_complete(frame) or self._is_over(frame):
            return True
        return self._is_live and self._is_overdue(history, frame, now)

    @staticmethod
    def _is_overdue(history: FaceHistory, frame: Frame, now: int) -> bool:
        """Whether the results of a live stream are too late."""
        is_silent = now - history.heard_at > SILENCE_NS
        is_late = abs(history.latest_at - frame.captured_at) > PATIENCE_NS
        return is_silent or is_late

    def _anonymize(self, frame: Frame, buffered: BufferedMessage) -> Packet:
        """Return the frame with its faces pixelated."""
        history = self._histories[frame.stream, frame.epoch]
        history.waiting.popleft()  # frames are released in order of arrival
        boxes, data = history.find_boxes(frame), buffered.packet.parts[0]
        image = decode_writable(frame, data) if boxes else decode_pixelated(frame, data)
        if image is None:
            image, boxes = blank(frame), set()
        self.without_result += not boxes
        pixelate(image, boxes)
        if self._as_raw:
            frame = frame.model_copy(update={"encoding": "raw"})
        return Packet(frame, (encode_image(frame, image),))
