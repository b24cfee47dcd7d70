"""Writes the parts of ``docs/signs.md`` about head pose; ``make docs`` calls it.

They are the errors against projections of the canonical face at known angles, and a figure of the
angles, drawn from the canonical face.
"""

import itertools
import sys
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.model.canonical_face import load_canonical_face
from affectline.services.cli.reference import write_parts
from affectline.services.detector.head_pose import HeadPose, HeadPoseEstimator
from tests.architecture import table
from tests.posed_faces import project

PAGE: Final = "signs.md"
PICTURE: Final = "head-pose.svg"

YAWS: Final = range(-60, 61, 15)
PITCHES: Final = range(-40, 41, 20)
ROLLS: Final = (-40, 0, 40)
DISTANCES_CM: Final = (30, 45, 60, 100, 200, 400)
NOISES: Final = (0.0, 0.005, 0.01, 0.02)
"""Standard deviation of each landmark's error across and down, in widths of the face."""
BEARINGS: Final = ((0.0, 0.0), (15.0, 0.0), (30.0, 0.0), (30.0, 20.0))


def errors(
    noise: float = 0.0,
    distance_cm: float = 60.0,
    bearing: tuple[float, float] = (0.0, 0.0),
    yaws: Iterable[int] = YAWS,
) -> NDArray[np.float64]:
    """Errors in degrees of yaw, pitch and roll, ``(N, 3)``, over all poses."""
    random, estimator = np.random.default_rng(0), HeadPoseEstimator()
    found = []
    for yaw, pitch, roll in itertools.product(yaws, PITCHES, ROLLS):
        pose = HeadPose(yaw, pitch, roll)
        points = project(pose, distance_cm=distance_cm, bearing=bearing)
        points[:, :2] += random.normal(0, 100 * noise, (len(points), 2))
        told = estimator.estimate(points)
        assert told is not None
        found.append(np.subtract(told, pose))
    return np.array(found)


def _row(name: str, values: NDArray[np.float64]) -> Sequence[str]:
    mean_square = np.sqrt((values**2).mean(axis=0))
    largest = np.abs(values).max(axis=0)
    return (name, *(f"{m:.1f} ({w:.1f})" for m, w in zip(mean_square, largest, strict=True)))


def list_errors() -> str:
    """A table of the errors: r.m.s., and in brackets the largest."""
    rows = [_row(f"60 cm, landmarks off by {n:.1%} of the face", errors(n)) for n in NOISES]
    rows += [_row(f"{cm / 100:g} m", errors(distance_cm=cm)) for cm in DISTANCES_CM if cm != 60]
    rows += [
        _row(f"60 cm, {x:.0f}° to the side and {y:.0f}° down in the view", errors(bearing=(x, y)))
        for x, y in BEARINGS[1:]
    ]
    rows += [
        _row(f"60 cm, off by 1.0%, yaw {name}", errors(0.01, yaws=yaws))
        for name, yaws in (("0", (0,)), ("±30", (-30, 30)), ("±60", (-60, 60)))
    ]
    return table(("in degrees", "yaw", "pitch", "roll"), rows)


PARTS: Final = {"errors of the head's pose": list_errors}

_LINES: Final = (
    (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
     148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109, 10),
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7, 33),
    (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249, 263),
    (70, 63, 105, 66, 107), (300, 293, 334, 296, 336),
    (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146, 61),
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95, 78),
    (168, 6, 197, 195, 5, 4, 1), (98, 97, 2, 326, 327),
)  # fmt: skip
"""Outlines of face, eyes, brows, lips and nose, by landmark."""
_SIDE: Final = 190
_PANELS: Final = (
    (HeadPose(0, 0, 0), "zero: faces the camera, upright"),
    (HeadPose(30, 0, 0), "yaw 30: to the person's left"),
    (HeadPose(0, 25, 0), "pitch 25: up"),
    (HeadPose(0, 0, 25), "roll 25: counter-clockwise"),
)


def draw_convention() -> str:
    """Draw the canonical face at zero and turned by each angle, as SVG."""
    width, height = _SIDE * len(_PANELS), _SIDE + 30
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for number, (pose, name) in enumerate(_PANELS):
        lines += _draw_face(pose, (number + 0.5) * _SIDE, _SIDE / 2)
        lines.append(
            f'<text x="{(number + 0.5) * _SIDE:.0f}" y="{_SIDE + 14}" text-anchor="middle">'
            f"{escape(name)}</text>"
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _draw_face(pose: HeadPose, x: float, y: float) -> list[str]:
    points = project(pose, width=105.0)[:, :2] + (x, y)
    dots = "".join(f"M{px:.1f} {py:.1f}h0" for px, py in points)
    found = [f'<path d="{dots}" stroke="#bbb" stroke-width="1.6" stroke-linecap="round"/>']
    for line in _LINES:
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points[list(line)])
        found.append(f'<polyline points="{path}" fill="none" stroke="#333"/>')
    tip = load_canonical_face().vertices.copy()
    tip[4] += (0.0, 0.0, 6.0)
    nose, ahead = points[4], project(pose, width=105.0, vertices=tip)[4, :2] + (x, y)
    found.append(
        f'<path d="M{nose[0]:.1f} {nose[1]:.1f}L{ahead[0]:.1f} {ahead[1]:.1f}" '
        'stroke="#c33" stroke-width="2.5"/>'
        f'<circle cx="{ahead[0]:.1f}" cy="{ahead[1]:.1f}" r="3.5" fill="#c33"/>'
    )
    return found


def main() -> None:
    """Write the table and the figure to the folder given on the command line."""
    folder = Path(sys.argv[1])
    page = folder / PAGE
    page.write_text(write_parts(PAGE, page.read_text(encoding="utf-8"), PARTS), encoding="utf-8")
    (folder / PICTURE).write_text(draw_convention(), encoding="utf-8")


if __name__ == "__main__":
    main()
