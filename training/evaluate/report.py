"""The report of an evaluation: a folder with an offline page, figures and all predictions."""

import json
import math
from base64 import b64encode
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.training.data.near_duplicates import describe_near_duplicates
from affectline.training.data.splits import Split
from affectline.training.evaluate import groups as group_table
from affectline.training.evaluate.figures import (
    INKS,
    confusion_matrix,
    group_chart,
    png,
    reliability_diagram,
)
from affectline.training.evaluate.predictions import Predictions, to_csv

KIND: Final = "affectline-train evaluate"
"""Marks a report of an evaluation."""
FILES: Final = ("report.json", "predictions.csv", "confusion.svg", "reliability.svg", "index.html")
GROUP_FILES: Final = ("groups.csv", "groups.svg")
"""Written beside them if there is a manifest of groups."""
WORST: Final = 48
"""Mistakes on the contact sheet."""
BEST: Final = 12
"""Hits shown for comparison."""

PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root { --paper: #fff; --text: #1c2024; --faint: #c9ced6; --soft: #5a626c }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15181c; --text: #e6e8eb; --faint: #454b54; --soft: #a3abb5 }
}
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--paper);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.1rem; font-weight: normal; color: var(--soft); overflow-wrap: anywhere }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem }
p { max-width: 42rem }
.lead { font-size: 1.7rem; line-height: 1.25; margin: .5rem 0 }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { white-space: nowrap; text-align: right; padding: .25rem .7rem;
  border-bottom: 1px solid var(--faint) }
