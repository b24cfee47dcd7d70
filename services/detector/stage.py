"""The stage of the detector process: finds faces, has them classified, publishes the results."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.clock import monotonic_ns
from affectline.common.measurements import Measurements
from affectline.common.runtime.stage import Route, Stage, on
from affectline.common.settings.detector import DetectorSettings
from affectline.common.vision.crops import crop_square, measure_quality
from affectline.common.vision.decode import is_decodable
from affectline.common.vision.preprocessing import FER_SIZE, to_square
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
from affectline.services.detector.detection import FaceDetector
from affectline.services.detector.face_mesh import FaceMesh, Landmarks
from affectline.services.detector.measured import MeasuredEyeReader, MeasuredMesh, measured
from affectline.services.detector.result_buffer import ResultBuffer
from affectline.services.detector.signs_reader import SignsReader
from affectline.services.detector.spec import DetectorProcess
from affectline.services.detector.tracking import FaceTracker, TrackedFace

SEARCH_WIDTH: Final = 960
"""Wider images are searched at half or a quarter of their size, which costs less; a face that fills
a tenth of the frame's width still has 48 pixels then."""
DECODE_WIDTH: Final = 1920
"""Wider JPEGs are decoded at half or a quarter of their size: faces are cropped from what is
decoded, and at this width all but the smallest have more pixels than a crop."""
LARGEST_CROP: Final = 160
"""Larger crops are scaled down to this side in pixels: no included model uses more, and sending a
crop of 300 pixels costs as much as everything else about the frame."""
_REDUCED: Final = {
    1: cv2.IMREAD_GRAYSCALE, 2: cv2.IMREAD_REDUCED_GRAYSCALE_2, 4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
}  # fmt: skip
MAX_PENDING: Final = 2
"""Live delivery: new frames are skipped while this many wait for a classifier, which keeps results
recent when the classifiers cannot keep up."""


@dataclass
class _SeenFace:
    """A face in the current frame."""

    face: Face
    parts: list[bytes]
    """Its crops, and its landmarks if they are published."""
    landmarks: Landmarks | None
    """In pixels of ``image``; None if they are not wanted."""
    image: NDArray[np.uint8]
    """The image that it was cropped from."""


