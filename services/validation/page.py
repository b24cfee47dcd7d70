"""Writes docs/validation.md: a section with a chart for each dataset.

A section lies between two markers, so that each command replaces its own section only.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from affectline.services.validation import drivedb, stress_predict
from affectline.services.validation.charts import (
    draw_calibration,
    draw_drives,
    draw_reliability,
    draw_roc_curves,
)
from affectline.services.validation.metrics import calibration_error

PAGE: Final = "validation.md"
REFERENCES: Final = (
    "Published: 78 % for low against high stress and 72 % with a rest baseline only "
    "(Ollander et al. 2016, wrist sensor), 94.6 % for rest against activity. Those are "
    "accuracies; areas under the curve do not compare with them directly."
)


def write_stress_predict(docs: Path, result: stress_predict.StressPredictResult) -> None:
    """Write the section and charts of Stress-Predict."""
    figures = result.summary()
    (docs / "validation-stress-predict.svg").write_text(draw_roc_curves(result.curves()), "utf-8")
    _write_charts(docs, "stress-predict", figures, {"stress against rest": "auc_pooled"})
    _replace_section(docs / PAGE, "stress-predict", _format_stress_predict(figures))


def write_drivedb(docs: Path, result: drivedb.DrivedbResult) -> None:
    """Write the section and charts of drivedb."""
    figures = result.summary()
    (docs / "validation-drivedb.svg").write_text(draw_drives(result.drives), "utf-8")
    curves = {"driving against rest": "auc_pooled", "city against highway": "city_vs_highway"}
    _write_charts(docs, "drivedb", figures, curves)
    _replace_section(docs / PAGE, "drivedb", _format_drivedb(figures))


def _write_charts(
    docs: Path, dataset: str, figures: dict[str, Any], curves: dict[str, str]
) -> None:
    """Write the reliability curve, and what a calibration adds if that was measured."""
    chart = draw_reliability(figures["reliability"])
    (docs / f"validation-{dataset}-reliability.svg").write_text(chart, "utf-8")
    rows = figures.get("calibration_curve", ())
    if rows:
        points = {
            name: [(row["seconds"] / 60, row[key]) for row in rows if row[key] is not None]
            for name, key in curves.items()
        }
        path = docs / f"validation-{dataset}-calibration.svg"
        path.write_text(draw_calibration(points), "utf-8")


def _replace_section(page: Path, name: str, text: str) -> None:
    begin, end = f"<!-- {name}: made by affectline validate -->", f"<!-- end of {name} -->"
    old = page.read_text("utf-8") if page.exists() else "# Validation on real people\n"
    section = f"{begin}\n{text.strip()}\n{end}"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if pattern.search(old):
        page.write_text(pattern.sub(lambda _: section, old), "utf-8")
    else:
        page.write_text(f"{old.rstrip()}\n\n{section}\n", "utf-8")


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _format_stress_predict(figures: dict[str, Any]) -> str:
    sets = figures["sets"]
    main = _stress_predict_table(sets, "**")
    people = list(sets["together"]["auc_by_subject"])
    each = _table(
        ("person", *sets),
        [
            (person, *(format_figure(s["auc_by_subject"][person]) for s in sets.values()))
            for person in people
        ],
    )
    number = _count(figures["subjects"], "person", "people")
    return f"""## Stress-Predict: stress against rest

`affectline validate stress-predict FOLDER`: {number}, {figures["seconds"]:,}
seconds, {figures["stress_seconds"]:,} of them under stress. Area under the ROC curve of nervousness
in each second, scored by {figures["fitted_to"]}:

{main}

![ROC curves](validation-stress-predict.svg)

{each}
{_format_others(figures, _stress_predict_table)}
{_format_reliability(figures, "stress-predict")}

{_format_calibration(figures, "stress-predict", {"stress against rest": "auc_pooled"})}