th:first-child { text-align: left; padding-left: 0 }
td[colspan] { color: var(--soft); text-align: center }
@media (max-width: 30rem) { th, td { padding: .25rem .2rem; font-size: .8rem } }
.drawn { width: 100%; max-width: 34rem; height: auto }
.sheet { display: grid; gap: .7rem; grid-template-columns: repeat(auto-fill, minmax(5.8rem, 1fr)) }
figure { margin: 0 }
figure img { width: 100%; display: block }
figcaption { font-size: .8rem; line-height: 1.3 }
small { display: block; color: var(--soft); overflow-wrap: anywhere }
</style>
<h1>$title</h1>
$headline
<h2>Results by emotion</h2>
<div class="wide"><table>
<tr><th>emotion<th>faces<th>precision<th>recall<th>F1<th>predicted</tr>
$emotions
</table></div>
<p>Precision: the share of predictions of this emotion that are right. Recall: the share of its
faces that are found. F1 combines both and is low if either is low. Predicted: how often this
emotion is predicted.</p>
<h2>Confusion matrix</h2>
<p>Each row shows how the faces with one label are classified; the diagonal is right.</p>
$confusion
<h2>Calibration</h2>
$reliability
<h2>When it is unsure</h2>
$coverage
$groups
<h2>The worst mistakes</h2>
<p>Of $mistake_count mistakes, those with the highest confidence: label → prediction, and its
confidence. Look for wrong labels, for pictures without a face and for what the mistakes have in
common.</p>
$mistakes
<h2>The most confident hits, for comparison</h2>
$hits
$notes
</html>
"""

CALIBRATION: Final = """
<p>For a dot on the line, confidence equals accuracy. Below the line the model is too sure, above
it not sure enough. The lower chart shows how many faces got which confidence.</p>
"""
COVERAGE: Final = """
<p>If predictions below some confidence are rejected, fewer faces keep one, and a larger share of
those is right.</p>
<div class="wide"><table>
<tr><th>confidence<th>faces<th>share<th>accuracy<th>95% interval</tr>
$rows
</table></div>
"""
NO_CONFIDENCE: Final = "<p>Only labels were given, so nothing is known about confidence.</p>"
GROUPS: Final = """
<h2>By group</h2>
<p>$sentences</p>
$picture
$tables
<p>Accuracy with Wilson's 95% interval; macro F1 and calibration error with the percentiles of a
bootstrap of the $unit. By chance: what the calibration error of a perfectly calibrated model stays
below in 95 % of groups of this size; the error of few faces is never 0.</p>
"""


def check_report_folder(out: Path) -> None:
    """Check that a folder does not exist, is empty, or holds nothing but a report.

    Raises:
        AffectlineError: It holds something else, which must not be overwritten.
    """
    try:
        if not out.exists():
            return
        inside = {path.name for path in out.iterdir()}
        known = {*FILES, *GROUP_FILES}
        ours = not inside or (inside <= known and _is_report(out / FILES[0]))
    except OSError as error:
        raise AffectlineError(
            f"cannot use --out {out} ({error.strerror})", "name a new or empty folder"
        ) from error
    if not ours:
        raise AffectlineError(
            f"--out {out} holds something that is not a report of an evaluation",
            "name another, new or empty folder",
        )


def _is_report(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("kind") == KIND


def write(out: Path, predictions: Predictions, figures: dict[str, Any]) -> None:
    """Write ``index.html``, ``report.json``, ``predictions.csv`` and two diagrams to a folder.

    Everything is rendered before anything is written, so that an error leaves no partial report.

    Args:
        out: The folder; an earlier report in it is replaced.
        predictions: The faces and predictions to show.
        figures: ``metrics.report`` with ``model``, ``data`` and ``split`` (a name or ``None``),
            and ``ferplus`` and ``answers`` if there are votes.

    Raises:
        AffectlineError: The folder holds something else or cannot be written.
    """
    check_report_folder(out)
    counts, bins = np.array(figures["confusion"]), figures["reliability"]
    confusion = [confusion_matrix(counts, ink) for ink in INKS]
    reliability = [reliability_diagram(bins, ink) for ink in INKS]
    found = figures.get("groups")
    groups = [group_chart(found["columns"], ink) for ink in INKS] if found else []
    page = render(predictions, figures, confusion, reliability, groups)
    report = json.dumps({"kind": KIND, **figures}, indent=2) + "\n"
    contents = {
        FILES[0]: report.encode(),
        FILES[1]: to_csv(predictions).encode("utf-8", "surrogateescape"),
        FILES[2]: confusion[0],
        FILES[3]: reliability[0],
        FILES[4]: page.encode("utf-8", "replace"),
    }
    if found:
        table = group_table.to_csv(found).encode("utf-8", "replace")
        contents |= {GROUP_FILES[0]: table, GROUP_FILES[1]: groups[0]}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in GROUP_FILES:
            (out / name).unlink(missing_ok=True)  # of an earlier report
        for name, content in contents.items():
            (out / name).write_bytes(content)
    except OSError as error:
        raise AffectlineError(
            f"cannot write the report --out {out} ({error.strerror})", "name another folder"
        ) from error


def render(
    predictions: Predictions,
    figures: dict[str, Any],
    confusion: list[bytes],
    reliability: list[bytes],
    groups: list[bytes],
) -> str:
    """Render the page as self-contained HTML.

    Args:
        predictions: The predictions for the contact sheets.
        figures: As for ``write``.
        confusion: The confusion matrix as SVG, for a light and for a dark page.
        reliability: The reliability diagram, likewise.
        groups: The chart of groups, likewise; empty if there is no manifest.
    """
    correct = predictions.labels == predictions.faces.emotions
    words = (figures["model"], "on", figures["data"], figures["split"])
    return Template(PAGE).substitute(
        title=escape(" ".join(filter(None, words))),
        headline=_headline(figures),
        notes=_notes(figures),
        emotions=_emotions(figures),
        coverage=_coverage(figures),
        groups=_groups(figures["groups"], groups) if "groups" in figures else "",
        confusion=_picture(confusion, "Confusion matrix; its numbers are in report.json"),
        reliability=NO_CONFIDENCE
        if "labels_only" in figures
        else CALIBRATION
        + _picture(reliability, "Reliability diagram; its numbers are in report.json"),
        mistakes=_contact_sheet(predictions, ~correct, WORST) or "<p>There are none.</p>",
        mistake_count=f"{int((~correct).sum()):,}",
        hits=_contact_sheet(predictions, correct, BEST) or "<p>There are none.</p>",
    )


def _contact_sheet(predictions: Predictions, chosen: NDArray[np.bool_], count: int) -> str:
    """The chosen faces with the highest confidence, highest first."""
    order = np.argsort(-predictions.confidence, kind="stable")
    cells = []
    for row in order[chosen[order]][:count]:
        label = LABELS[predictions.faces.emotions[row]]
        predicted = LABELS[predictions.labels[row]]
        caption = label if label == predicted else f"{label} → {predicted}"
        cells.append(
            f'<figure><img src="{_uri(png(predictions.faces.pixels[row]), "image/png")}" '
            f'alt="A face labelled {label}, classified as {predicted}">'
            f"<figcaption>{caption} {predictions.confidence[row]:.0%}"
            f"<small>{escape(predictions.faces.sources[row])}</small></figcaption></figure>"
        )
    return f'<div class="sheet">{"".join(cells)}</div>' if cells else ""


def _emotions(figures: dict[str, Any]) -> str:
    rows = []
    for label, found in figures["emotions"].items():
        if not found["rows"]:
            cells = f'<td colspan="4">not in these data</td><td>{found["given"]:,}</td>'
        else:
            shares = (found["precision"], found["recall"], found["f1"])
            cells = f"<td>{found['rows']:,}</td>" + "".join(map(_cell, shares))
            cells += f"<td>{found['given']:,}</td>"
        rows.append(f"<tr><th scope=row>{label}</th>{cells}</tr>")
    return "".join(rows)


def _groups(figures: dict[str, Any], drawn: list[bytes]) -> str:
    """The section about groups: sentences, the chart, and a table for each column."""
    unit = "people" if figures["by_person"] else "faces"
    return Template(GROUPS).substitute(
        sentences="<br>".join(map(escape, group_table.describe(figures))),
        picture=_picture(drawn, "Accuracy by group; its numbers are in groups.csv"),
        tables="".join(_group_rows(name, found) for name, found in figures["columns"].items()),
        unit=unit,
    )


def _group_rows(column: str, found: dict[str, Any]) -> str:
    rows = []
    for group in found["groups"]:
        name = escape(group["name"]) + (" (small)" if group["small"] else "")
        cells = f"<td>{group['rows']:,}</td>{_cell(group['accuracy'])}{_span(group['interval'])}"
        cells += _cell(group["macro_f1"]) + _span(group["macro_f1_interval"])
        cells += _cell(group.get("calibration_error")) + _span(group.get("calibration_interval"))
        cells += _cell(group.get("calibration_by_chance"))
        rows.append(f"<tr><th scope=row>{name}</th>{cells}</tr>")
    heads = ("faces", "accuracy", "95%", "macro F1", "95%", "calibration error", "95%", "by chance")
    head = "".join(f"<th>{name}" for name in heads)
    return (
        f'<div class="wide"><table><tr><th>{escape(column)}{head}</tr>{"".join(rows)}</table></div>'
    )


def _span(ends: list[float] | None) -> str:
    return f"<td>{100 * ends[0]:.1f}&ndash;{ends[1]:.1%}</td>" if ends else "<td>-</td>"


def _coverage(figures: dict[str, Any]) -> str:
    if "labels_only" in figures:
        return NO_CONFIDENCE
    rows = []
    for found in figures["coverage"]:
        asked = f"≥ {found['confidence']:.0%}" if found["confidence"] else "any"
        span = "-"
        if found["interval"]:
            low, high = found["interval"]
            span = f"{100 * low:.1f}&ndash;{high:.1%}"
        rows.append(
            f"<tr><th scope=row>{asked}</th><td>{found['rows']:,}</td>"
            f"{_cell(found['share'])}{_cell(found['accuracy'])}<td>{span}</td></tr>"
        )
    return Template(COVERAGE).substitute(rows="".join(rows))


def _cell(share: float | None) -> str:
    return f"<td>{'-' if share is None else f'{share:.1%}'}</td>"


def _picture(drawn: list[bytes], description: str) -> str:
    light, dark = (_uri(content, "image/svg+xml") for content in drawn)
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img class="drawn" src="{light}" alt="{escape(description)}"></picture>'
    )


def _uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"


def _headline(figures: dict[str, Any]) -> str:
    """The main figures in sentences."""
    (low, high), found = figures["accuracy_interval"], figures["emotions"]
    label = max(found, key=lambda name: found[name]["rows"])
    text = (
        f'<p class="lead">Right on <b>{figures["accuracy"]:.1%}</b> of {figures["rows"]:,} faces.'
        "</p><p>Other faces of the same kind would give a slightly different figure: the 95% "
        f"interval, which covers chance only, is {low:.1%} to {high:.1%}. "
        f"Always predicting “{label}” would be right on {figures['majority']:.1%}. With equal "
        f"weight for every emotion, however rare, F1 is {figures['macro_f1']:.1%} (macro F1) and "
        f"recall {figures['balanced_accuracy']:.1%} (balanced accuracy).</p>"
    )
    if mirror := figures.get("with_mirror"):
        low, high = mirror["interval"]
        text += (
            "<p>With the mirror image beside it (the mean of both distributions, two passes), it "
            f"is right on {mirror['accuracy']:.1%} ({low:.1%} to {high:.1%}).</p>"
        )
    if "labels_only" not in figures:
        text += _describe_confidence(figures)
    if never := figures.get("labels_never_given"):
        text += (
            f"<p>These predictions never name {', '.join(never)}: there is no column for it.</p>"
        )
    text += f"<p>{describe_near_duplicates(figures)}</p>"
    if (votes := figures.get("ferplus")) and votes["rows"]:
        low, high = votes["interval"]
        text += (
            f"<p>Against what most people saw (FER+ votes), it is right on {votes['accuracy']:.1%} "
            f"({low:.1%} to {high:.1%}) of {votes['rows']:,} of these faces. For the others, none "
            "of the seven emotions got the most votes alone.</p>"
        )
    if (asked := figures.get("answers", {}).get("votes", {}).get("votes")) and asked["rows"]:
        low, high = asked["interval"]
        text += (
            "<p>With <code>--answer votes</code>, the same model predicts what most people saw on "
            f"<b>{asked['accuracy']:.1%}</b> ({low:.1%} to {high:.1%}) of them.</p>"
        )
    return text


def _describe_confidence(figures: dict[str, Any]) -> str:
    gap = figures["mean_confidence"] - figures["accuracy"]
    sure = "about as sure as it is right"
    if abs(gap) > 0.01:
        sure = "too sure" if gap > 0 else "not sure enough"
    return (
        f"<p>Confidence is off by <b>{100 * figures['calibration_error']:.1f} points</b> on "
        f"average (expected calibration error). Overall, the model is {sure}: its mean confidence "
        f"is {figures['mean_confidence']:.1%}, its accuracy {figures['accuracy']:.1%}. Log loss is "
        f"{figures['log_loss']:.2f} nats; equal probabilities for all emotions would give "
        f"{math.log(len(LABELS)):.2f}.</p>"
    )


def _notes(figures: dict[str, Any]) -> str:
    """The limits of the figures."""
    seen = {
        Split.TRAINING: "If the model was trained on these very faces, expect less on new ones.",
        Split.PUBLIC_TEST: "A temperature fitted on these faces makes calibration look too good.",
        Split.TEST: "A temperature fitted on half of them makes calibration look too good.",
    }
    whose = "the int8 file that the classifier serves"
    if "predictions" in figures:
        whose = f"the predictions in {escape(figures['predictions'])}, made by another program"
    known = seen.get(figures["split"], "")
    if figures.get("is_own_data") and figures["split"] is None:
        known = "The model was trained on most of these faces: expect less on new ones."
    if figures.get("may_be_own_data"):
        known = (
            "The model was trained on a folder of pictures, which may be this one before pictures "
            "were added or changed: of its faces, only those of PrivateTest are new to it."
        )
    return (
        f"<h2>What this does not say</h2><p>{known} The figures hold for "
        "faces that were detected, cropped and labelled as these were. With other cameras, light, "
        "ages and cultures they may be worse. A label is what somebody saw in a picture, not what "
        "the person felt.</p>"
        f"<p>All figures are for {whose}. They are in <a href="
        "'report.json'>report.json</a>, every prediction in <a href='predictions.csv'>"
        "predictions.csv</a>.</p>"
    )
