"""The figures of a report, drawn by matplotlib as SVG, for light and dark pages."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from affectline.common.labels import LABELS

STYLE: Final[dict[Any, Any]] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "affectline",  # otherwise the same figures give a different file each time
}


@dataclass(frozen=True)
class FigureColours:
    """Colours, in hues of Okabe & Ito (2008), which colour-blind people can tell apart."""

    paper: str
    text: str
    faint: str
    """Grid lines and axes."""
    accuracy: str
    ideal: str
    full: str
    """A cell of the confusion matrix that holds its whole row; empty cells are paper."""
    turn: float
    """Share of a row from which numbers in the paper colour are easier to read on the cell."""


LIGHT: Final = FigureColours("#ffffff", "#1c2024", "#c9ced6", "#0072b2", "#d55e00", "#0060b0", 0.8)
DARK: Final = FigureColours("#15181c", "#e6e8eb", "#454b54", "#0072b2", "#e69f00", "#5cbcf2", 0.6)
INKS: Final = (LIGHT, DARK)


@mpl.rc_context(STYLE)
def confusion_matrix(counts: NDArray[np.int64], ink: FigureColours) -> bytes:
    """Draw confusion counts ``(7, 7)`` as SVG.

    Each cell is coloured by its share of the row, and shows the share and the count. The row of an
    emotion that never occurs shows dashes.
    """
    rows = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(rows, 1)
    figure = Figure(figsize=(5.0, 4.9), layout="constrained", facecolor=ink.paper)
    axes = figure.subplots()
    _colour(axes, ink)
    colours = LinearSegmentedColormap.from_list("shares", [ink.paper, ink.full])
    axes.imshow(shares, cmap=colours, vmin=0, vmax=1)
    ticks = range(len(LABELS))
    axes.set_xticks(ticks, LABELS, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, LABELS)
    axes.set_xlabel("prediction of the model")
    axes.set_ylabel("label of the data")
    axes.tick_params(length=0)
    for place, share in np.ndenumerate(shares):
        row, column = place
        if not rows[row, 0]:
            axes.text(column, row, "-", ha="center", va="center", color=ink.text)
            continue
        colour = ink.paper if share >= ink.turn else ink.text
        weight = "bold" if row == column else "normal"
        style: dict[str, Any] = {"ha": "center", "color": colour, "weight": weight}
        axes.text(column, row - 0.02, f"{share:.0%}", va="bottom", fontsize=10, **style)
        axes.text(column, row + 0.06, f"{counts[place]:,}", va="top", fontsize=8, **style)
    for edge in np.arange(len(LABELS) + 1) - 0.5:
        axes.axhline(edge, color=ink.faint, linewidth=0.5)
        axes.axvline(edge, color=ink.faint, linewidth=0.5)
    return _svg(figure)


@mpl.rc_context(STYLE)
def reliability_diagram(bins: Sequence[dict[str, Any]], ink: FigureColours) -> bytes:
    """Draw the bins of ``metrics.reliability`` as SVG, above a histogram of the confidences.

    Each dot is at a bin's mean confidence, with the 95% interval of the bin's accuracy.
    """
    figure = Figure(figsize=(5.0, 5.2), layout="constrained", facecolor=ink.paper)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for part in (axes, below):
        _colour(part, ink)
        part.grid(color=ink.faint, linewidth=0.5)
        part.set_axisbelow(True)
        part.set_xlim(0, 1)
    used = [entry for entry in bins if entry["rows"]]
    edges = [entry["from"] for entry in used]
    widths = [entry["to"] - entry["from"] for entry in used]
    heights = np.array([entry["accuracy"] for entry in used])
    ends = np.array([entry["interval"] for entry in used]).T
    style: dict[str, Any] = {"align": "edge", "edgecolor": ink.paper, "color": ink.accuracy}
    axes.bar(edges, heights, widths, label="accuracy", **style)
    axes.errorbar(
        [entry["confidence"] for entry in used],
        heights,
        np.abs(ends - heights),
        fmt=".",
        color=ink.text,
        linewidth=1,
        clip_on=False,
        label="95% interval",
    )
    axes.plot([0, 1], [0, 1], "--", color=ink.ideal, linewidth=1.5, label="confidence = accuracy")
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylabel("accuracy")
    frame: dict[str, Any] = {"facecolor": ink.paper, "edgecolor": "none", "framealpha": 0.8}
    axes.legend(loc="upper left", labelcolor=ink.text, **frame)
    below.bar(edges, [entry["rows"] for entry in used], widths, **style)
    below.set_ylabel("faces")
    below.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    below.set_xlabel("confidence")
    return _svg(figure)


@mpl.rc_context(STYLE)
def group_chart(columns: Mapping[str, Any], ink: FigureColours) -> bytes:
    """Draw the accuracy of every group as SVG, with its 95% interval; small groups are hollow.

    Args:
        columns: ``columns`` of `affectline.training.evaluate.groups.report`.
        ink: Colours.
    """
    lines: list[tuple[str, dict[str, Any] | None]] = []
    for column, found in columns.items():
        lines.append((_shorten(column), None))
        lines += [(_shorten(group["name"]), group) for group in found["groups"]]
    height = 0.9 + 0.27 * len(lines)
    figure = Figure(figsize=(5.6, height), layout="constrained", facecolor=ink.paper)
    axes = figure.subplots()
    _colour(axes, ink)
    axes.grid(axis="x", color=ink.faint, linewidth=0.5)
    axes.set_axisbelow(True)
    for place, (_, group) in enumerate(lines):
        if group is None:
            continue
        low, high = group["interval"]
        axes.plot([low, high], [place, place], color=ink.accuracy, linewidth=1.5)
        hollow = ink.paper if group["small"] else ink.accuracy
        axes.plot(group["accuracy"], place, "o", color=ink.accuracy, markerfacecolor=hollow)
    names = [f"{name}: {group['rows']:,} faces" if group else name for name, group in lines]
    # A dollar sign would begin a formula
    axes.set_yticks(range(len(lines)), [name.replace("$", r"\$") for name in names])
    for tick, (_, group) in zip(axes.get_yticklabels(), lines, strict=True):
        tick.set_fontweight("normal" if group else "bold")
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("accuracy, with its 95% interval")
    return _svg(figure)


def _shorten(name: str) -> str:
    """A name that fits beside a chart, without signs that have no picture."""
    plain = "".join(sign if sign.isprintable() else " " for sign in name)
    return plain if len(plain) <= 28 else f"{plain[:27]}…"


def png(face: NDArray[np.uint8]) -> bytes:
    """A face ``(S, S) uint8`` as PNG."""
    return cv2.imencode(".png", face)[1].tobytes()


def _colour(axes: Axes, ink: FigureColours) -> None:
    axes.set_facecolor(ink.paper)
    axes.tick_params(colors=ink.text)
    axes.xaxis.label.set_color(ink.text)
    axes.yaxis.label.set_color(ink.text)
    for spine in axes.spines.values():
        spine.set_color(ink.faint)


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
