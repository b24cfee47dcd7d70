"""Accuracy and confidence of a model against the amount of each kind of damage."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from affectline.common.errors import AffectlineError
from affectline.common.model.network import load_network
from affectline.common.vision.crops import measure_quality
from affectline.training.data.faces import LabelledFaces
from affectline.training.evaluate import metrics
from affectline.training.robustness import damage
from affectline.training.robustness.turning import (
    Axis,
    MeshedFaces,
    MeshFinder,
    TurnableFaces,
)

SEED: Final = 20130
"""Of the faces that are drawn, and of noise and hands: the same in every run."""
STRAIGHT: Final = 10.0
"""Largest yaw in degrees, and distance of the pitch from the median, of heads that are turned: so
the angle asked for is nearly the angle that they have afterwards."""
COVERED: Final = 1.5
"""Logit of the network for covered faces from which the detector reports `covered`."""

Faces = NDArray[np.uint8]
Classify = Callable[[Faces], NDArray[np.float64]]
"""From faces ``(N, 48, 48)`` to probabilities ``(N, 7)``."""


class Damage(Protocol):
    """One kind of damage."""

    def __call__(
        self, faces: Faces, level: float, random: np.random.Generator, /
    ) -> NDArray[np.uint8]:
        """Damage faces ``(N, 48, 48)`` by some amount."""


@dataclass(frozen=True)
class Kind:
    """A kind of damage and the amounts that are measured."""

    name: str
    title: str
    axis: str
    """What the amount is, with its unit."""
    levels: tuple[float, ...]
    """The first is no damage."""
    apply: Damage
    measure: str = ""
    """What the program measures of such a face, and compares with a limit; empty: nothing."""


NOT_COMPRESSED: Final = 101
"""Stands for a picture that was never compressed, among qualities of JPEG from 1 to 100."""


def describe_level(curve: str, level: float) -> str:
    """A level on the axis of a curve, as people read it."""
    is_untouched = curve == "jpeg" and level == NOT_COMPRESSED
    return "none" if is_untouched else f"{level:g}"


def _shrink(faces: Faces, level: float, _: np.random.Generator) -> Faces:
    return damage.shrink(faces, round(level))


def _compress(faces: Faces, level: float, _: np.random.Generator) -> Faces:
    return faces if level == NOT_COMPRESSED else damage.compress(faces, round(level))


PICTURES: Final = (
    Kind(
        "blur",
        "Blur",
        "standard deviation of the blur, in pixels of the 48x48 crop",
        (0, 0.4, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0, 3.0),
        lambda faces, level, _: damage.blur(faces, level),
        "blur",
    ),
    Kind(
        "size",
        "Size",
        "side of the face in pixels, enlarged to 48 again",
        (48, 40, 32, 28, 24, 22, 20, 18, 16, 14, 12),
        _shrink,
        "size",
    ),
    Kind(
        "brightness",
        "Light",
        "share of the light that is left, with noise of 2 of 255 gray levels",
        (1, 0.7, 0.5, 0.35, 0.25, 0.18, 0.13, 0.09, 0.06),
        damage.darken,
        "brightness",
    ),
    Kind(
        "roll",
        "Roll",
        "degrees by which the crop is not upright, to either side",
        (0, 5, 10, 15, 20, 30, 45),
        lambda faces, level, _: damage.roll(faces, level),
    ),
    Kind(
        "cover",
        "Cover",
        "share of the picture that a drawn hand hides",
        (0, 0.1, 0.2, 0.3, 0.4, 0.5),
        damage.cover,
        "covered",
    ),
    Kind(
        "jpeg",
        "JPEG",
        "quality of the JPEG compression of the 48x48 crop",
        (NOT_COMPRESSED, 75, 50, 30, 20, 15, 10, 5),
        _compress,
    ),
)
"""Damage to the picture."""
YAWS: Final = (0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
PITCHES: Final = (0.0, 10.0, 20.0, 30.0, 40.0)


@dataclass(frozen=True)
class Outcome:
    """What a model makes of faces after damage of one amount."""

    level: float
    right: NDArray[np.bool_]
    """``(N,)``."""
    confidence: NDArray[np.float64]
    """``(N,)``."""
    error: float
    """Expected calibration error."""
    measured: NDArray[np.float64]
    """``(N,)``: what the program measures of each face; NaN where it cannot; empty if nothing."""


@dataclass(frozen=True)
class DamageCurve:
    """Outcomes by amount of one kind of damage."""

    name: str
    title: str
    axis: str
    outcomes: tuple[Outcome, ...]

    def table(self) -> list[dict[str, Any]]:
        """Each amount as figures for JSON."""
        return [_describe(outcome) for outcome in self.outcomes]


def _describe(outcome: Outcome) -> dict[str, Any]:
    hits, rows = int(outcome.right.sum()), len(outcome.right)
    low, high = metrics.wilson(hits, rows)
    found = {
        "level": outcome.level,
        "rows": rows,
        "accuracy": round(hits / rows, 4),
        "interval": [round(low, 4), round(high, 4)],
        "mean_confidence": round(float(outcome.confidence.mean()), 4),
        "calibration_error": round(outcome.error, 4),
    }
    if len(outcome.measured):
        known = outcome.measured[~np.isnan(outcome.measured)]
        found["measured_median"] = round(float(np.median(known)), 4) if len(known) else None
    return found


def draw_faces(faces: LabelledFaces, count: int) -> LabelledFaces:
    """Some of the faces, drawn at random but always the same; all if there are not more."""
    order = np.random.default_rng(SEED).permutation(len(faces))[:count]
    order.sort()
    return _select(faces, order)


def _select(faces: LabelledFaces, rows: NDArray[np.intp]) -> LabelledFaces:
    sources = tuple(faces.sources[row] for row in rows)
    return LabelledFaces(
        faces.pixels[rows], faces.emotions[rows], faces.usages[rows], faces.votes[rows], sources
    )


def measure_pictures(
    faces: LabelledFaces, classify: Classify, progress: Progress
) -> list[DamageCurve]:
    """The curves of every kind of damage to the picture."""
    total = sum(len(kind.levels) for kind in PICTURES)
    task = progress.add_task("Damaged pictures", total=total)
    covered = load_network("covered-face")

    def score_cover(face: NDArray[np.uint8]) -> float:
        return float(covered.run(face)[0].item())

    readers: dict[str, Callable[[NDArray[np.uint8]], float]] = {
        "blur": lambda face: measure_quality(face).blur,
        "brightness": lambda face: measure_quality(face).brightness,
        "covered": score_cover,
    }
    curves = []
    for kind in PICTURES:
        outcomes = []
        for level in kind.levels:
            random = np.random.default_rng(SEED)
            damaged = kind.apply(faces.pixels, level, random)
            if kind.measure == "size":
                measured = np.full(len(faces), level)
            elif kind.measure:
                measured = np.array([readers[kind.measure](face) for face in damaged])
            else:
                measured = np.empty(0)
            outcomes.append(measure_outcome(level, classify(damaged), faces.emotions, measured))
            progress.advance(task)
        curves.append(DamageCurve(kind.name, kind.title, kind.axis, tuple(outcomes)))
    return curves


def measure_outcome(
    level: float,
    probabilities: NDArray[np.float64],
    emotions: NDArray[np.int64],
    measured: NDArray[np.float64],
) -> Outcome:
    """What probabilities ``(N, 7)`` say about faces with known emotions ``(N,)``."""
    return Outcome(
        level,
        np.asarray(probabilities.argmax(axis=1) == emotions),
        np.asarray(probabilities.max(axis=1), dtype=np.float64),
        metrics.calibration_error(probabilities, emotions),
        measured,
    )


@dataclass(frozen=True)
class OwnPoses:
    """How heads are turned in the data, by themselves."""

    yaw: NDArray[np.float64]
    """``(N,)`` degrees to either side; only faces with a mesh."""
    pitch: NDArray[np.float64]
    """``(N,)`` degrees, positive upwards."""
    right: NDArray[np.bool_]
    """``(N,)``: whether the model is right."""
    without_mesh: int
    """Number of the other faces."""

    def table(self) -> list[dict[str, Any]]:
        """Accuracy by yaw."""
        return _by_angle(self.yaw, self.right, OWN_YAWS)

    def pitch_table(self) -> list[dict[str, Any]]:
        """Accuracy by pitch."""
        return _by_angle(self.pitch, self.right, OWN_PITCHES)


OWN_YAWS: Final = (0, 10, 20, 30, 40, 90)
"""Bins of the yaw that heads have by themselves, in degrees to either side."""
OWN_PITCHES: Final = (-90, -30, -20, -10, 0, 10, 20, 90)


def _by_angle(
    angles: NDArray[np.float64], right: NDArray[np.bool_], edges: tuple[int, ...]
) -> list[dict[str, Any]]:
    table = []
    for low, high in itertools.pairwise(edges):
        chosen = (angles >= low) & (angles < high)
        hits, rows = int(right[chosen].sum()), int(chosen.sum())
        ends = [round(end, 4) for end in metrics.wilson(hits, rows)]
        share = round(hits / rows, 4) if rows else None
        table.append({"from": low, "to": high, "rows": rows, "accuracy": share, "interval": ends})
    return table


@dataclass(frozen=True)
class TurnedCurves:
    """The curves of turned heads."""

    curves: tuple[DamageCurve, ...]
    """Yaw, lowered and lifted pitch."""
    own: OwnPoses


TURNS: Final[tuple[tuple[str, str, Axis, tuple[int, int], tuple[float, ...], str], ...]] = (
    ("yaw", "Yaw", "yaw", (1, -1), YAWS, "degrees to either side"),
    ("lowered", "Lowered head", "pitch", (-1, -1), PITCHES, "degrees downwards"),
    ("lifted", "Lifted head", "pitch", (1, 1), PITCHES, "degrees upwards"),
)
"""Name, title, axis, signs for every second face, angles and their unit."""


def measure_turns(
    everything: LabelledFaces, count: int, classify: Classify, progress: Progress
) -> TurnedCurves:
    """The curves of heads that are turned by their mesh, and what turned heads of the data show.

    Args:
        everything: The faces of a split; those that face the camera are turned.
        count: How many of those at most.
        classify: The model.
        progress: Where a bar is shown.

    Raises:
        AffectlineError: No face of the split has a mesh and faces the camera.
    """
    finder = MeshFinder()
    task = progress.add_task("Turned heads", total=2 + sum(len(turned[4]) for turned in TURNS))
    meshes = finder.find(everything.pixels)
    progress.advance(task)
    right = classify(everything.pixels).argmax(axis=1) == everything.emotions
    progress.advance(task)
    found, angles = meshes.found, meshes.angles[meshes.found]
    own = OwnPoses(np.abs(angles[:, 0]), angles[:, 1], right[found], int((~found).sum()))
    usual = float(np.median(own.pitch)) if len(own.pitch) else 0.0
    apart = np.abs(meshes.angles - (0, usual))
    rows = np.flatnonzero(found & (apart <= STRAIGHT).all(axis=1))
    rows = np.sort(np.random.default_rng(SEED).permutation(rows)[:count])
    if not len(rows):
        raise AffectlineError(
            f"none of the {len(everything):,} faces has a mesh and faces the camera, so none can "
            "be turned",
            "use faces framed like FER2013's, of which nine in ten have a mesh",
        )
    faces = _select(everything, rows)
    heads = TurnableFaces(faces.pixels, MeshedFaces(meshes.points[rows], meshes.angles[rows]))
    curves = []
    for name, title, axis, signs, levels, unit in TURNS:
        outcomes = []
        for level in levels:
            asked = np.where(np.arange(len(faces)) % 2, signs[1], signs[0]) * level
            turned = heads.turn(asked, axis)
            read = finder.find(turned).angles[:, 0 if axis == "yaw" else 1]
            told = np.abs(read) if axis == "yaw" else read
            outcomes.append(measure_outcome(level, classify(turned), faces.emotions, told))
            progress.advance(task)
        curves.append(
            DamageCurve(name, title, f"{unit} by which the mesh was turned", tuple(outcomes))
        )
    return TurnedCurves(tuple(curves), own)
