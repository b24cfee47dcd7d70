"""``docs/results.md``: the paper's figures and ours side by side."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Final

from affectline.common.errors import AffectlineError
from affectline.common.vision.preprocessing import Preprocessing
from affectline.training.reproduce.checkpoint import CurvePoint
from affectline.training.reproduce.curves import Curve, draw, tabulate
from affectline.training.reproduce.grid import Grid, GridRow, RunConfig

PAGE: Final = "results.md"
PICTURES: Final = "results"
CURVES: Final = "curves.csv"
WINDOW: Final = 100
"""Epochs at the end of a training that are summarized together."""
PAPER_TEST: Final = (0.461, 0.467)
"""The lowest and the highest test accuracy of the paper's tables."""
PAPER_TRAIN: Final = 0.997
NEAR: Final = 0.015
"""A difference above this needs an explanation."""
PIXELS: Final[dict[Preprocessing, str]] = {
    "unit": "0 to 1",
    "vgg16": "minus means",
    "raw": "0 to 255",
}
NONE: Final = "not run"

KEPT_FROM: Final = "<!-- From here on, affectline-train reproduce keeps what is there. -->"
"""A line of the page; what follows it is written by others."""

HEAD: Final = """\
# The paper's tables, run again

<!-- Written by affectline-train reproduce: changes made here by hand will be lost, up to the line
that says so. -->

The student paper from which this project grew trains a head of three dense layers (256, 128, 64)
and a softmax on the features of a frozen VGG16. It compares batch sizes, numbers of epochs and
learning rates. These are the same trainings, run here:

    affectline-train reproduce --data fer2013.csv

FER2013's {train:,} training rows, {test:,} test rows (public and private), Adamax (0.9, 0.999),
categorical cross-entropy, Keras' initial weights. Nothing was chosen by the test rows: every
figure is that of the last epoch.

**What is known of the paper's figures.** This project has them only as a range: {low:.1f} to
{high:.1f} % of the test rows, and {learnt:.1f} % of the training rows after 500 epochs. Which line
has which figure is not known here, so each line is compared with the range. The number of epochs at
which the paper compared learning rates is not known either; 500 is assumed. Chance in the choice of
{test:,} test rows alone makes a figure uncertain by 1.2 points (95 %).

**What the paper does not say** is how it prepared its pixels. Three ways are shown: 0 to 1
(divided by 255), minus ImageNet's means (as for the training of VGG16's weights), and 0 to 255 as
in the file.

The tables show test accuracy in %, with training accuracy in brackets, as Keras reports it (of
each batch before it is learnt), for seed {seed}. The curves of all trainings (every epoch up to 50,
then every tenth) are in [results/curves.csv](results/curves.csv).
"""
LENGTHS_NOTE: Final = """
All lines of this table are one training, evaluated along the way. The learning rate is constant,
and the order of the rows in an epoch depends only on the seed and the epoch, so a training of
10,000 epochs passes through exactly the weights of one of 500. A test checks this.
"""
DRIFT_HEAD: Final = """
The longest training ends further below the range than the others because the learning rate is
constant and the head's weights are not regularized, so they never settle. Test accuracy changes by
more than half a point from one epoch to the next and declines overall, while training accuracy
stays where it is. Pixels {kind}:

| epochs | last epoch | mean of the last tenth | lowest to highest | mean, from the range |
| --- | --- | --- | --- | --- |
"""
WHY_NOTE: Final = """
Each line changes one thing in the training at batch size {size}, {epochs} epochs, seed {seed}.
Choosing the best epoch by the test rows is not allowed in a comparison; it is here only to see
whether the paper may have done so. Nothing on this page was used to choose anything in the models
that Affectline ships.

| change | 0 to 1 | minus means | 0 to 255 |
| --- | --- | --- | --- |
"""
PIXELS_NOTE: Final = """
Pixels {kind}: of {both} lines, {far} end more than {near:.1f} points from the range. With pixels
{best} and nothing else changed, {mended} of these {far} end within {near:.1f} points, and all
{both} are {nearer:.1f} points nearer on average: that much is due to the preparation of pixels.
"""
LENGTH_LEFT: Final = """
With pixels {best}, the remaining differences at more epochs ({epochs}) are those in the table of
the last tenths, which shows how test accuracy changes as the training continues.
"""

SEEDS_HEAD: Final = """
## Variation by chance

Test accuracy in % after the last epoch, by seed. The seed sets the initial weights and the order of
the rows. The last column shows how the first seed's figure varies within its last {window} epochs:
at a constant rate the training never settles, so which epoch is the last is chance as well.

"""

Curves = Mapping[str, Sequence[CurvePoint]]


@dataclass(frozen=True)
class ResultsPage:
    """The content of the page."""

    grid: Grid
    curves: Curves
    """By the names of the runs; missing ones are shown as not run."""
    train_rows: int
    test_rows: int

    def point(self, run: RunConfig) -> CurvePoint | None:
        """The point of a training at its last epoch."""
        for point in self.curves.get(run.name, ()):
            if point.epoch == run.settings.epochs:
                return point
        return None


