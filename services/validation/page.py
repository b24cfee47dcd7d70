"""Writes docs/validation.md: one section for each dataset, with a picture drawn by hand.

A section stands between two markers, so that each command renews its own and leaves the rest.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from affectline.services.validation import drivedb, stress_predict
from affectline.services.validation.drivedb_segments import SEGMENTS

PAGE: Final = "validation.md"
COLOURS: Final = {"heart": "#c0392b", "skin": "#2471a3", "together": "#1e8449"}
SHADES: Final = {"rest": "#e8f0e8", "city": "#f6d9d2", "highway": "#f5ecd0"}
REFERENCES: Final = (
    "Published: 78 % for low against high stress and 72 % with a rest baseline only "
    "(Ollander et al. 2016, wrist sensor), 94.6 % for rest against activity. Those are "
    "accuracies; areas under the curve do not compare with them directly."
)


def write_stress_predict(docs: Path, result: stress_predict.StressPredictResult) -> None:
    """Write section and picture of Stress-Predict."""
    (docs / "validation-stress-predict.svg").write_text(_draw_roc(result.curves()), "utf-8")
    _renew(docs / PAGE, "stress-predict", _tell_stress_predict(result.summary()))


def write_drivedb(docs: Path, result: drivedb.DrivedbResult) -> None:
    """Write section and picture of drivedb."""
    (docs / "validation-drivedb.svg").write_text(_draw_drives(result.courses), "utf-8")
    _renew(docs / PAGE, "drivedb", _tell_drivedb(result.summary()))


def _renew(page: Path, name: str, text: str) -> None:
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


def _tell_stress_predict(figures: dict[str, Any]) -> str:
    sets = figures["sets"]
    main = _table(
        ("signals", "pooled", "mean of people", "balanced accuracy at 50", "seconds with them"),
        [
            (
                name,
                f"**{figure(s['auc_pooled'], 3)}**",
                figure(s["auc_mean"], 3),
                figure(s["balanced_accuracy_at_50"], 3),
                f"{s['coverage']:.1%}",
            )
            for name, s in sets.items()
        ],
    )
    people = list(sets["together"]["auc_by_subject"])
    each = _table(
        ("person", *sets),
        [
            (person, *(figure(s["auc_by_subject"][person]) for s in sets.values()))
            for person in people
        ],
    )
    return f"""## Stress-Predict: stress against rest

`affectline validate stress-predict FOLDER`: {figures["subjects"]} people, {figures["seconds"]:,}
seconds, {figures["stress_seconds"]:,} of them under stress. Area under the ROC curve of nervousness
in each second, judged by coefficients fitted to {figures["fitted_to"]}:

{main}

![ROC curves](validation-stress-predict.svg)

{each}

{REFERENCES}"""


def figure(value: float | None, digits: int = 2) -> str:
    """A figure for people, who may have to hear that there is none."""
    return "none" if value is None else f"{value:.{digits}f}"


def _tell_drivedb(figures: dict[str, Any]) -> str:
    drives = list(figures["bounds_s"])
    rows = []
    for name, s in figures["sets"].items():
        for key, words in (
            ("rest_vs_driving", "driving against rest"),
            ("rest_after_calibration_vs_driving", "the same, without the calibration's seconds"),
            ("city_vs_highway", "city against highway"),
        ):
            each = s[key]["auc_by_drive"]
            pooled = f"**{figure(s[key]['auc_pooled'], 3)}**"
            rows.append((name, words, pooled, *(figure(each[drive]) for drive in drives)))
    means = [
        (name, *(figure(s["mean"][kind], 0) for kind in ("rest", "highway", "city")))
        for name, s in figures["sets"].items()
    ]
    return f"""## drivedb: drivers at rest, on the highway and in the city

`affectline validate drivedb FOLDER`: {figures["drives"]} drives, {figures["seconds"]:,} seconds.
Area under the ROC curve of nervousness in each second. Nothing is fitted here: the coefficients
are those of Stress-Predict. Skin conductance of the {figures["skin_channel"]}; baseline:
{_tell_baseline(figures["calibration_s"])}.

{_table(("signals", "", "pooled", *drives), rows)}

Mean nervousness:

{_table(("signals", "rest", "highway", "city"), means)}

![Nervousness along the drives](validation-drivedb.svg)"""


def _tell_baseline(calibration_s: float) -> str:
    if not calibration_s:
        return "continuous"
    return f"a timed calibration over the first {calibration_s:.0f} seconds of rest"


def _text(x: float, y: float, words: str, more: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" {more}>{words}</text>'


def _line(points: Iterable[tuple[float, float]], colour: str, width: float = 1.5) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _svg(width: int, height: int, parts: Iterable[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _draw_roc(curves: dict[str, list[tuple[float, float]]]) -> str:
    side, left, top = 300, 50, 20
    parts = [
        f'<rect x="{left}" y="{top}" width="{side}" height="{side}" fill="none" stroke="#888"/>'
    ]
    parts.append(_line([(left, top + side), (left + side, top)], "#bbb", 1))
    for i, (name, curve) in enumerate(curves.items()):
        points = [(left + side * x, top + side * (1 - y)) for x, y in curve]
        parts.append(_line(points, COLOURS[name], 2))
        parts.append(_text(left + 190, top + 240 + 18 * i, name, f'fill="{COLOURS[name]}"'))
    parts.append(_text(left + 70, top + side + 30, "seconds of rest called stress"))
    middle = top + side / 2
    turned = f'transform="rotate(-90 30 {middle:.0f})" text-anchor="middle"'
    parts.append(_text(30, middle, "seconds of stress found", turned))
    return _svg(left + side + 20, top + side + 50, parts)


def _draw_drives(courses: Sequence[drivedb.DriveCourse]) -> str:
    width, height, left = 760, 90, 70
    parts = []
    for i, course in enumerate(courses):
        top = 15 + i * (height + 25)
        start, end = course.bounds[0], course.bounds[-1]
        scale = width / (end - start)
        for kind, a, b in zip(SEGMENTS, course.bounds, course.bounds[1:], strict=False):
            x, wide = left + (a - start) * scale, (b - a) * scale
            parts.append(
                f'<rect x="{x:.1f}" y="{top}" width="{wide:.1f}" height="{height}" '
                f'fill="{SHADES[kind]}"/>'
            )
            parts.append(_text(x + 4, top + 12, kind, 'fill="#777" font-size="10"'))
        points = [
            (left + (at - start) * scale, top + height * (1 - value / 100))
            for at, value in zip(course.seconds[::10], course.scores["together"][::10], strict=True)
        ]
        parts.append(_line(points, COLOURS["together"], 1.2))
        parts.append(_text(8, top + height / 2, course.name))
        parts.append(_text(left - 4, top + 10, "100", 'text-anchor="end" font-size="10"'))
        parts.append(_text(left - 4, top + height, "0", 'text-anchor="end" font-size="10"'))
    return _svg(left + width + 20, 20 + len(courses) * (height + 25), parts)
