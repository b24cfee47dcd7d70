"""``docs/results.md``: the paper's figures and ours side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Final

from common.errors import AffectlineError
from common.images import Preprocessing
from training.checkpoint import Mark
from training.curves import Curve, draw, tabulate
from training.results_text import (
    DRIFT_HEAD,
    HEAD,
    LENGTH_LEFT,
    LENGTHS_NOTE,
    PIXELS_NOTE,
    SEEDS_HEAD,
    WHY_NOTE,
)
from training.tables import Line, Tables, Trial

PAGE: Final = "results.md"
PICTURES: Final = "results"
CURVES: Final = "curves.csv"
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

WINDOW: Final = 100
"""Epochs at the end of a training whose figures are shown together."""

Curves = Mapping[str, Sequence[Mark]]


@dataclass(frozen=True)
class Page:
    """What the page is made of."""

    tables: Tables
    curves: Curves
    """By the names of the trials; those that are missing are shown as not run."""
    train_rows: int
    test_rows: int

    def mark(self, trial: Trial) -> Mark | None:
        """Where a training was at its last epoch."""
        for mark in self.curves.get(trial.name, ()):
            if mark.epoch == trial.settings.epochs:
                return mark
        return None


def write(page: Page, out: Path) -> Path:
    """Write the page and its pictures.

    Args:
        page: What is known so far.
        out: The folder of documents; the pictures get a folder in it.

    Returns:
        The page's file.

    Raises:
        AffectlineError: They cannot be written.
    """
    file = out / PAGE
    try:
        (out / PICTURES).mkdir(parents=True, exist_ok=True)
        names = _draw_all(page, out / PICTURES)
        tabulate(page.curves, out / PICTURES / CURVES)
        text = "".join([_head(page), *_tables(page, names), _why(page), _seeds(page)])
        file.write_text(text)
    except OSError as error:
        raise AffectlineError(
            f"cannot write the results below --out {out} ({error.strerror})", "name another folder"
        ) from error
    return file


def _head(page: Page) -> str:
    return HEAD.format(
        train=page.train_rows,
        test=page.test_rows,
        low=100 * PAPER_TEST[0],
        high=100 * PAPER_TEST[1],
        learnt=100 * PAPER_TRAIN,
        seed=page.tables.seeds[0],
    )


def _tables(page: Page, pictures: Mapping[str, str]) -> list[str]:
    known = f"{100 * PAPER_TEST[0]:.1f} to {100 * PAPER_TEST[1]:.1f} ({100 * PAPER_TRAIN:.1f})"
    kinds = page.tables.preprocessings
    parts = []
    for title, column, lines, note in (
        ("Batch sizes", "batch size", page.tables.sizes, ""),
        ("Numbers of epochs", "epochs", page.tables.lengths, LENGTHS_NOTE),
        ("Learning rates", "learning rate", page.tables.rates, ""),
    ):
        parts.append(f"\n## {title}\n\n{_settings(lines)}\n{note}\n")
        parts.append(f"| {column} | the paper | {' | '.join(PIXELS[kind] for kind in kinds)} |\n")
        parts.append("| --- " * (2 + len(kinds)) + "|\n")
        for line in lines:
            cells = [_cell(page.mark(line.trial(kind, page.tables.seeds[0]))) for kind in kinds]
            parts.append(f"| {line.label} | {known} | {' | '.join(cells)} |\n")
        picture = pictures.get(title)
        parts.append(f"\n![Accuracy against epochs]({PICTURES}/{picture})\n" if picture else "")
        parts += _drift(page) if lines is page.tables.lengths else []
    return parts


def _drift(page: Page) -> list[str]:
    """Where the longest training is on the whole, beside where its last epochs happen to be."""
    lines = page.tables.lengths
    longest = lines[-1].trial(page.tables.preprocessings[0], page.tables.seeds[0])
    marks = page.curves.get(longest.name, ())
    rows = []
    for line in lines:
        found = [100 * m.test_accuracy for m in marks if line.epochs * 0.9 < m.epoch <= line.epochs]
        if found and marks[-1].epoch >= line.epochs:
            middle, away = mean(found), 100 * off(mean(found) / 100)
            spread = f"{min(found):.1f} to {max(found):.1f}"
            rows.append(
                f"| {line.label} | {found[-1]:.2f} | {middle:.1f} | {spread} | {away:+.1f} |\n"
            )
    return [DRIFT_HEAD.format(kind=PIXELS[page.tables.preprocessings[0]]), *rows] if rows else []


def _settings(lines: Sequence[Line]) -> str:
    """What the lines of a table share, in a sentence."""
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


def _cell(mark: Mark | None) -> str:
    if mark is None:
        return NONE
    return f"{100 * mark.test_accuracy:.2f} ({100 * mark.accuracy:.2f})"


def off(accuracy: float) -> float:
    """How far a test accuracy lies outside the paper's range, 0 to 1; negative is below."""
    return min(0.0, accuracy - PAPER_TEST[0]) + max(0.0, accuracy - PAPER_TEST[1])


