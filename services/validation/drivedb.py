"""Nervousness against PhysioNet's drivedb (Healey and Picard 2005): real drives in Boston.

Nothing is fitted here: the coefficients come from other people, who sat at a desk.
"""

import lzma
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from common.errors import AffectlineError
from common.fusion_settings import FusionSettings
from common.senses import Samples
from services.fusion.model import Model, judge, shipped
from services.fusion.state import Person
from services.validation.fitting import SETS
from services.validation.scoring import Vector, auc
from services.validation.segments import SEGMENTS, choose_bounds, find_marks

SECOND: Final = 1_000_000_000
SELDOM: Final = FusionSettings(rate=0.001, face_weight=0)
COLUMNS: Final = ("time", "ecg", "emg", "foot", "hand", "heart_rate", "marker", "respiration")
SkinChannel = Literal["hand", "foot"]
CHANNEL: Final[SkinChannel] = "foot"
"""Chosen for what it is, without a look at labels: the hand holds the wheel, and its electrodes
lose contact. `--skin hand` takes the other."""
CALIBRATION_S: Final = 300.0
"""Each drive begins with fifteen minutes of rest: the first five are a timed calibration."""


@dataclass(frozen=True)
class Drive:
    """One drive. Channels are evenly sampled."""

    name: str
    rate: float
    heart_rate: Vector
    """Beats a minute, with drop-outs and spikes as recorded."""
    skin: dict[SkinChannel, Vector]
    """uS."""
    bounds: tuple[float, ...]
    """Eight times in seconds, between which the seven segments lie."""


@dataclass(frozen=True)
class Course:
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


def read(folder: Path) -> list[Drive]:
    """Read every drive of a folder.

    Raises:
        AffectlineError: None is there, or one is not as expected.
    """
    files = sorted((*folder.glob("drive*.csv.xz"), *folder.glob("drive*.csv")))
    if not files:
        raise AffectlineError(
            f"FOLDER {folder}: no drive*.csv.xz or drive*.csv in it",
            "it needs the drives of PhysioNet's drivedb as tables, see docs/validation.md",
        )
    return [_read_drive(path) for path in files]


def _read_drive(path: Path) -> Drive:
    try:
        with lzma.open(path, "rt") if path.suffix == ".xz" else path.open() as file:
            table = np.loadtxt(file, delimiter=",", skiprows=1, ndmin=2)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise AffectlineError(f"{path}: cannot be read ({error})", "fetch it again") from error
    except ValueError as error:
        raise AffectlineError(f"{path}: no table of numbers ({error})", "fetch it again") from error
    if table.shape[1] != len(COLUMNS) or len(table) < 1000:
        raise AffectlineError(
            f"{path}: {len(table)} rows of {table.shape[1]} columns",
            f"a drive has the columns {', '.join(COLUMNS)}",
        )
    channel = {name: table[:, i] for i, name in enumerate(COLUMNS)}
    rate = (len(table) - 1) / (channel["time"][-1] - channel["time"][0])
    bounds = choose_bounds(find_marks(channel["marker"], rate), len(table) / rate)
    if bounds is None:
        raise AffectlineError(f"{path}: too few marker spikes for seven segments", "leave it out")
    skin: dict[SkinChannel, Vector] = {"hand": channel["hand"], "foot": channel["foot"]}
    name = path.name.split(".")[0]
    return Drive(name, float(rate), channel["heart_rate"], skin, tuple(bounds))


def messages(drive: Drive, channel: SkinChannel) -> Iterator[tuple[int, list[Samples]]]:
    """A drive as a live device would have sent it: the second, and what was measured in it."""
    count = len(drive.heart_rate)
    for second in range(math.ceil(count / drive.rate)):
        start, end = math.ceil(second * drive.rate), math.ceil((second + 1) * drive.rate)
        found = [
            ("heart_rate", "/min", drive.heart_rate[start:end]),
            ("skin_conductance", "uS", drive.skin[channel][start:end]),
        ]
        yield second + 1, [
            Samples(
                subject="driver", signal=signal, unit=unit, epoch=0, seq=second, rate=drive.rate,
                at=round(start / drive.rate * SECOND), values=tuple(map(float, values)),
            )
            for signal, unit, values in found
            if len(values)
        ]  # fmt: skip


def follow(
    drive: Drive, model: Model, channel: SkinChannel = CHANNEL, calibration_s: float = CALIBRATION_S
) -> Course:
    """Feed a drive to the live estimator; keep nervousness within the segments.

    Args:
        drive: What to feed.
        model: The coefficients.
        channel: Which skin conductance.
        calibration_s: Length of the timed calibration at the start of rest; 0 for none.
    """
    person = Person("driver", SELDOM)
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
        evidence = person.evidence()
        seconds.append(float(second))
        segments.append(SEGMENTS[segment])
        for name, signals in SETS.items():
            chosen = {k: v for k, v in evidence.items() if k in signals}
            scores[name].append(judge(model, chosen).nervousness)
    vectors = {name: np.array(values) for name, values in scores.items()}
    return Course(
        drive.name,
        np.array(seconds),
        tuple(segments),
        vectors,
        drive.bounds,
        drive.bounds[0] + calibration_s,
    )


@dataclass(frozen=True)
class Result:
    """Everything that is told of a validation."""

    courses: tuple[Course, ...]
    channel: SkinChannel
    calibration_s: float

    def summary(self) -> dict[str, Any]:
        """The figures as plain values."""
        return {
            "dataset": "drivedb",
            "drives": len(self.courses),
            "skin_channel": self.channel,
            "calibration_s": self.calibration_s,
            "seconds": sum(len(c.seconds) for c in self.courses),
            "bounds_s": {c.name: [round(b, 1) for b in c.bounds] for c in self.courses},
            "sets": {
                name: {
                    "rest_vs_driving": self._compare(name, ("city", "highway"), ("rest",)),
                    "rest_after_calibration_vs_driving": self._compare(
                        name, ("city", "highway"), ("rest",), after_calibration=True
                    ),
                    "city_vs_highway": self._compare(name, ("city",), ("highway",)),
                    "mean": {
                        kind: float(self._of(name, self.courses, (kind,)).mean())
                        for kind in ("rest", "city", "highway")
                    },
                }
                for name in SETS
            },
        }

    def _of(
        self,
        signals: str,
        courses: tuple[Course, ...],
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
        def separate(courses: tuple[Course, ...]) -> float:
            above = self._of(signals, courses, more)
            below = self._of(signals, courses, less, late=after_calibration)
            labels = np.repeat([True, False], [len(above), len(below)])
            return auc(labels, np.concatenate([above, below]))

        return {
            "auc_pooled": separate(self.courses),
            "auc_by_drive": {c.name: separate((c,)) for c in self.courses},
        }


def validate(
    folder: Path,
    channel: SkinChannel = CHANNEL,
    calibration_s: float = CALIBRATION_S,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Result:
    """Validate on a folder.

    Args:
        folder: Laid out like the drives of `read`.
        channel: Which skin conductance.
        calibration_s: Length of the timed calibration at the start of each drive; 0 for none.
        progress: Called with the drives done and their number.
    """
    drives = read(folder)
    courses = []
    for drive in drives:
        courses.append(follow(drive, shipped(), channel, calibration_s))
        progress(len(courses), len(drives))
    return Result(tuple(courses), channel, calibration_s)