def write(page: ResultsPage, out: Path) -> Path:
    """Write the page and its figures.

    Args:
        page: The results so far.
        out: The folder of the documentation; the figures get a sub-folder.

    Returns:
        The path of the page.

    Raises:
        AffectlineError: They cannot be written.
    """
    file = out / PAGE
    try:
        (out / PICTURES).mkdir(parents=True, exist_ok=True)
        names = _draw_all(page, out / PICTURES)
        tabulate(page.curves, out / PICTURES / CURVES)
        text = "".join(
            [
                _introduction(page),
                *_tables(page, names),
                _explain_differences(page),
                _seed_table(page),
                _kept_part(file),
            ]
        )
        file.write_text(text)
    except OSError as error:
        raise _unwritable(out, error) from error
    return file


def _kept_part(file: Path) -> str:
    """What an earlier page holds from the line `KEPT_FROM` on, with an empty line before it."""
    earlier = file.read_text() if file.exists() else ""
    _, mark, rest = earlier.partition(KEPT_FROM)
    return f"\n{mark}{rest}" if mark else ""


def check_writable(out: Path) -> None:
    """Check that the page can be written, without touching an existing one.

    Raises:
        AffectlineError: It cannot.
    """
    try:
        (out / PICTURES).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out / PICTURES):
            pass
    except OSError as error:
        raise _unwritable(out, error) from error


def _unwritable(out: Path, error: OSError) -> AffectlineError:
    return AffectlineError(
        f"cannot write the results below --out {out} ({error.strerror})", "name another folder"
    )


def _introduction(page: ResultsPage) -> str:
    return HEAD.format(
        train=page.train_rows,
        test=page.test_rows,
        low=100 * PAPER_TEST[0],
        high=100 * PAPER_TEST[1],
        learnt=100 * PAPER_TRAIN,
        seed=page.grid.seeds[0],
    )


def _tables(page: ResultsPage, pictures: Mapping[str, str]) -> list[str]:
    known = f"{100 * PAPER_TEST[0]:.1f} to {100 * PAPER_TEST[1]:.1f} ({100 * PAPER_TRAIN:.1f})"
    kinds = page.grid.preprocessings
    parts = []
    for title, column, lines, note in (
        ("Batch sizes", "batch size", page.grid.sizes, ""),
        ("Numbers of epochs", "epochs", page.grid.lengths, LENGTHS_NOTE),
        ("Learning rates", "learning rate", page.grid.rates, ""),
    ):
        parts.append(f"\n## {title}\n\n{_describe_settings(lines)}\n{note}\n")
        parts.append(f"| {column} | the paper | {' | '.join(PIXELS[kind] for kind in kinds)} |\n")
        parts.append("| --- " * (2 + len(kinds)) + "|\n")
        for line in lines:
            cells = [_cell(page.point(line.run_config(kind, page.grid.seeds[0]))) for kind in kinds]
            parts.append(f"| {line.label} | {known} | {' | '.join(cells)} |\n")
        picture = pictures.get(title)
        parts.append(f"\n![Accuracy against epochs]({PICTURES}/{picture})\n" if picture else "")
        parts += _drift_table(page) if lines is page.grid.lengths else []
    return parts


def _drift_table(page: ResultsPage) -> list[str]:
    """The longest training's mean over its last tenth, beside its last epoch."""
    lines = page.grid.lengths
    longest = lines[-1].run_config(page.grid.preprocessings[0], page.grid.seeds[0])
    points = page.curves.get(longest.name, ())
    rows = []
    for line in lines:
        found = [
            100 * m.test_accuracy for m in points if line.epochs * 0.9 < m.epoch <= line.epochs
        ]
        if found and points[-1].epoch >= line.epochs:
            middle, away = mean(found), 100 * distance_from_paper(mean(found) / 100)
            spread = f"{min(found):.1f} to {max(found):.1f}"
            rows.append(
                f"| {line.label} | {found[-1]:.2f} | {middle:.1f} | {spread} | {away:+.1f} |\n"
            )
    return [DRIFT_HEAD.format(kind=PIXELS[page.grid.preprocessings[0]]), *rows] if rows else []


def _describe_settings(lines: Sequence[GridRow]) -> str:
    """The settings that all lines of a table share, as a sentence."""
    shared = []
    for name, text in (
        ("epochs", "{} epochs"),
        ("batch_size", "batch size {}"),
        ("learning_rate", "learning rate {}"),
    ):
        values = {getattr(line, name) for line in lines}
        shared += [text.format(f"{value:,}") for value in values if len(values) == 1]
    sentence = ", ".join(shared)
    return sentence[:1].upper() + sentence[1:] + "."


def _cell(point: CurvePoint | None) -> str:
    if point is None:
        return NONE
    return f"{100 * point.test_accuracy:.2f} ({100 * point.accuracy:.2f})"


def distance_from_paper(accuracy: float) -> float:
    """How far a test accuracy lies outside the paper's range, 0 to 1; negative is below."""
    return min(0.0, accuracy - PAPER_TEST[0]) + max(0.0, accuracy - PAPER_TEST[1])


