"""The detector process's own stage, fed with encoded frames in this process, several in turn."""

import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from affectline.common.labels import LABELS
from affectline.common.runtime.stage import StageContext
from affectline.common.settings.detector import DetectorSettings
from affectline.common.settings.sources import CaptureSettings
from affectline.common.wire.base import EXAMPLE_AT
from affectline.common.wire.messages import Faces, Frame, Packet, Scores
from affectline.services.detector.spec import DetectorProcess
from affectline.services.detector.stage import Detector

_STREAM: Final = "clip"
_USUAL_RATE: Final = 25.0
"""Frames a second of a film that does not say."""


class EncodedClip(NamedTuple):
    """A film as capture sends it."""

    size: tuple[int, int]
    """Width and height in pixels."""
    rate: float
    """Frames a second."""
    frames: list[bytes]
    """JPEG files."""


class DetectorOptions(NamedTuple):
    """A backend, and what it tells of each face."""

    backend: str
    landmarks: bool = False
    """In every frame; without, new faces only are confirmed by them."""
    pose: bool = False
    eyes: bool = False

    @property
    def settings(self) -> DetectorSettings:
        """The settings that say so."""
        chosen = {"mesh": self.landmarks, "pose": self.pose, "eyes": self.eyes}
        return DetectorSettings.model_validate({"backend": self.backend, **chosen})

    @property
    def signs(self) -> str:
        """What it tells of each face, in words."""
        there = (self.landmarks, self.pose, self.eyes)
        names = ("landmarks", "pose", "eyes")
        return " + ".join(name for name, is_there in zip(names, there, strict=True) if is_there)


class FrameRun(NamedTuple):
    """What became of a frame."""

    ms: float
    """CPU milliseconds of this process."""
    tracks: tuple[int, ...]
    """Numbers of the faces in it."""


class ClipRun(NamedTuple):
    """All frames of a clip, several times over."""

    ms: NDArray[np.float64]
    """``(rounds, frames)`` CPU milliseconds."""
    tracks: list[tuple[int, ...]]
    """Numbers of the faces in each frame; they are the same in every round."""

    @property
    def frame_ms(self) -> NDArray[np.float64]:
        """``(frames,)``: medians over the rounds."""
        return np.asarray(np.median(self.ms, axis=0))

    @property
    def faces(self) -> int:
        """Faces in all frames together."""
        return sum(map(len, self.tracks))


class DetectorRun:
    """The detector process's stage, without its sockets.

    Args:
        settings: Its settings.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        self._stage = Detector(DetectorProcess(name=_STREAM, settings=settings))
        self._stage.context = StageContext(service=f"detector/{_STREAM}")
        self._stage.setup()
        self._epochs = count()
        self.begin()

    def begin(self) -> None:
        """The next frame is the first one of a film."""
        self._epoch, self._seq = next(self._epochs), 0

    def process(self, clip: EncodedClip, number: int) -> FrameRun:
        """Process a frame of a clip, and have its faces answered, which is not timed.

        Args:
            clip: It.
            number: Of the frame, from 0.
        """
        (width, height), data = clip.size, clip.frames[number]
        at = EXAMPLE_AT + round(number * 1e9 / clip.rate)
        frame = Frame(
            stream=_STREAM, epoch=self._epoch, seq=self._seq, captured_at=at,
            received_at=self._stage.context.now(), width=width, height=height,
        )  # fmt: skip
        self._seq += 1
        packet = Packet(frame, (data,))
        started = time.process_time_ns()
        sent = list(self._stage.on_frame(packet))
        ms = (time.process_time_ns() - started) / 1e6
        found = [one.message for one in sent if isinstance(one.message, Faces)]
        for faces in found:
            list(self._stage.on_scores(Packet(_answer(faces), ())))
        return FrameRun(ms, tuple(face.track for faces in found for face in faces.faces))


def _answer(faces: Faces) -> Scores:
    """What a classifier might have said."""
    equal = (1 / len(LABELS),) * len(LABELS)
    return Scores(
        stream=faces.stream, epoch=faces.epoch, seq=faces.seq, classified_at=faces.detected_at,
        model="none", distributions=(equal,) * len(faces.faces),
    )  # fmt: skip


def read_clip(path: Path, most: int | None = None) -> EncodedClip:
    """Read a film and encode its frames as capture does by default.

    Args:
        path: The film.
        most: Read so many frames only.
    """
    quality = [cv2.IMWRITE_JPEG_QUALITY, CaptureSettings().jpeg_quality]
    frames: list[bytes] = []
    video, size = cv2.VideoCapture(str(path)), (0, 0)
    rate = video.get(cv2.CAP_PROP_FPS)
    while most is None or len(frames) < most:
        more, picture = video.read()
        if not more:
            break
        size = (picture.shape[1], picture.shape[0])
        frames.append(cv2.imencode(".jpg", picture, quality)[1].tobytes())
    video.release()
    return EncodedClip(size, rate if 1 <= rate <= 1000 else _USUAL_RATE, frames)


def run_in_turn(clip: EncodedClip, runs: Sequence[DetectorRun], rounds: int) -> tuple[ClipRun, ...]:
    """Give every frame of a clip to all detectors, one after the other.

    What disturbs the machine for longer than a frame disturbs all of them alike, and each finds the
    caches as others leave them, as a process among others does. Who is first changes from
    frame to frame.

    Args:
        clip: It.
        runs: The detectors.
        rounds: How often they see the whole clip, each time as a new one.
    """
    ms = np.zeros((len(runs), rounds, len(clip.frames)))
    tracks: list[list[tuple[int, ...]]] = [[] for _ in runs]
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the stages did so, but another measurement may have run since
    try:
        for number in range(rounds):
            for run in runs:
                run.begin()
            for i in range(len(clip.frames)):
                for turn in range(len(runs)):
                    which = (turn + i + number) % len(runs)
                    done = runs[which].process(clip, i)
                    ms[which, number, i] = done.ms
                    if not number:
                        tracks[which].append(done.tracks)
    finally:
        cv2.setNumThreads(before)
    return tuple(ClipRun(times, numbers) for times, numbers in zip(ms, tracks, strict=True))
