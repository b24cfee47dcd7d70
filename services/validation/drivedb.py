"""Validates the stress estimate on real drives: PhysioNet's drivedb (Healey and Picard 2005)."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from affectline.common.errors import AffectlineError
from affectline.common.settings.fusion import FusionSettings
from affectline.common.wire.biometrics import Samples
from affectline.services.biometrics.file_playback import RecordedSignal, regular_times
from affectline.services.fusion.feature_settings import FeatureSettings
from affectline.services.fusion.stress_model import StressModel, load_default_model
from affectline.services.fusion.subject import SubjectState
from affectline.services.validation.drivedb_reader import Drive, SkinChoice, read_drives
from affectline.services.validation.drivedb_segments import SEGMENTS
from affectline.services.validation.fitting import (
    SIGNAL_SETS,
    Contrast,
    LabelledEvidence,
    score_seconds,
)
from affectline.services.validation.held_out import model_without
from affectline.services.validation.metrics import (
    Labels,
    Vector,
    auc,
    nan_mean,
    nan_to_none,
    reliability_curve,
)
from affectline.services.validation.nested import SETTINGS
from affectline.services.validation.sample_messages import iter_messages

SECOND: Final = 1_000_000_000
NO_STATES: Final = FusionSettings(rate=0.001, face_weight=0)
SKIN: Final[SkinChoice] = "both"
"""Whatever was measured is used: the foot's electrodes may come loose, the hand holds the wheel."""
CALIBRATION_S: Final = 300.0
"""Each drive begins with fifteen minutes of rest; the first five are a timed calibration."""
CALIBRATIONS_S: Final = (0.0, 60.0, 120.0, 300.0, 600.0)
"""Lengths of rest of the calibration curve; 0: a continuous baseline."""
CURVE_EVERY: Final = 5
"""Every how many seconds it counts one."""
HIGHWAY_STRESS: Final = 0.7
"""How much stress the highway counts for in the fit, between rest (0) and the city (1). Healey and
Picard's raters found stress on the highway between rest and city, nearer to the city."""
HELD_OUT: Final = "models chosen and fitted without the drive that is scored"
SHIPPED: Final = "the shipped model"


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


@dataclass(frozen=True)
class DriveEvidence:
    """What the estimator saw in each second of one drive's segments."""

    evidence: LabelledEvidence
    seconds: Vector
    segments: tuple[str, ...]
    bounds: tuple[float, ...]


def iter_seconds(drive: Drive, skin: SkinChoice = SKIN) -> Iterator[tuple[int, list[Samples]]]:
    """Yield each second of a drive with the messages that a live driver would have sent then."""
    signals = [("heart_rate", "/min", drive.heart_rate), *_skin_signals(drive, skin)]
    if drive.respiration is not None:
        signals.append(("respiration", "mV", drive.respiration))
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


def _skin_signals(drive: Drive, skin: SkinChoice) -> Iterator[tuple[str, str, Vector]]:
    """Yield the chosen skin conductance, or the other one if that was not measured."""
    measured = [site for site, values in drive.skin.items() if np.isfinite(values).any()]
    if skin == "both" and len(measured) > 1:
        for site in measured:
            yield f"skin_conductance_{site}", "uS", drive.skin[site]
    elif measured:
        site = next((one for one in measured if one == skin), measured[0])
        yield f"skin_conductance_{site}", "uS", drive.skin[site]


def _find_missing(drive: Drive, skin: SkinChoice) -> Iterator[str]:
    """Yield a note on each signal that the drive lacks."""
    if not np.isfinite(drive.heart_rate).any():
        yield f"{drive.name}: no heart rate"
    for site, values in drive.skin.items():
        if skin in ("both", site) and not np.isfinite(values).any():
            yield f"{drive.name}: no skin conductance of the {site}"


def list_signals(drive: Drive) -> dict[str, Vector]:
    """Return a drive's values by signal, to recognise the drive by."""
    return {"heart_rate": drive.heart_rate} | {str(site): of for site, of in drive.skin.items()}


