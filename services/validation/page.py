"""Writes docs/validation.md: a section with a chart for each dataset.

A section lies between two markers, so that each command replaces its own section only.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from affectline.services.validation import drivedb, stress_predict
from affectline.services.validation.charts import draw_drives, draw_roc_curves

PAGE: Final = "validation.md"
REFERENCES: Final = (
    "Published: 78 % for low against high stress and 72 % with a rest baseline only "
    "(Ollander et al. 2016, wrist sensor), 94.6 % for rest against activity. Those are "
    "accuracies; areas under the curve do not compare with them directly."
)


def write_stress_predict(docs: Path, result: stress_predict.StressPredictResult) -> None:
    """Write the section and chart of Stress-Predict."""
    (docs / "validation-stress-predict.svg").write_text(draw_roc_curves(result.curves()), "utf-8")
    _replace_section(docs / PAGE, "stress-predict", _format_stress_predict(result.summary()))


def write_drivedb(docs: Path, result: drivedb.DrivedbResult) -> None:
    """Write the section and chart of drivedb."""
    (docs / "validation-drivedb.svg").write_text(draw_drives(result.drives), "utf-8")
    _replace_section(docs / PAGE, "drivedb", _format_drivedb(result.summary()))


def _replace_section(page: Path, name: str, text: str) -> None:
    begin, end = f"<!-- {name}: made by affectline validate -->", f"<!-- end of {name} -->"
    old = page.read_text("utf-8") if page.exists() else "# Validation on real people\n"
    section = f"{begin}\n{text.strip()}\n{end}"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if pattern.search(old):
        page.write_text(pattern.sub(lambda _: section, old), "utf-8")
    else:
        page.write_text(f"{old.rstrip()}\n\n{section}\n", "utf-8")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _format_stress_predict(figures: dict[str, Any]) -> str:
    sets = figures["sets"]
    main = _table(
        ("signals", "pooled", "mean of people", "balanced accuracy at 50", "seconds with them"),
        [
            (
                name,
                f"**{format_figure(s['auc_pooled'], 3)}**",
                format_figure(s["auc_mean"], 3),
                format_figure(s["balanced_accuracy_at_50"], 3),
                f"{s['coverage']:.1%}",
            )
            for name, s in sets.items()
        ],
    )
    people = list(sets["together"]["auc_by_subject"])
    each = _table(
        ("person", *sets),
        [
            (person, *(format_figure(s["auc_by_subject"][person]) for s in sets.values()))
            for person in people
        ],
    )
    return f"""## Stress-Predict: stress against rest

`affectline validate stress-predict FOLDER`: {figures["subjects"]} people, {figures["seconds"]:,}
seconds, {figures["stress_seconds"]:,} of them under stress. Area under the ROC curve of nervousness
in each second, scored with coefficients fitted to {figures["fitted_to"]}:

{main}

![ROC curves](validation-stress-predict.svg)

{each}

{REFERENCES}"""


def format_figure(value: float | None, digits: int = 2) -> str:
    """Format a figure; ``none`` if it is unknown."""
    return "none" if value is None else f"{value:.{digits}f}"


def _format_drivedb(figures: dict[str, Any]) -> str:
    drives = list(figures["bounds_s"])
    rows = []
    for name, s in figures["sets"].items():
        for key, description in (
            ("rest_vs_driving", "driving against rest"),
            ("rest_after_calibration_vs_driving", "the same, without the calibration's seconds"),
            ("city_vs_highway", "city against highway"),
        ):
            each = s[key]["auc_by_drive"]
            pooled = f"**{format_figure(s[key]['auc_pooled'], 3)}**"
            rows.append(
                (name, description, pooled, *(format_figure(each[drive]) for drive in drives))
            )
    means = [
        (name, *(format_figure(s["mean"][kind], 0) for kind in ("rest", "highway", "city")))
        for name, s in figures["sets"].items()
    ]
    return f"""## drivedb: drivers at rest, on the highway and in the city

`affectline validate drivedb FOLDER`: {figures["drives"]} drives, {figures["seconds"]:,} seconds.
Area under the ROC curve of nervousness in each second. Nothing is fitted here: the coefficients
are those of Stress-Predict. Skin conductance of the {figures["skin_channel"]}; baseline:
{_describe_baseline(figures["calibration_s"])}.

{_table(("signals", "", "pooled", *drives), rows)}

Mean nervousness:

{_table(("signals", "rest", "highway", "city"), means)}

![Nervousness along the drives](validation-drivedb.svg)"""


def _describe_baseline(calibration_s: float) -> str:
    if not calibration_s:
        return "continuous"
    return f"a timed calibration over the first {calibration_s:.0f} seconds of rest"
