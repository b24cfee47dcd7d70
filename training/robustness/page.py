"""``docs/robustness.md``: the curves, and the limits that are read off them."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from affectline.common.errors import AffectlineError
from affectline.training.evaluate.figures import LIGHT, STYLE
from affectline.training.robustness.curves import (
    COVERED,
    DamageCurve,
    OwnPoses,
    TurnedCurves,
    describe_level,
)
from affectline.training.robustness.limits import (
    Limit,
    lost_at,
    read_measured_limit,
    read_own_limit,
    read_turned_limit,
    wider,
)

PAGE: Final = "robustness.md"
FOLDER: Final = "robustness"
TABLE: Final = "curves.json"
PICTURE: Final = "curves.svg"
CONFIDENCE: Final = "#d55e00"
WIDE: Final = 3
LETTERS: Final = 52
"""Of the title of an axis, in a line."""
NEAREST: Final = 0.07
"""Share of an axis that names of levels are apart at least."""
LOGARITHMIC: Final = ("brightness",)
"""Curves whose levels are named on a logarithmic axis."""

HEAD: Final = """\
# Robustness

<!-- Written by affectline-train robustness: changes made here by hand will be lost. -->

How often the model is still right when faces are damaged as live ones are, how sure it then is,
and [where a prediction should no longer be trusted](signs.md#when-to-doubt-the-emotion).

    affectline-train robustness --data fer2013.csv

measured `{model}` on {faces:,} faces for each point, drawn from {split} always in the same way. For
heads that are turned by their mesh, they are drawn from the {straight:,} that face the camera. All
figures, with intervals, are in [robustness/curves.json](robustness/curves.json).

**Which rows.** The limits below go into the program, so they are read off `PublicTest`, on which
everything else was chosen as well. The curves shown are those of **{split}**.

![Accuracy and confidence against each kind of damage](robustness/curves.svg)

Blue: the share that is right, with its 95% interval. Orange, dashed: mean confidence. Where the
orange line is above the blue one, the model is too sure. Dotted: nine tenths of the accuracy
without damage.
"""
HOW: Final = """
## How faces are damaged

* **Blur**: a Gaussian. **Size**: scaled down by area averages, and up again bilinearly, as the
  detector enlarges small faces. A side here is that of FER2013's frame; the box that the detector
  reports is 0.979 of it.
* **Light**: every gray value is multiplied, then noise of 2 gray levels (of 255) is added.
* **Roll**: about the middle of the crop. The detector turns crops upright, to a few degrees
  ([detection](detection.md#roll-accuracy-without-landmarks)), so this shows what its error costs.
* **Cover**: hands are drawn over the face, of which the one that hides nearest to the share asked
  for is kept; most of them lie over eyes, nose and mouth. They are flat, and no other things.
* **JPEG**: libjpeg, at 48x48 pixels. This is the worst case: in a frame that is compressed whole, a
  face of 200 pixels loses far less at the same quality.
* **Yaw and pitch**: the face mesh finds 468 points in the picture, enlarged as in the detector. The
  canonical face, fitted to them as if seen from far away, gives each point a depth. The picture is
  laid over this relief, the relief is turned, and what lies behind something nearer disappears, as
  the far cheek behind the nose. The turned head is framed as the detector frames heads in that
  pose. Only heads within 10 degrees of facing the camera are turned, every second one to the other
  side.
  * *Limits of this*: what a head hides of itself is in no picture, so the ear's side is stretched
    cheek. Light, gaze and hair stay as they were, and nothing is nearer for being close to the
    camera. Real turned heads also show other expressions than straight ones.
"""
RULE: Final = """
## The limits

One rule for all, fixed before the figures were seen (but for yaw, see below): **a face is doubted
from where the model is right on less than nine tenths of what it is right on without damage, or is
more than ten points too sure**, whichever comes first. Faces are sorted by what the program
measures of them, not by how they were damaged, because that is what is compared with a limit;
accuracy by measurement is made monotonic first (isotonic regression), which evens out chance.

| doubt | measured | limit | undamaged | needed | ends by |
| --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Measured:
    """The curves of one split."""

    split: str
    faces: int
    straight: int
    pictures: list[DamageCurve]
    turns: TurnedCurves

    def curves(self) -> list[DamageCurve]:
        """All of them."""
        return [*self.pictures, *self.turns.curves]

    def named(self, name: str) -> DamageCurve:
        """The curve with a name."""
        return next(curve for curve in self.curves() if curve.name == name)

    def to_json(self) -> dict[str, Any]:
        """As figures for JSON."""
        own = self.turns.own
        return {
            "faces": self.faces,
            "straight": self.straight,
            "without_mesh": own.without_mesh,
            "curves": {
                curve.name: {"title": curve.title, "axis": curve.axis, "points": curve.table()}
                for curve in self.curves()
            },
            "own_yaw": own.table(),
            "own_pitch": own.pitch_table(),
        }


def read_limits(measured: Measured) -> dict[str, Limit]:
    """The limits that `affectline.services.detector.doubts` uses, and what they rest on."""
    return {
        "blurred": read_measured_limit(measured.named("blur"), 5),
        "dark": read_measured_limit(measured.named("brightness"), 0.01),
        "too_small": read_measured_limit(measured.named("size"), 1),
        "turned_yaw": read_turned_limit(measured.named("yaw"), 1),
        "lowered_pitch": read_turned_limit(measured.named("lowered"), 1),
        "lifted_pitch": read_turned_limit(measured.named("lifted"), 1),
        "own_yaw": _own_yaw(measured.turns.own),
        "turned_away": wider(
            read_turned_limit(measured.named("yaw"), 1), _own_yaw(measured.turns.own)
        ),
    }


def _own_yaw(own: OwnPoses) -> Limit:
    straight = own.yaw < 10
    accuracy = float(own.right[straight].mean()) if straight.any() else 0.0
    return read_own_limit(own.yaw, own.right, accuracy, 1)


def to_json(model: str, chosen: Measured, shown: Measured) -> dict[str, Any]:
    """Everything, for ``curves.json``."""
    limits = {name: limit.to_json() for name, limit in read_limits(chosen).items()}
    return {
        "kind": "affectline-train robustness",
        "model": model,
        "limits_from": chosen.split,
        "limits": limits,
        "cover": {"lost_at": _rounded(lost_at(chosen.named("cover"))), "found": _cover(chosen)},
        "splits": {
            part.split: part.to_json() for part in {id(p): p for p in (chosen, shown)}.values()
        },
    }


def _cover(measured: Measured) -> list[dict[str, Any]]:
    """How many of the covered faces the network for covered faces finds, by share hidden."""
    return [
        {
            "level": outcome.level,
            "found": round(float((outcome.measured >= COVERED).mean()), 4),
            "accuracy_if_found": _share(outcome.right[outcome.measured >= COVERED]),
            "accuracy_if_not": _share(outcome.right[outcome.measured < COVERED]),
        }
        for outcome in measured.named("cover").outcomes
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _share(right: Any) -> float | None:
    return round(float(right.mean()), 4) if len(right) else None


def write(out: Path, model: str, chosen: Measured, shown: Measured) -> Path:
    """Write the page, its picture and the table.

    Args:
        out: The folder of the documentation; the picture and the table get a sub-folder.
        model: The model's identity.
        chosen: The split that limits are read off.
        shown: The split that the page shows.

    Returns:
        The path of the page.

    Raises:
        AffectlineError: They cannot be written.
    """
    table = to_json(model, chosen, shown)
    page = render(model, table, shown)
    picture = draw(table["splits"][shown.split]["curves"])
    try:
        (out / FOLDER).mkdir(parents=True, exist_ok=True)
        (out / FOLDER / PICTURE).write_bytes(picture)
        (out / FOLDER / TABLE).write_text(json.dumps(table, indent=1) + "\n")
        (out / PAGE).write_text(page)
    except OSError as error:
        raise AffectlineError(
            f"cannot write the curves below --out {out} ({error.strerror})", "name another folder"
        ) from error
    return out / PAGE


def render(model: str, table: dict[str, Any], shown: Measured) -> str:
    """The page as Markdown."""
    parts = [
        HEAD.format(model=model, faces=shown.faces, split=shown.split, straight=shown.straight),
        *(_tabulate(curve) for curve in shown.curves()),
        _describe_own(shown.turns.own),
        HOW,
        RULE,
        *(_limit_row(name, table["limits"][name]) for name in DOUBTS),
        _describe_turns(table["limits"], shown),
        _describe_cover(table["cover"]),
    ]
    return "".join(parts)


DOUBTS: Final = {
    "blurred": ("`blurred`", "variance of the Laplacian at 48x48"),
    "dark": ("`dark`", "mean brightness, 0 to 1"),
    "too_small": ("`too_small`", "side of the face in pixels"),
    "turned_yaw": ("turned by the mesh: yaw", "degrees, as the face mesh reads them"),
    "lowered_pitch": ("turned by the mesh: down", "degrees, as the face mesh reads them"),
    "lifted_pitch": ("turned by the mesh: up", "degrees, as the face mesh reads them"),
    "own_yaw": ("turned heads of the data: yaw", "degrees, as the face mesh reads them"),
}


def _limit_row(name: str, limit: dict[str, Any]) -> str:
    doubt, what = DOUBTS[name]
    value = "nowhere" if limit["value"] is None else f"**{limit['value']:g}** ({limit['exact']:g})"
    cause = {"accuracy": "accuracy", "confidence": "too sure", "none": "-"}[limit["cause"]]
    return (
        f"| {doubt} | {what} | {value} | {limit['undamaged']:.1%} | {limit['needed']:.1%} "
        f"| {cause} |\n"
    )


def _tabulate(curve: DamageCurve) -> str:
    measured = curve.name in MEASURED
    title = f"\n## {curve.title}\n\n"
    columns = [curve.axis, "right", "95% interval", "mean confidence", "calibration error"]
    columns += [MEASURED[curve.name]] if measured else []
    lines = [f"| {' | '.join(columns)} |\n", "| --- " * len(columns) + "|\n"]
    for point in curve.table():
        low, high = point["interval"]
        cells = [
            describe_level(curve.name, point["level"]),
            f"{point['accuracy']:.1%}",
            f"{100 * low:.1f} to {high:.1%}",
            f"{point['mean_confidence']:.1%}",
            f"{point['calibration_error']:.1%}",
        ]
        if measured:
            middle = point["measured_median"]
            cells.append("-" if middle is None else f"{middle:,.{0 if abs(middle) >= 100 else 2}f}")
        lines.append(f"| {' | '.join(cells)} |\n")
    return title + "".join(lines)


MEASURED: Final = {
    "blur": "variance of the Laplacian (median)",
    "brightness": "mean brightness (median)",
    "cover": "logit of the network for covered faces (median)",
    "yaw": "yaw that the mesh then reads (median)",
    "lowered": "pitch that the mesh then reads (median)",
    "lifted": "pitch that the mesh then reads (median)",
}


def _describe_own(own: OwnPoses) -> str:
    rows = "".join(_own_row(entry) for entry in own.table())
    pitches = "".join(_own_row(entry) for entry in own.pitch_table())
    head = "| degrees | faces | right | 95% interval |\n| --- | --- | --- | --- |\n"
    return (
        "\n## Heads that are turned in the data\n\nBy the yaw that the mesh reads of the faces as "
        f"they are, all of the split ({own.without_mesh:,} have no mesh), to either side:\n\n"
        f"{head}{rows}\nBy pitch, which reads lower than the head's in FER2013's framing "
        f"([signs](signs.md)):\n\n{head}{pitches}"
    )


def _own_row(entry: dict[str, Any]) -> str:
    if not entry["rows"]:
        return f"| {entry['from']} to {entry['to']} | 0 | - | - |\n"
    low, high = entry["interval"]
    return (
        f"| {entry['from']} to {entry['to']} | {entry['rows']:,} | {entry['accuracy']:.1%} "
        f"| {100 * low:.1f} to {high:.1%} |\n"
    )


def _describe_turns(limits: dict[str, Any], shown: Measured) -> str:
    away = limits["turned_away"]["value"]
    read = {point["level"]: point["measured_median"] for point in shown.named("yaw").table()}
    strong = max(level for level, middle in read.items() if middle is not None)
    where = "nowhere on these curves, so the limit stays as it is"
    if away is not None:
        where = f"beyond **{away:g}** degrees"
    return TURNED_NOTE.format(strong=strong, read=read[strong], where=where)


TURNED_NOTE: Final = """
**Turned heads.** The mesh reads less than a strong turn is: a head turned by {strong:g} degrees
reads {read:.0f} (median) in these pictures, and of a real man turned by about 50 it reads 30 to 38
([signs](signs.md#what-could-not-be-validated)). So heads that read the same are slight turns and
strong ones, and the two yaws in the table need not agree: the first is that of heads turned by the
mesh, which are strong turns where it ends, the second that of all heads that read so in the data.
That the wider of the two is used was decided when both were known. The program doubts a head only
where neither kind keeps nine tenths: {where}.

**Pitch** keeps its limits, -30 and 25 degrees, beyond which fewer than 2 % of the training faces
are. Heads that the mesh lowers or lifts lose a tenth within the table's angles, but heads that read
such angles in the data do not, wherever there are enough of them (table above): what is read
depends as much on a person's face and the camera's height as on the head. Doubts at the table's
angles would be about many good predictions.
"""


def _describe_cover(cover: dict[str, Any]) -> str:
    rows = "".join(
        f"| {entry['level']:g} | {entry['found']:.0%} | {_percent(entry['accuracy_if_found'])} "
        f"| {_percent(entry['accuracy_if_not'])} |\n"
        for entry in cover["found"]
    )
    lost = "at no share"
    if cover["lost_at"] is not None:
        lost = f"with {cover['lost_at']:.0%} of the picture hidden"
    return f"""
**Covered faces.** A tenth of the accuracy is lost {lost}: less than what can be detected without
false alarms. So the limit stays that of the detection, a logit of {COVERED:g}, which 1 % of
uncovered training faces exceed ([signs](signs.md#covered-faces)). What it finds:

| share hidden | doubted | right, of those | right, of the others |
| --- | --- | --- | --- |
{rows}
**Roll and JPEG** have no limit: the crop is turned upright, and how a frame was compressed is not
known once it is decoded; the blur that strong compression causes is measured.
"""


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


@mpl.rc_context(STYLE)
def draw(curves: dict[str, Any]) -> bytes:
    """Draw the curves of a split as SVG, on white paper.

    Args:
        curves: As in ``curves.json``, which can so be drawn again without measuring again.
    """
    down = -(-len(curves) // WIDE)
    figure = Figure(figsize=(9.6, 3.0 * down), layout="constrained", facecolor=LIGHT.paper)
    grid = figure.subplots(down, WIDE, sharey=True, squeeze=False)
    for axes, (name, curve) in zip(grid.flat, curves.items(), strict=False):
        draw_curve(axes, name, curve)
    for axes in list(grid.flat)[len(curves) :]:
        axes.set_visible(False)
    for line in grid:
        line[0].set_ylabel("share of the faces")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def draw_curve(axes: Axes, name: str, curve: dict[str, Any]) -> None:
    """Draw one curve: its levels to scale, damage growing to the right."""
    points = curve["points"]
    levels = [point["level"] for point in points]
    shares = [point["accuracy"] for point in points]
    low, high = zip(*(point["interval"] for point in points), strict=True)
    axes.set_facecolor(LIGHT.paper)
    axes.grid(color=LIGHT.faint, linewidth=0.5)
    axes.fill_between(levels, low, high, color=LIGHT.accuracy, alpha=0.2, linewidth=0)
    axes.plot(levels, shares, "o-", color=LIGHT.accuracy, markersize=3, label="right")
    sure = [point["mean_confidence"] for point in points]
    axes.plot(levels, sure, "--", color=CONFIDENCE, linewidth=1.2, label="mean confidence")
    axes.axhline(0.9 * shares[0], color=LIGHT.text, linestyle=":", linewidth=1, label="nine tenths")
    is_log = name in LOGARITHMIC
    axes.set_xscale("log" if is_log else "linear")
    axes.minorticks_off()
    ticks = choose_ticks(levels, is_log)
    axes.set_xticks(ticks, [describe_level(name, level) for level in ticks], fontsize=8)
    if levels[0] > levels[-1]:  # damage grows to the right
        axes.invert_xaxis()
    label = curve["axis"] + (" (logarithmic)" if is_log else "")
    axes.set_xlabel(fill(label, LETTERS), fontsize=8)
    axes.set_title(curve["title"], loc="left", fontsize=10)
    axes.set_ylim(0.2, 0.85)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def choose_ticks(levels: Sequence[float], is_log: bool) -> list[float]:
    """The levels that an axis names: of those whose names would overlap, the first."""
    places = np.log(levels) if is_log else np.array(levels, float)
    apart = NEAREST * abs(places[-1] - places[0])
    kept = [0]
    for index in range(1, len(levels)):
        if abs(places[index] - places[kept[-1]]) >= apart:
            kept.append(index)
    return [levels[index] for index in kept]