def collect_evidence(
    drive: Drive,
    settings: FeatureSettings | None = None,
    skin: SkinChoice = SKIN,
    calibration_s: float = CALIBRATION_S,
    every: int = 1,
) -> DriveEvidence:
    """Run a drive through the live estimator; return its evidence within the segments.

    Args:
        drive: The recording, with bounds.
        settings: Constants of the measures; None: those of the shipped model.
        skin: The skin conductance to use.
        calibration_s: Length of the timed calibration at the start of rest; 0 for none.
        every: Every how many seconds the evidence is read.
    """
    chosen = load_default_model().settings if settings is None else settings
    person = SubjectState("driver", NO_STATES, StressModel(0.0, {}, chosen))
    calibrated = not calibration_s
    seconds, segments, evidence = [], [], []
    for second, batch in iter_seconds(drive, skin):
        for samples in batch:
            person.add_samples(samples)
        if not calibrated and second >= drive.bounds[0]:
            calibrated = True
            person.calibrate(second * SECOND, calibration_s)
        segment = np.searchsorted(drive.bounds, second, "right") - 1
        if not 0 <= segment < len(SEGMENTS) or second % every:
            continue
        seconds.append(float(second))
        segments.append(SEGMENTS[segment])
        evidence.append(person.evidence(second * SECOND))
    kinds = np.array(segments)
    driving = kinds != "rest"
    city = kinds == "city"
    labelled = LabelledEvidence(
        drive.name, tuple(evidence), driving,
        np.select([city, driving], [1.0, HIGHWAY_STRESS], 0.0),
        (
            Contrast("driving", driving, np.ones(len(kinds), bool)),
            Contrast("city", city, driving),
        ),
    )  # fmt: skip
    return DriveEvidence(labelled, np.array(seconds), tuple(segments), drive.bounds)


def evidence_by_settings(drive: Drive, every: int = 1) -> dict[FeatureSettings, LabelledEvidence]:
    """Return a drive's evidence with all constants that there are to choose from."""
    return {
        settings: collect_evidence(drive, settings, every=every).evidence for settings in SETTINGS
    }


def _score(found: DriveEvidence, model: StressModel, calibration_s: float) -> DriveScores:
    return DriveScores(
        found.evidence.name, found.seconds, found.segments,
        {name: score_seconds(found.evidence, model, of) for name, of in SIGNAL_SETS.items()},
        found.bounds, found.bounds[0] + calibration_s,
    )  # fmt: skip


