"""Validates the stress estimate on real drives: PhysioNet's drivedb (Healey and Picard 2005).

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
from affectline.services.fusion.stress_model import StressModel, estimate_stress, load_default_model
from affectline.services.fusion.subject import SubjectState
from affectline.services.validation.drivedb_reader import Drive, SkinChannel, read_drives
from affectline.services.validation.drivedb_segments import SEGMENTS
from affectline.services.validation.fitting import SIGNAL_SETS
from affectline.services.validation.metrics import Vector, auc, nan_mean, nan_to_none
from affectline.services.validation.sample_messages import iter_messages

SECOND: Final = 1_000_000_000
NO_STATES: Final = FusionSettings(rate=0.001, face_weight=0)
CHANNEL: Final[SkinChannel] = "foot"
"""Preferred because the hand holds the wheel, so its electrodes lose contact. Chosen after seeing
the figures of both, see docs/validation.md. `--skin hand` uses the other."""
CALIBRATION_S: Final = 300.0
"""Each drive begins with fifteen minutes of rest; the first five are a timed calibration."""


@dataclass(frozen=True)
class DriveScores:
    """Nervousness in each second of one drive's segments."""

    name: str
    seconds: Vector
    segments: tuple[str, ...]
    """``rest``, ``city`` or ``highway`` of each second."""
    nervousness: dict[str, Vector]
    """0 to 100, by set of signals."""
    bounds: tuple[float, ...]
    calibrated_s: float
    """Time when the calibration ended."""


def iter_seconds(drive: Drive, channel: SkinChannel) -> Iterator[tuple[int, list[Samples]]]:
    """Yield each second of a drive with the messages that a live driver would have sent then."""
    signals = [("heart_rate", "/min", drive.heart_rate), *_skin_signal(drive, channel)]
    found = [
        (at_s, samples)
        for signal, unit, values in signals
        for at_s, samples in iter_messages(
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


def _skin_signal(drive: Drive, channel: SkinChannel) -> Iterator[tuple[str, str, Vector]]:
    """Yield the chosen skin conductance, or the other one if that was not measured."""
    candidates = [drive.skin[channel], *drive.skin.values()]
    for values in candidates:
        if np.isfinite(values).any():
            yield "skin_conductance", "uS", values
            return


def _find_missing(drive: Drive, channel: SkinChannel) -> Iterator[str]:
    """Yield a note on each signal that the drive lacks."""
    if not np.isfinite(drive.heart_rate).any():
        yield f"{drive.name}: no heart rate"
    if not np.isfinite(drive.skin[channel]).any():
        yield f"{drive.name}: no skin conductance of the {channel}"


def score_drive(
    drive: Drive,
    model: StressModel,
    channel: SkinChannel = CHANNEL,
    calibration_s: float = CALIBRATION_S,
) -> DriveScores:
    """Run a drive through the live estimator; return the nervousness within the segments.

    Args:
        drive: The recording.
        model: The coefficients.
        channel: The skin conductance to use.
        calibration_s: Length of the timed calibration at the start of rest; 0 for none.
    """
    person = SubjectState("driver", NO_STATES)
    calibrated = not calibration_s
    seconds, segments = [], []
    scores: dict[str, list[float]] = {name: [] for name in SIGNAL_SETS}
    for second, batch in iter_seconds(drive, channel):
        for samples in batch:
            person.add_samples(samples)
        if not calibrated and second >= drive.bounds[0]:
            calibrated = True
            person.calibrate(second * SECOND, calibration_s)
        segment = np.searchsorted(drive.bounds, second, "right") - 1
        if not 0 <= segment < len(SEGMENTS):
            continue
        evidence = person.evidence(second * SECOND)
        seconds.append(float(second))
        segments.append(SEGMENTS[segment])
        for name, signals in SIGNAL_SETS.items():
            chosen = {k: v for k, v in evidence.items() if k in signals}
            scores[name].append(estimate_stress(model, chosen).nervousness)
    vectors = {name: np.array(values) for name, values in scores.items()}
    return DriveScores(
        drive.name,
        np.array(seconds),
        tuple(segments),
        vectors,
        drive.bounds,
        drive.bounds[0] + calibration_s,
    )


@dataclass(frozen=True)
class DrivedbResult:
    """The outcome of a validation."""

    drives: tuple[DriveScores, ...]
    channel: SkinChannel
    calibration_s: float
    notes: tuple[str, ...] = ()
    """Notes on data that could not be used."""

    def summary(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return {
            "dataset": "drivedb",
            "drives": len(self.drives),
            "skin_channel": self.channel,
            "calibration_s": self.calibration_s,
            "seconds": sum(len(drive.seconds) for drive in self.drives),
            "notes": list(self.notes),
            "bounds_s": {drive.name: [round(b, 1) for b in drive.bounds] for drive in self.drives},
            "sets": {
                name: {
                    "rest_vs_driving": self._compare(name, ("city", "highway"), ("rest",)),
                    "rest_after_calibration_vs_driving": self._compare(
                        name, ("city", "highway"), ("rest",), after_calibration=True
                    ),
                    "city_vs_highway": self._compare(name, ("city",), ("highway",)),
                    "mean": {
                        kind: nan_to_none(
                            nan_mean(self._select(name, self.drives, (kind,)).tolist())
                        )
                        for kind in ("rest", "city", "highway")
                    },
                }
                for name in SIGNAL_SETS
            },
        }

    def _select(
        self,
        signals: str,
        drives: tuple[DriveScores, ...],
        segments: tuple[str, ...],
        *,
        after_calibration: bool = False,
    ) -> Vector:
        """Return the nervousness in all seconds of these segments."""
        found = []
        for drive in drives:
            chosen = np.isin(np.array(drive.segments), segments)
            if after_calibration:
                chosen &= drive.seconds > drive.calibrated_s
            found.append(drive.nervousness[signals][chosen])
        return np.concatenate(found)

    def _compare(
        self,
        signals: str,
        stressed: tuple[str, ...],
        calm: tuple[str, ...],
        *,
        after_calibration: bool = False,
    ) -> dict[str, Any]:
        def separate(drives: tuple[DriveScores, ...]) -> float | None:
            above = self._select(signals, drives, stressed)
            below = self._select(signals, drives, calm, after_calibration=after_calibration)
            labels = np.repeat([True, False], [len(above), len(below)])
            return nan_to_none(auc(labels, np.concatenate([above, below])))

        return {
            "auc_pooled": separate(self.drives),
            "auc_by_drive": {drive.name: separate((drive,)) for drive in self.drives},
        }


def validate(
    folder: Path,
    channel: SkinChannel = CHANNEL,
    calibration_s: float = CALIBRATION_S,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> DrivedbResult:
    """Validate on a folder.

    Args:
        folder: Folder as for `read_drives`.
        channel: The skin conductance to use.
        calibration_s: Length of the timed calibration at the start of each drive; 0 for none.
        progress: Called with the number of drives done and the total.
    """
    notes: list[str] = []
    drives = read_drives(folder, notes.append)
    scores = []
    for drive in drives:
        notes += _find_missing(drive, channel)
        scores.append(score_drive(drive, load_default_model(), channel, calibration_s))
        progress(len(scores), len(drives))
    return DrivedbResult(tuple(scores), channel, calibration_s, tuple(notes))
