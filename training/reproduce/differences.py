"""How far our figures are from the paper's, and what makes that difference."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean
from typing import TYPE_CHECKING, Final

from affectline.common.vision.preprocessing import Preprocessing
from affectline.training.fit.checkpoint import CurvePoint
from affectline.training.reproduce.results_text import LENGTH_LEFT, PIXELS_NOTE, WHY_NOTE

if TYPE_CHECKING:
    from affectline.training.reproduce.report import ResultsPage

PAPER_TEST: Final = (0.461, 0.467)
"""The lowest and the highest test accuracy of the paper's tables."""
PAPER_TRAIN: Final = 0.997
NEAR: Final = 0.015
"""A difference above this is to be explained."""
PIXELS: Final[dict[Preprocessing, str]] = {
    "unit": "0 to 1",
    "vgg16": "minus means",
    "raw": "0 to 255",
}
NONE: Final = "not run"


def off(accuracy: float) -> float:
    """How far a test accuracy lies outside the paper's range, 0 to 1; negative is below."""
    return min(0.0, accuracy - PAPER_TEST[0]) + max(0.0, accuracy - PAPER_TEST[1])


def why(page: "ResultsPage") -> str:
    """The part of the page that looks for what makes the difference."""
    last = page.tables.sizes[-1]
    parts = ["\n## What makes the difference\n", _verdict(page)]
    parts.append(
        WHY_NOTE.format(size=last.batch_size, epochs=last.epochs, seed=page.tables.seeds[0])
    )
    plain = [last.trial(kind, page.tables.seeds[0]) for kind in page.tables.preprocessings]
    rows = {
        "none": [page.mark(trial) for trial in plain],
        "best epoch by the test rows": [_best(page.curves.get(t.name, ())) for t in plain],
        "features made mean 0 and variance 1": [
            page.mark(replace(trial, standardised=True)) for trial in plain
        ],
        "test rows drawn at random from all rows": [
            page.mark(replace(trial, random_split=True)) for trial in plain
        ],
    }
    for change, marks in rows.items():
        cells = []
        for mark in marks:
            if mark is None:
                cells.append(NONE)
                continue
            where = f" at epoch {mark.epoch}" if change.startswith("best") else ""
            cells.append(f"{100 * mark.test_accuracy:.2f}{where}, {_off(mark.test_accuracy)}")
        parts.append(f"| {change} | {' | '.join(cells)} |\n")
    return "".join(parts)


def _off(accuracy: float) -> str:
    return f"{100 * off(accuracy):+.2f}" if off(accuracy) else "in the range"


def _best(marks: Sequence[CurvePoint]) -> CurvePoint | None:
    return max(marks, key=lambda mark: mark.test_accuracy, default=None)


def _verdict(page: "ResultsPage") -> str:
    """How far from the paper the lines end, and how much of it the preparation of pixels makes."""
    tables = page.tables
    every = (*tables.sizes, *tables.lengths, *tables.rates)
    lines = dict.fromkeys(replace(line, label="") for line in every)  # some stand in each table
    apart = {
        kind: {
            line: off(mark.test_accuracy)
            for line in lines
            if (mark := page.mark(line.trial(kind, tables.seeds[0])))
        }
        for kind in tables.preprocessings
    }
    best, *others = tables.preprocessings
    parts = ["\n"]
    for kind, found in apart.items():
        if found:
            ends = sorted((100 * away for away in found.values()), key=abs)
            parts.append(
                f"* Pixels {PIXELS[kind]}: {ends[0]:+.2f} (nearest line) to {ends[-1]:+.2f} points "
                f"(farthest) from the paper's range.\n"
            )
    for kind in others:
        both = [line for line in apart[kind] if line in apart[best]]
        far = [line for line in both if abs(apart[kind][line]) > NEAR]
        nearer = [abs(apart[kind][line]) - abs(apart[best][line]) for line in both]
        if far and mean(nearer) > 0:
            parts.append(
                PIXELS_NOTE.format(
                    kind=PIXELS[kind],
                    best=PIXELS[best],
                    near=100 * NEAR,
                    far=len(far),
                    both=len(both),
                    mended=sum(abs(apart[best][line]) <= NEAR for line in far),
                    nearer=100 * mean(nearer),
                )
            )
    long = tables.lengths[0].epochs
    left = [x for x, away in apart[best].items() if abs(away) > NEAR and x.epochs > long]
    if left:
        epochs = ", ".join(f"{line.epochs:,}" for line in left)
        parts.append(LENGTH_LEFT.format(best=PIXELS[best], epochs=epochs))
    return "".join(parts)