class Detector(Stage):
    """Detects and tracks the faces of one stream, and publishes each frame's one result."""

    outputs: ClassVar[Mapping[type[Message], Route]] = {Faces: "work_queue", Emotion: "bus"}
    tick_ms = 50

    def __init__(self, process: DetectorProcess) -> None:
        self.stream, self._settings = process.name, process.settings
        self._first_track = process.last_track
        self._epoch = -1
        self.measurements: Measurements | None = None
        """Earlier measurements of the same frames, set before `setup` (decision 19)."""

    def setup(self) -> None:
        self._lossless = self.context.delivery == "lossless"
        cv2.setNumThreads(1)  # one core per process: the pipeline runs processes in parallel
        self._detector = make_detector(self._settings)
        needs_mesh = self._settings.mesh or getattr(self._detector, "needs_landmarks", False)
        self._mesh = FaceMesh() if needs_mesh else None
        reader = None
        if self.measurements is not None:
            self._detector = measured(self._detector, self.measurements)
            self._mesh = self._mesh and MeasuredMesh(self._mesh, self.measurements)
            reader = MeasuredEyeReader(self.measurements)
        self._signs = SignsReader(
            pose=self._settings.mesh and self._settings.pose,
            eyes=self._settings.mesh and self._settings.eyes,
            eye_reader=reader,
        )
        self._results = ResultBuffer(lossless=self._lossless)
        self._tracker = self._make_tracker(first_seq=0)
        self._mirrored: dict[int, bool] = {}

    @cached_property
    def _picture_tracker(self) -> FaceTracker:
        """The tracker for pictures: nothing waits for them, so it finds smaller faces as well."""
        settings = for_pictures(self._settings)
        return FaceTracker(make_detector(settings), settings, self._mesh)

    def _make_tracker(self, first_seq: int) -> FaceTracker:
        return FaceTracker(
            self._detector,
            self._settings,
            self._mesh,
            every_frame=self._settings.mesh,
            first_frame=first_seq,
        )

    def _begin(self, epoch: int, first_seq: int) -> None:
        """Start over: frames of a new epoch are unrelated to earlier ones.

        Track numbers continue, because they are unique within the stream. A detector that joins in
        the middle begins after the most that the one before it can have given in this epoch.
        """
        self._epoch = epoch
        given = self._first_track + self._tracker.last_number
        self._first_track = max(given, first_seq * self._settings.max_faces)
        self._tracker = self._make_tracker(first_seq)
        self._mirrored = {}
        self._signs.forget(())

    @on(Frame, newest_only=True)
    def on_frame(self, packet: Packet[Frame]) -> Iterator[Packet]:
        """Find the faces of a frame, and have them classified."""
        yield from self._process_frame(packet)
        yield from self._results.publish(self.context.now())

    @on(Scores)
    def on_scores(self, packet: Packet[Scores]) -> Iterator[Packet]:
        """Add a classifier's result, and publish what can now be published in order."""
        if not self._results.resolve(packet.message):
            is_late = packet.message.epoch != self._epoch
            self.context.counters["late" if is_late else "invalid"] += 1
        yield from self._results.publish(self.context.now())

    @on(Resend)
    def on_resend(self, packet: Packet[Resend]) -> Iterator[Packet]:
        """Publish again the results that a consumer has missed."""
        repeated = self._results.repeat(packet.message, monotonic_ns())
        self.context.counters["results_repeated"] += len(repeated)
        yield from repeated
        yield from self._results.publish(self.context.now())

    def on_superseded(self, packet: Packet) -> Iterator[Packet]:
        frame = packet.message
        if (
            isinstance(frame, Frame)
            and self._enter_epoch(frame)
            and not self._results.is_known(frame)
        ):
            self.context.counters["skipped"] += 1
            self._results.skip(frame, "behind")
        yield from self._results.publish(self.context.now())

    def on_send_failed(self, packet: Packet) -> Iterable[Packet]:
        # In lossless delivery this happens only while stopping; the next process handles the frame
        if isinstance(packet.message, Faces) and not self._lossless:
            self.context.counters["skipped"] += 1
            self._results.skip(packet.message, "behind")  # published with its signs
        return ()

    def tick(self) -> Iterator[Packet]:
        for faces in list(self._results.overdue(monotonic_ns())):
            self.context.counters["asked_again"] += 1
            yield faces
        yield from self._results.publish(self.context.now())
        if not self._results.unresolved_count:
            self._tracker.look_around()

    def _enter_epoch(self, frame: Frame) -> bool:
        """Begin a newer epoch; False for a frame of an older one."""
        if frame.epoch > self._epoch:
            self._begin(frame.epoch, frame.seq)
        return frame.epoch == self._epoch

    def _process_frame(self, packet: Packet[Frame]) -> Iterator[Packet]:
        frame = packet.message
        if not self._enter_epoch(frame):
            self.context.counters["late"] += 1
            return
        if self._results.is_known(frame):
            repeated = self._results.cached_result(frame)
            if repeated is not None:
                yield repeated
            return
        if not self._lossless and self._results.unresolved_count >= MAX_PENDING:
            self.context.counters["skipped"] += 1
            self._results.skip(frame, "behind")
            return
        self._tracker.look_around()  # before the measurements of the last frame are over
        if self.measurements is not None:
            self.measurements.begin_frame(packet.parts[0])
        with self.context.span("decode image", frame):
            sharp = decode_gray(packet.parts[0], frame)
        if sharp is None:
            self.context.counters["invalid"] += 1
            where = {"stream": frame.stream, "seq": frame.seq}
            self.context.log.warning("the image of the frame cannot be decoded", extra=where)
            self._results.skip(frame, "invalid")
            return
        seen = self._detect_faces(packet, sharp)
        self.context.counters["faces"] += len(seen)
        plain = tuple(one.face for one in seen)
        faces = self._read_signs(frame, seen) if self._lossless else plain
        message = Faces(**frame.identity, detected_at=self.context.now(), faces=faces)
        found = Packet(message, tuple(part for one in seen for part in one.parts))
        self._results.add(found, monotonic_ns())
        if found.parts:
            yield found
        if not self._lossless:
            # Meanwhile a classifier is at work: the result is there when both have finished
            faces = self._read_signs(frame, seen)
            self._results.complete(message.model_copy(update={"faces": faces}))
        if frame.file is None:
            self._signs.end_frame(frame.captured_at)
            self._signs.forget({self._first_track + number for number in self._tracker.numbers})

    def _detect_faces(self, packet: Packet[Frame], sharp: NDArray[np.uint8]) -> list["_SeenFace"]:
        frame = packet.message
        with self.context.span("track", frame):
            image = reduce_for_search(sharp)
            if frame.file is None:
                tracked, first = self._tracker.track(image), self._first_track
            else:  # a single picture
                tracked, first = self._picture_tracker.search(image), 0
        with self.context.span("crops", frame, count=len(tracked)):
            sharp = self._sharpest(packet, sharp, image.shape[1], tracked)
            self._choose_views(frame, [first + one.track for one in tracked])
            return [self._crop(frame, one, first + one.track, image, sharp) for one in tracked]

    def _choose_views(self, frame: Frame, tracks: Sequence[int]) -> None:
        """Mirror the faces that were seen as they are in the frame before, and only those."""
        if self._lossless or not self._settings.mirror or frame.file is not None:
            self._mirrored = {}
        else:
            self._mirrored = {track: not self._mirrored.get(track, True) for track in tracks}

    def _read_signs(self, frame: Frame, seen: Sequence["_SeenFace"]) -> tuple[Face, ...]:
        with self.context.span("signs", frame, count=len(seen)):
            return tuple(self._with_signs(frame, one) for one in seen)

    def _crop(
        self,
        frame: Frame,
        found: TrackedFace,
        track: int,
        image: NDArray[np.uint8],
        sharp: NDArray[np.uint8],
    ) -> "_SeenFace":
        """A face with its crops, and without its signs.

        Args:
            frame: The frame with the face.
            found: The face, in pixels of ``image``.
            track: Its track number in the stream.
            image: The image that was searched.
            sharp: The image to crop from.
        """
        scale, more = frame.width / image.shape[1], sharp.shape[1] / image.shape[1]
        crop = crop_tracked(sharp, found, self._settings.margin, more)
        if mirrored := self._mirrored.get(track, False):
            crop = np.ascontiguousarray(crop[:, ::-1])
        small = to_square(crop)
        x, y, w, h = (round(value * scale) for value in found.box)
        measured = measure_quality(small)
        quality = Quality(size=max(w, h), blur=measured.blur, brightness=measured.brightness)
        landmarks = self._scale_landmarks(found, more)
        parts = [crop.tobytes(), small.tobytes()]
        if self._settings.landmarks and landmarks:
            points = landmarks.points * np.float32(frame.width / sharp.shape[1])
            parts.append(points.astype("<f4").tobytes())
        face = Face(
            track=track,
            box=(x, y, w, h),
            angle=found.angle,
            quality=quality,
            mirrored=mirrored,
            crop_side=crop.shape[0],
            landmarks=len(parts) > 2,
        )
        return _SeenFace(face, parts, landmarks, sharp)

    def _with_signs(self, frame: Frame, seen: "_SeenFace") -> Face:
        """The face with its signs, which take longer to read than all the rest."""
        at = frame.captured_at if frame.file is None else None
        face = seen.face
        signs = self._signs.read(seen.image, seen.landmarks, face.quality, track=face.track, at=at)
        return face.model_copy(update=dict(signs))

    def _scale_landmarks(self, found: TrackedFace, scale: float) -> Landmarks | None:
        """A face's landmarks in the image that it is cropped from, if all faces have landmarks."""
        if found.landmarks is None or not self._settings.mesh or scale == 1:
            return found.landmarks if self._settings.mesh else None
        return found.landmarks._replace(points=found.landmarks.points * np.float32(scale))

    def _sharpest(
        self,
        packet: Packet[Frame],
        sharp: NDArray[np.uint8],
        width: int,
        tracked: Sequence[TrackedFace],
    ) -> NDArray[np.uint8]:
        """The image to crop from.

        If a face has too few pixels in an image that was decoded at a fraction of its size, the
        frame is decoded again at full size.

        Args:
            packet: The frame.
            sharp: The image as it was decoded.
            width: Width of the image in which the faces were found.
            tracked: The faces.
        """
        frame, scale = packet.message, sharp.shape[1] / width
        is_small = any(found.face.side * scale < FER_SIZE for found in tracked)
        if not is_small or sharp.shape[1] == frame.width:
            return sharp
        whole = decode_gray(packet.parts[0], frame, largest=frame.width)
        return sharp if whole is None else whole


