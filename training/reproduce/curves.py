"""Learning curves as figures and as a table."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from affectline.training.reproduce.checkpoint import CurvePoint

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Colours of Okabe & Ito (2008), which colour-blind people can tell apart."""
DASHES: Final = ("-", "--", ":", "-.")
"""Lines also differ in their dashes, for readers and printers without colours."""
STYLE: Final[dict[Any, Any]] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e7eb",
    "svg.fonttype": "path",
    "svg.hashsalt": "affectline",  # otherwise the same figures give a different file each time
}


@dataclass(frozen=True)
class Curve:
    """The learning curve of one training."""

    label: str
    points: Sequence[CurvePoint]


@mpl.rc_context(STYLE)
def draw(
    curves: Sequence[Curve],
    test_range: tuple[float, float],
    train_figure: float,
    file: Path,
) -> None:
    """Draw test and training accuracy against the epoch, side by side.

    Args:
        curves: Up to four curves.
        test_range: The paper's lowest and highest test accuracy, 0 to 1.
        train_figure: The paper's training accuracy, 0 to 1.
        file: The SVG file; its folder must exist.
    """
    figure = Figure(figsize=(9.0, 3.8), layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2)
    left.axhspan(*test_range, color="#f0c000", alpha=0.45, lw=0)
    right.axhline(train_figure, color="#d0a000", lw=2)
    for axes, title in ((left, "test rows"), (right, "training rows, while learnt")):
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_xscale("log")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    left.set_ylabel("accuracy")
    for curve, colour, dash in zip(curves, COLOURS, DASHES, strict=False):
        epochs = [point.epoch for point in curve.points]
        style: dict[str, Any] = {"color": colour, "ls": dash, "lw": 1.5, "label": curve.label}
        left.plot(epochs, [point.test_accuracy for point in curve.points], **style)
        right.plot(epochs, [point.accuracy for point in curve.points], **style)
    # Epoch 1 is far below and would compress everything of interest.
    left.set_ylim(0.36, 0.48)
    handles, labels = left.get_legend_handles_labels()
    band = mpl.patches.Patch(color="#f0c000", alpha=0.45, label="the paper")
    figure.legend([*handles, band], [*labels, "the paper"], loc="outside lower center", ncols=5)
    figure.savefig(file, format="svg", metadata={"Date": None})


def tabulate(curves: Mapping[str, Sequence[CurvePoint]], file: Path) -> None:
    """Write every point of every training to a CSV file.

    Args:
        curves: By the names of the trainings.
        file: The CSV file; its folder must exist.
    """
    with file.open("w", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["training", *(field.name for field in fields(CurvePoint))])
        for name in sorted(curves):
            for point in curves[name]:
                epoch, *figures = astuple(point)
                writer.writerow([name, epoch, *(f"{figure:.5f}" for figure in figures)])