@dataclass(frozen=True)
class DrivedbResult:
    """The outcome of a validation."""

    drives: tuple[DriveScores, ...]
    """Nervousness from models that never saw the drive."""
    skin: SkinChoice
    calibration_s: float
    held_out: tuple[str, ...] = ()
    """Drives that the shipped model was fitted to; others are scored by the shipped model."""
    shipped: tuple[DriveScores, ...] = ()
    """The same drives, all scored by the shipped model."""
    unlabelled: tuple[str, ...] = ()
    """Drives whose segments are not known: they are in no figure."""
    inferred: tuple[str, ...] = ()
    """Drives some of whose bounds follow from the protocol's durations."""
    calibration: tuple[dict[str, Any], ...] = ()
    """Figures by length of the timed calibration; if asked for."""
    notes: tuple[str, ...] = ()
    """Notes on data that could not be used."""

    def summary(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        known = len(self.held_out)
        figures: dict[str, Any] = {
            "dataset": "drivedb",
            "drives": len(self.drives),
            "skin_channel": self.skin,
            "calibration_s": self.calibration_s,
            "seconds": sum(len(drive.seconds) for drive in self.drives),
            "fitted_to": _describe(known, len(self.drives)),
            "held_out": list(self.held_out),
            "unlabelled": list(self.unlabelled),
            "inferred_bounds": list(self.inferred),
            "notes": list(self.notes),
            "bounds_s": {drive.name: [round(b, 1) for b in drive.bounds] for drive in self.drives},
            "sets": _figures(self.drives),
            "reliability": reliability_curve(
                np.concatenate([_labels(drive) for drive in self.drives]),
                np.concatenate([drive.nervousness["together"] for drive in self.drives]),
            ),
        }
        if known:
            figures["shipped_model"] = _figures(self.shipped)
        if self.calibration:
            figures["calibration_curve"] = list(self.calibration)
        return figures


def _describe(known: int, drives: int) -> str:
    if not known:
        return SHIPPED
    return HELD_OUT if known == drives else f"{HELD_OUT} ({known} of {drives}), or {SHIPPED}"


def _labels(drive: DriveScores) -> Labels:
    labels: Labels = np.array(drive.segments) != "rest"
    return labels


def _figures(drives: tuple[DriveScores, ...]) -> dict[str, Any]:
    return {
        name: {
            "rest_vs_driving": _compare(drives, name, ("city", "highway"), ("rest",)),
            "rest_after_calibration_vs_driving": _compare(
                drives, name, ("city", "highway"), ("rest",), after_calibration=True
            ),
            "city_vs_highway": _compare(drives, name, ("city",), ("highway",)),
            "mean": {
                kind: nan_to_none(nan_mean(_select(name, drives, (kind,)).tolist()))
                for kind in ("rest", "city", "highway")
            },
        }
        for name in SIGNAL_SETS
    }


def _select(
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
    drives: tuple[DriveScores, ...],
    signals: str,
    stressed: tuple[str, ...],
    calm: tuple[str, ...],
    *,
    after_calibration: bool = False,
) -> dict[str, Any]:
    def separate(chosen: tuple[DriveScores, ...]) -> float | None:
        above = _select(signals, chosen, stressed)
        below = _select(signals, chosen, calm, after_calibration=after_calibration)
        labels = np.repeat([True, False], [len(above), len(below)])
        return nan_to_none(auc(labels, np.concatenate([above, below])))

    return {
        "auc_pooled": separate(drives),
        "auc_by_drive": {drive.name: separate((drive,)) for drive in drives},
    }


def validate(
    folder: Path,
    skin: SkinChoice = SKIN,
    calibration_s: float = CALIBRATION_S,
    progress: Callable[[int, int], None] = lambda done, of: None,
    *,
    curve: bool = False,
) -> DrivedbResult:
    """Validate on a folder.

    A drive that the shipped model was fitted to is scored with the model that was chosen and fitted
    without it, all others with the shipped model.

    Args:
        folder: Folder as for `read_drives`.
        skin: The skin conductance to use.
        calibration_s: Length of the timed calibration at the start of each drive; 0 for none.
        progress: Called with the number of drives done and the total.
        curve: Whether to measure how figures grow with the length of the calibration.

    Raises:
        AffectlineError: No drive can be used.
    """
    notes: list[str] = []
    everything = read_drives(folder, notes.append)
    drives = [drive for drive in everything if drive.bounds]
    if not drives:
        raise AffectlineError(
            f"FOLDER {folder}: {notes[0]}", "at least one drive with its marker spikes is needed"
        )
    scores, shipped, held_out = [], [], []
    rows: list[tuple[float, DriveScores]] = []
    default = load_default_model()
    for drive in drives:
        notes += _find_missing(drive, skin)
        model, is_special, note = model_without(drive.name, list_signals(drive))
        notes += [note] if note else []
        held_out += [drive.name] if is_special else []
        found = collect_evidence(drive, model.settings, skin, calibration_s)
        scores.append(_score(found, model, calibration_s))
        if model.settings != default.settings:
            found = collect_evidence(drive, default.settings, skin, calibration_s)
        shipped.append(_score(found, default, calibration_s))
        rows += _measure_calibration(drive, model, skin) if curve else ()
        progress(len(scores), len(drives))
    return DrivedbResult(
        tuple(scores), skin, calibration_s, tuple(held_out), tuple(shipped),
        tuple(drive.name for drive in everything if not drive.bounds),
        tuple(drive.name for drive in drives if not all(drive.marked)),
        tuple(_compare_calibrations(rows)), tuple(notes),
    )  # fmt: skip


def _measure_calibration(
    drive: Drive, model: StressModel, skin: SkinChoice
) -> Iterator[tuple[float, DriveScores]]:
    """Yield the scores after the longest calibration, by length of the calibration."""
    for seconds in CALIBRATIONS_S:
        found = collect_evidence(drive, model.settings, skin, seconds, CURVE_EVERY)
        yield seconds, _after(_score(found, model, seconds))


def _compare_calibrations(rows: list[tuple[float, DriveScores]]) -> Iterator[dict[str, Any]]:
    for seconds in CALIBRATIONS_S if rows else ():
        scores = tuple(drive for length, drive in rows if length == seconds)
        driving = _compare(scores, "together", ("city", "highway"), ("rest",))
        city = _compare(scores, "together", ("city",), ("highway",))
        each = driving["auc_by_drive"].values()
        yield {
            "seconds": seconds,
            "auc_pooled": driving["auc_pooled"],
            "auc_mean": nan_to_none(nan_mean(value for value in each if value is not None)),
            "city_vs_highway": city["auc_pooled"],
        }


def _after(drive: DriveScores) -> DriveScores:
    """Return the part of a drive after the longest calibration."""
    late = drive.seconds > drive.bounds[0] + max(CALIBRATIONS_S)
    segments = tuple(one for one, is_late in zip(drive.segments, late, strict=True) if is_late)
    return DriveScores(
        drive.name, drive.seconds[late], segments,
        {name: values[late] for name, values in drive.nervousness.items()},
        drive.bounds, drive.calibrated_s,
    )  # fmt: skip