def crop_tracked(
    image: NDArray[np.uint8], found: TrackedFace, margin: float, scale: float = 1.0
) -> NDArray[np.uint8]:
    """Cut out a face, upright.

    Args:
        image: ``(H, W) uint8``.
        found: The face, in an image of this or of another size.
        margin: Margin on each side, in sides of the face.
        scale: Pixels of this image per pixel of that one.

    Returns:
        ``(S, S) uint8`` at the face's size in the image, but at most `LARGEST_CROP`.
    """
    face = found.face
    side = scale * face.side * (1 + 2 * margin)
    size = min(LARGEST_CROP, max(1, round(side)))
    return crop_square(image, (scale * face.x, scale * face.y), side, face.angle, size)


def for_pictures(settings: DetectorSettings) -> DetectorSettings:
    """Settings for searching pictures: twice as fine as for films, if the detector allows it."""
    finer = {}
    if "scan_size" in type(settings).model_fields:
        finer["scan_size"] = 2 * settings.scan_size  # type: ignore[attr-defined]
    if "min_face" in type(settings).model_fields:
        finer["min_face"] = settings.min_face / 2  # type: ignore[attr-defined]
    return settings.model_copy(update=finer)


def make_detector(settings: DetectorSettings) -> FaceDetector:
    """Create the detector that the settings name.

    Raises:
        AffectlineError: Its model file is missing or unreadable.
    """
    detector: FaceDetector = DetectorSettings.registry.load(settings.backend)(settings)
    return detector


