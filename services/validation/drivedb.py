"""Nervousness against PhysioNet's drivedb (Healey and Picard 2005): real drives in Boston.

Nothing is fitted here: the coefficients come from other people, who sat at a desk.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from affectline.common.settings.fusion import FusionSettings
from affectline.common.wire.biometrics import Samples
from affectline.services.biometrics.file_playback import RecordedSignal, regular_times
from affectline.services.fusion.stress_model import StressModel, judge, shipped
from affectline.services.fusion.subject import SubjectState
from affectline.services.validation.as_messages import as_messages
from affectline.services.validation.drivedb_reader import Drive, SkinChannel, read
from affectline.services.validation.fitting import SETS
from affectline.services.validation.scoring import Vector, auc, mean, plain
from affectline.services.validation.segments import SEGMENTS

SECOND: Final = 1_000_000_000
SELDOM: Final = FusionSettings(rate=0.001, face_weight=0)
CHANNEL: Final[SkinChannel] = "foot"
"""Preferred because the hand holds the wheel, and its electrodes lose contact; but after seeing the
figures of both, see docs/validation.md. `--skin hand` takes the other."""
CALIBRATION_S: Final = 300.0
"""Each drive begins with fifteen minutes of rest: the first five are a timed calibration."""


@dataclass(frozen=True)
class DriveCourse:
    """Nervousness of one drive in each second of its segments."""

    name: str
    seconds: Vector
    segments: tuple[str, ...]
    """``rest``, ``city`` or ``highway`` of each second."""
    scores: dict[str, Vector]
    """By set of signals."""
    bounds: tuple[float, ...]
    calibrated_s: float
    """When the timed calibration ended."""


def messages(drive: Drive, channel: SkinChannel) -> Iterator[tuple[int, list[Samples]]]:
    """A drive as a live device would have sent it: the second, and what was measured in it."""
    signals = [("heart_rate", "/min", drive.heart_rate), *_skin(drive, channel)]
    found = [
        (at_s, samples)
        for signal, unit, values in signals
        for at_s, samples in as_messages(
            RecordedSignal(
                signal, unit, regular_times(0, drive.rate, len(values)), values, drive.rate
            )
        )
    ]
    by_second: dict[int, list[Samples]] = {}
    for at_s, samples in found:
        by_second.setdefault(math.floor(at_s) + 1, []).append(samples)
    for second in range(1, math.ceil(len(drive.heart_rate) / drive.rate) + 1):
        yield second, sorted(by_second.get(second, []), key=lambda samples: samples.at)


def _skin(drive: Drive, channel: SkinChannel) -> Iterator[tuple[str, str, Vector]]:
    """The wanted skin conductance, or the other one where that was not measured."""
    others = [drive.skin[channel], *drive.skin.values()]
    for values in others:
        if np.isfinite(values).any():
            yield "skin_conductance", "uS", values
            return


def _lacks(drive: Drive, channel: SkinChannel) -> Iterator[str]:
    """What the drive does not have, in words."""
    if not np.isfinite(drive.heart_rate).any():
        yield f"{drive.name}: no heart rate"
    if not np.isfinite(drive.skin[channel]).any():
        yield f"{drive.name}: no skin conductance of the {channel}"


def follow(
    drive: Drive,
    model: StressModel,
    channel: SkinChannel = CHANNEL,
    calibration_s: float = CALIBRATION_S,
) -> DriveCourse:
    """Feed a drive to the live estimator; keep nervousness within the segments.

    Args:
        drive: What to feed.
        model: The coefficients.
        channel: Which skin conductance.
        calibration_s: Length of the timed calibration at the start of rest; 0 for none.
    """
    person = SubjectState("driver", SELDOM)
    started = not calibration_s
    seconds, segments = [], []
    scores: dict[str, list[float]] = {name: [] for name in SETS}
    for second, batch in messages(drive, channel):
        for samples in batch:
            person.hear(samples)
        if not started and second >= drive.bounds[0]:
            started = True
            person.calibrate(second * SECOND, calibration_s)
        segment = np.searchsorted(drive.bounds, second, "right") - 1
        if not 0 <= segment < len(SEGMENTS):
            continue
        evidence = person.evidence(second * SECOND)
        seconds.append(float(second))
        segments.append(SEGMENTS[segment])
        for name, signals in SETS.items():
            chosen = {k: v for k, v in evidence.items() if k in signals}
            scores[name].append(judge(model, chosen).nervousness)
    vectors = {name: np.array(values) for name, values in scores.items()}
    return DriveCourse(
        drive.name,
        np.array(seconds),
        tuple(segments),
        vectors,
        drive.bounds,
        drive.bounds[0] + calibration_s,
    )


@dataclass(frozen=True)
class DrivedbResult:
    """Everything that is told of a validation."""

    courses: tuple[DriveCourse, ...]
    channel: SkinChannel
    calibration_s: float
    notes: tuple[str, ...] = ()
    """What could not be used."""

    def summary(self) -> dict[str, Any]:
        """The figures as plain values."""
        return {
            "dataset": "drivedb",
            "drives": len(self.courses),
            "skin_channel": self.channel,
            "calibration_s": self.calibration_s,
            "seconds": sum(len(c.seconds) for c in self.courses),
            "notes": list(self.notes),
            "bounds_s": {c.name: [round(b, 1) for b in c.bounds] for c in self.courses},
            "sets": {
                name: {
                    "rest_vs_driving": self._compare(name, ("city", "highway"), ("rest",)),
                    "rest_after_calibration_vs_driving": self._compare(
                        name, ("city", "highway"), ("rest",), after_calibration=True
                    ),
                    "city_vs_highway": self._compare(name, ("city",), ("highway",)),
                    "mean": {
                        kind: plain(mean(self._of(name, self.courses, (kind,)).tolist()))
                        for kind in ("rest", "city", "highway")
                    },
                }
                for name in SETS
            },
        }

    def _of(
        self,
        signals: str,
        courses: tuple[DriveCourse, ...],
        kinds: tuple[str, ...],
        *,
        late: bool = False,
    ) -> Vector:
        found = []
        for course in courses:
            chosen = np.isin(np.array(course.segments), kinds)
            if late:
                chosen &= course.seconds > course.calibrated_s
            found.append(course.scores[signals][chosen])
        return np.concatenate(found)

    def _compare(
        self,
        signals: str,
        more: tuple[str, ...],
        less: tuple[str, ...],
        *,
        after_calibration: bool = False,
    ) -> dict[str, Any]:
        def separate(courses: tuple[DriveCourse, ...]) -> float | None:
            above = self._of(signals, courses, more)
            below = self._of(signals, courses, less, late=after_calibration)
            labels = np.repeat([True, False], [len(above), len(below)])
            return plain(auc(labels, np.concatenate([above, below])))

        return {
            "auc_pooled": separate(self.courses),
            "auc_by_drive": {c.name: separate((c,)) for c in self.courses},
        }


def validate(
    folder: Path,
    channel: SkinChannel = CHANNEL,
    calibration_s: float = CALIBRATION_S,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> DrivedbResult:
    """Validate on a folder.

    Args:
        folder: Laid out like the drives of `read`.
        channel: Which skin conductance.
        calibration_s: Length of the timed calibration at the start of each drive; 0 for none.
        progress: Called with the drives done and their number.
    """
    notes: list[str] = []
    drives = read(folder, notes.append)
    courses = []
    for drive in drives:
        notes += _lacks(drive, channel)
        courses.append(follow(drive, shipped(), channel, calibration_s))
        progress(len(courses), len(drives))
    return DrivedbResult(tuple(courses), channel, calibration_s, tuple(notes))
