"""``docs/results.md``: the paper's figures and ours side by side."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Final

from affectline.common.errors import AffectlineError
from affectline.training.fit.checkpoint import CurvePoint
from affectline.training.reproduce.curves import Curve, draw, tabulate
from affectline.training.reproduce.differences import (
    NONE,
    PAPER_TEST,
    PAPER_TRAIN,
    PIXELS,
    off,
    why,
)
from affectline.training.reproduce.grid import Grid, GridRow, RunConfig
from affectline.training.reproduce.results_text import DRIFT_HEAD, HEAD, LENGTHS_NOTE, SEEDS_HEAD

PAGE: Final = "results.md"
PICTURES: Final = "results"
CURVES: Final = "curves.csv"
WINDOW: Final = 100
"""Epochs at the end of a training whose figures are shown together."""

Curves = Mapping[str, Sequence[CurvePoint]]


@dataclass(frozen=True)
class ResultsPage:
    """What the page is made of."""

    tables: Grid
    curves: Curves
    """By the names of the trials; those that are missing are shown as not run."""
    train_rows: int
    test_rows: int

    def mark(self, trial: RunConfig) -> CurvePoint | None:
        """Where a training was at its last epoch."""
        for mark in self.curves.get(trial.name, ()):
            if mark.epoch == trial.settings.epochs:
                return mark
        return None


def write(page: ResultsPage, out: Path) -> Path:
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
        text = "".join([_head(page), *_tables(page, names), why(page), _seeds(page)])
        file.write_text(text)
    except OSError as error:
        raise _unwritable(out, error) from error
    return file


def check(out: Path) -> None:
    """See that the page can be written, without touching one that is there.

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


def _head(page: ResultsPage) -> str:
    return HEAD.format(
        train=page.train_rows,
        test=page.test_rows,
        low=100 * PAPER_TEST[0],
        high=100 * PAPER_TEST[1],
        learnt=100 * PAPER_TRAIN,
        seed=page.tables.seeds[0],
    )


def _tables(page: ResultsPage, pictures: Mapping[str, str]) -> list[str]:
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


def _drift(page: ResultsPage) -> list[str]:
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


def _settings(lines: Sequence[GridRow]) -> str:
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


def _cell(mark: CurvePoint | None) -> str:
    if mark is None:
        return NONE
    return f"{100 * mark.test_accuracy:.2f} ({100 * mark.accuracy:.2f})"


def _seeds(page: ResultsPage) -> str:
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


def _lately(page: ResultsPage, trial: RunConfig) -> str:
    end = trial.settings.epochs
    if page.mark(trial) is None:
        return "-"
    marks = [m for m in page.curves[trial.name] if end - WINDOW < m.epoch <= end]
    found = [100 * mark.test_accuracy for mark in marks]
    return f"{mean(found):.2f}, {min(found):.2f} to {max(found):.2f}"


def _draw_all(page: ResultsPage, folder: Path) -> dict[str, str]:
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