def reduce_for_search(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce an image to the size that face detection needs.

    Args:
        image: ``(H, W) uint8``.

    Returns:
        The image itself up to `SEARCH_WIDTH`, wider ones at half or a quarter of their size.
    """
    height, width = image.shape
    divisor = _divisor(width, SEARCH_WIDTH)
    if divisor == 1:
        return image
    size = -(-width // divisor), -(-height // divisor)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _divisor(width: int, largest: int) -> int:
    """By how much to reduce an image: half up to twice the largest width, a quarter beyond."""
    return 1 if width <= largest else 2 if width <= 2 * largest else 4


def decode_gray(
    data: bytes | memoryview, frame: Frame, largest: int = DECODE_WIDTH
) -> NDArray[np.uint8] | None:
    """Decode a frame to grayscale, a very large one directly at a fraction of its size.

    Args:
        data: The frame's image part.
        frame: The frame's header.
        largest: Frames up to this width are decoded at full size, up to twice of it at half, and
            wider ones at a quarter.

    Returns:
        ``(H, W) uint8``; None if the bytes are not an image of the size in the header, or the image
        is too large.
    """
    if not is_decodable(frame, data):
        return None
    if frame.encoding == "raw":
        bgr = np.frombuffer(data, np.uint8).reshape(frame.height, frame.width, 3)
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    divisor = _divisor(frame.width, largest)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _REDUCED[divisor])
    except cv2.error:
        return None
    expected = (-(-frame.height // divisor), -(-frame.width // divisor))
    if image is None or image.shape != expected:
        return None
    return np.asarray(image, dtype=np.uint8)