def _explain_differences(page: ResultsPage) -> str:
    """The section about the causes of the differences."""
    last = page.grid.sizes[-1]
    parts = ["\n## Causes of the differences\n", _summarise_differences(page)]
    parts.append(WHY_NOTE.format(size=last.batch_size, epochs=last.epochs, seed=page.grid.seeds[0]))
    plain = [last.run_config(kind, page.grid.seeds[0]) for kind in page.grid.preprocessings]
    rows = {
        "none": [page.point(run) for run in plain],
        "best epoch by the test rows": [_best_point(page.curves.get(t.name, ())) for t in plain],
        "features standardized to mean 0 and variance 1": [
            page.point(replace(run, standardised=True)) for run in plain
        ],
        "test rows drawn at random from all rows": [
            page.point(replace(run, random_split=True)) for run in plain
        ],
    }
    for change, points in rows.items():
        cells = []
        for point in points:
            if point is None:
                cells.append(NONE)
                continue
            where = f" at epoch {point.epoch}" if change.startswith("best") else ""
            cells.append(
                f"{100 * point.test_accuracy:.2f}{where}, {_format_distance(point.test_accuracy)}"
            )
        parts.append(f"| {change} | {' | '.join(cells)} |\n")
    return "".join(parts)


def _format_distance(accuracy: float) -> str:
    return (
        f"{100 * distance_from_paper(accuracy):+.2f}"
        if distance_from_paper(accuracy)
        else "in the range"
    )


def _best_point(points: Sequence[CurvePoint]) -> CurvePoint | None:
    return max(points, key=lambda point: point.test_accuracy, default=None)


def _summarise_differences(page: ResultsPage) -> str:
    """How far from the paper the lines end, and how much of that the pixels explain."""
    grid = page.grid
    every = (*grid.sizes, *grid.lengths, *grid.rates)
    lines = dict.fromkeys(replace(line, label="") for line in every)  # some are in every table
    apart = {
        kind: {
            line: distance_from_paper(point.test_accuracy)
            for line in lines
            if (point := page.point(line.run_config(kind, grid.seeds[0])))
        }
        for kind in grid.preprocessings
    }
    best, *others = grid.preprocessings
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
    long = grid.lengths[0].epochs
    left = [x for x, away in apart[best].items() if abs(away) > NEAR and x.epochs > long]
    if left:
        epochs = ", ".join(f"{line.epochs:,}" for line in left)
        parts.append(LENGTH_LEFT.format(best=PIXELS[best], epochs=epochs))
    return "".join(parts)


def _seed_table(page: ResultsPage) -> str:
    seeds = page.grid.seeds
    parts = [SEEDS_HEAD.format(window=WINDOW)]
    titles = [f"seed {seed}" for seed in seeds]
    last = f"last {WINDOW} epochs: mean, lowest to highest"
    parts.append(f"| training | {' | '.join(titles)} | mean | standard deviation | {last} |\n")
    parts.append("| --- " * (4 + len(seeds)) + "|\n")
    for kind in page.grid.preprocessings:
        for line in page.grid.short:
            points = [page.point(line.run_config(kind, seed)) for seed in seeds]
            there = [100 * point.test_accuracy for point in points if point]
            cells = [f"{100 * point.test_accuracy:.2f}" if point else NONE for point in points]
            cells += [f"{mean(there):.2f}" if there else "-"]
            cells += [f"{stdev(there):.2f}" if len(there) > 1 else "-"]
            cells += [_describe_last_epochs(page, line.run_config(kind, seeds[0]))]
            name = f"{PIXELS[kind]}, batch size {line.batch_size}, rate {line.learning_rate:g}"
            parts.append(f"| {name} | {' | '.join(cells)} |\n")
    return "".join(parts)


def _describe_last_epochs(page: ResultsPage, run: RunConfig) -> str:
    end = run.settings.epochs
    if page.point(run) is None:
        return "-"
    points = [m for m in page.curves[run.name] if end - WINDOW < m.epoch <= end]
    found = [100 * point.test_accuracy for point in points]
    return f"{mean(found):.2f}, {min(found):.2f} to {max(found):.2f}"


def _draw_all(page: ResultsPage, folder: Path) -> dict[str, str]:
    """Draw the figures that have curves; returns file names by the titles of the tables."""
    grid, seed = page.grid, page.grid.seeds[0]
    first = grid.preprocessings[0]
    longest = grid.lengths[-1]
    wanted = {
        "Batch sizes": [(f"batch size {x.label}", x.run_config(first, seed)) for x in grid.sizes],
        "Numbers of epochs": [
            (f"pixels {PIXELS[kind]}", longest.run_config(kind, seed))
            for kind in grid.preprocessings
        ],
        "Learning rates": [(f"rate {x.label}", x.run_config(first, seed)) for x in grid.rates],
    }
    drawn = {}
    for title, runs in wanted.items():
        curves = [
            Curve(label, [m for m in page.curves[t.name] if m.epoch <= t.settings.epochs])
            for label, t in runs
            if page.curves.get(t.name)
        ]
        if curves:
            drawn[title] = f"{title.lower().replace(' ', '_')}.svg"
            draw(curves, PAPER_TEST, PAPER_TRAIN, folder / drawn[title])
    return drawn