{REFERENCES}"""


def _stress_predict_table(sets: dict[str, Any], mark: str = "") -> str:
    return _table(
        ("signals", "pooled", "mean of people", "balanced accuracy at 50", "seconds with them"),
        [
            (
                name,
                f"{mark}{format_figure(s['auc_pooled'], 3)}{mark}",
                format_figure(s["auc_mean"], 3),
                format_figure(s["balanced_accuracy_at_50"], 3),
                f"{s['coverage']:.1%}",
            )
            for name, s in sets.items()
        ],
    )


def _format_others(
    figures: dict[str, Any], table: Callable[[dict[str, Any]], str], what: str = "people"
) -> str:
    """Return the figures that are too good, or of other models, below those that count."""
    text = ""
    if "shipped_model" in figures:
        text += (
            f"\nNot a measure of new {what}: the same seconds by the shipped model, which was "
            f"chosen by these {what} and fitted to them:\n\n{table(figures['shipped_model'])}\n"
        )
    if "this_folder" in figures:
        text += (
            "\nChosen and fitted within this folder alone, without the person who is scored:\n\n"
            f"{table(figures['this_folder'])}\n"
        )
    return text


def _format_reliability(figures: dict[str, Any], dataset: str) -> str:
    rows = [
        (
            f"{row['from']:.0f} to {row['to']:.0f}",
            format_figure(row["mean_score"], 0),
            format_figure(row["stress_percent"], 0),
            f"{row['seconds']:,}",
        )
        for row in figures["reliability"]
    ]
    error = calibration_error(figures["reliability"])
    table = _table(("nervousness", "mean", "share of stress in %", "seconds"), rows)
    return f"""Reliability of the 0 to 100, from the same scores, with as much stress as rest (both
signals; the mean distance from the diagonal is {error:.1f} points):

{table}

![Reliability](validation-{dataset}-reliability.svg)"""


def _format_calibration(figures: dict[str, Any], dataset: str, columns: dict[str, str]) -> str:
    rows = figures.get("calibration_curve")
    if not rows:
        return ""
    table = _table(
        ("minutes of calibration at rest", *columns),
        [
            (
                "none: continuous" if not row["seconds"] else f"{row['seconds'] / 60:g}",
                *(format_figure(row[key], 3) for key in columns.values()),
            )
            for row in rows
        ],
    )
    return f"""What a timed calibration adds, over the seconds after the tenth minute:

{table}

![Calibration](validation-{dataset}-calibration.svg)"""


def format_figure(value: float | None, digits: int = 2) -> str:
    """Format a figure; ``none`` if it is unknown."""
    return "none" if value is None else f"{value:.{digits}f}"


def _format_drivedb(figures: dict[str, Any]) -> str:
    means = [
        (name, *(format_figure(s["mean"][kind], 0) for kind in ("rest", "highway", "city")))
        for name, s in figures["sets"].items()
    ]
    curves = {"driving against rest": "auc_pooled", "city against highway": "city_vs_highway"}

    def table(sets: dict[str, Any], mark: str = "") -> str:
        return _drivedb_table(sets, list(figures["bounds_s"]), mark)

    number = _count(figures["drives"], "drive", "drives")
    return f"""## drivedb: drivers at rest, on the highway and in the city

`affectline validate drivedb FOLDER`: {number}, {figures["seconds"]:,} seconds.
Area under the ROC curve of nervousness in each second, scored by {figures["fitted_to"]}.
Skin conductance: {figures["skin_channel"]}; baseline:
{_describe_baseline(figures["calibration_s"])}. {_describe_segments(figures)}

{table(figures["sets"], "**")}

Mean nervousness:

{_table(("signals", "rest", "highway", "city"), means)}

![Nervousness along the drives](validation-drivedb.svg)
{_format_others(figures, table, "drives")}
{_format_reliability(figures, "drivedb")}

{_format_calibration(figures, "drivedb", curves)}"""


def _describe_segments(figures: dict[str, Any]) -> str:
    text = ""
    if figures["inferred_bounds"]:
        text += f"Some bounds of {', '.join(figures['inferred_bounds'])} follow from the protocol. "
    if figures["unlabelled"]:
        text += f"Without known segments, in no figure: {', '.join(figures['unlabelled'])}."
    return text or "All bounds are marked."


def _drivedb_table(sets: dict[str, Any], drives: Sequence[str], mark: str) -> str:
    rows = []
    for name, s in sets.items():
        for key, description in (
            ("rest_vs_driving", "driving against rest"),
            ("rest_after_calibration_vs_driving", "the same, without the calibration's seconds"),
            ("city_vs_highway", "city against highway"),
        ):
            each = s[key]["auc_by_drive"]
            pooled = f"{mark}{format_figure(s[key]['auc_pooled'], 3)}{mark}"
            rows.append(
                (name, description, pooled, *(format_figure(each[drive]) for drive in drives))
            )
    return _table(("signals", "", "pooled", *drives), rows)


def _describe_baseline(calibration_s: float) -> str:
    if not calibration_s:
        return "continuous"
    return f"a timed calibration over the first {calibration_s:.0f} seconds of rest"