def _why(page: Page) -> str:
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


def _best(marks: Sequence[Mark]) -> Mark | None:
    return max(marks, key=lambda mark: mark.test_accuracy, default=None)


def _verdict(page: Page) -> str:
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
    far = {kind: [line for line, away in apart[kind].items() if abs(away) > NEAR] for kind in apart}
    for kind in others:
        same = [line for line in far[kind] if line in apart[best]]
        if same:
            parts.append(
                PIXELS_NOTE.format(
                    kind=PIXELS[kind],
                    best=PIXELS[best],
                    near=100 * NEAR,
                    far=len(same),
                    mended=sum(line not in far[best] for line in same),
                    nearer=100 * mean(abs(apart[kind][x]) - abs(apart[best][x]) for x in same),
                )
            )
    left = [f"{x.epochs:,}" for x in far[best] if x.epochs > tables.lengths[0].epochs]
    if left:
        parts.append(LENGTH_LEFT.format(best=PIXELS[best], epochs=", ".join(left)))
    return "".join(parts)


def _seeds(page: Page) -> str:
    seeds = page.tables.seeds
    parts = [SEEDS_HEAD.format(window=WINDOW)]
    titles = [f"seed {seed}" for seed in seeds]
    last = f"last {WINDOW} epochs: mean, lowest to highest"
    parts.append(f"| training | {' | '.join(titles)} | mean | standard deviation | {last} |\n")
    parts.append("| --- " * (4 + len(seeds)) + "|\n")
    for kind in page.tables.preprocessings:
        for line in page.tables.short:
            marks = [page.mark(line.trial(kind, seed)) for seed in seeds]
            there = [100 * mark.test_accuracy for mark in marks if mark]
            cells = [f"{100 * mark.test_accuracy:.2f}" if mark else NONE for mark in marks]
            cells += [f"{mean(there):.2f}" if there else "-"]
            cells += [f"{stdev(there):.2f}" if len(there) > 1 else "-"]
            cells += [_lately(page, line.trial(kind, seeds[0]))]
            name = f"{PIXELS[kind]}, batch size {line.batch_size}, rate {line.learning_rate:g}"
            parts.append(f"| {name} | {' | '.join(cells)} |\n")
    return "".join(parts)


def _lately(page: Page, trial: Trial) -> str:
    end = trial.settings.epochs
    if page.mark(trial) is None:
        return "-"
    marks = [m for m in page.curves[trial.name] if end - WINDOW < m.epoch <= end]
    found = [100 * mark.test_accuracy for mark in marks]
    return f"{mean(found):.2f}, {min(found):.2f} to {max(found):.2f}"


def _draw_all(page: Page, folder: Path) -> dict[str, str]:
    """Draw what there are curves for; names of files by the titles of the tables."""
    tables, seed = page.tables, page.tables.seeds[0]
    first = tables.preprocessings[0]
    longest = tables.lengths[-1]
    wanted = {
        "Batch sizes": [(f"batch size {x.label}", x.trial(first, seed)) for x in tables.sizes],
        "Numbers of epochs": [
            (f"pixels {PIXELS[kind]}", longest.trial(kind, seed)) for kind in tables.preprocessings
        ],
        "Learning rates": [(f"rate {x.label}", x.trial(first, seed)) for x in tables.rates],
    }
    drawn = {}
    for title, trials in wanted.items():
        curves = [
            Curve(label, [m for m in page.curves[t.name] if m.epoch <= t.settings.epochs])
            for label, t in trials
            if page.curves.get(t.name)
        ]
        if curves:
            drawn[title] = f"{title.lower().replace(' ', '_')}.svg"
            draw(curves, PAPER_TEST, PAPER_TRAIN, folder / drawn[title])
    return drawn
