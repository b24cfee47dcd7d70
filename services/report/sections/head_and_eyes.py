"""Head pose, eyes, blinks, PERCLOS, gaze, doubts, drowsiness and looks away."""

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from affectline.common.vision.sign_words import DOUBT_WORDS, EYES_UNKNOWN_WORDS, GAZE_WORDS
from affectline.common.wire.biometrics import Drowsiness, OffRoad, State
from affectline.services.report.section import ReportData, Section, SectionSettings
from affectline.services.report.time_axis import (
    AXIS_TITLE,
    axis_format,
    downsample,
    elapsed,
    load_plotly,
    to_html,
)
from affectline.services.sessions.sign_channels import measured_people
from affectline.services.sessions.sign_figures import SignFigures
from affectline.services.sessions.sign_series import SignSeries
from affectline.services.sessions.timeseries import Series, SessionSeries

ROW_PX: Final = 170
TITLE_PX: Final = 42
TOP_PX: Final = 40
FOOT_PX: Final = 60
LANE_PX: Final = 26
INK: Final = "#1c2024"
MAX_REASONS: Final = 3
LEAST_PERCLOS: Final = 0.2
"""Upper end of its axis where it is lower: 0.15 is drowsy (Wierwille et al. 1994)."""
LINES: Final = (
    {"color": "#0072b2", "dash": "solid", "width": 1.4},
    {"color": "#d55e00", "dash": "dash", "width": 1.4},
    {"color": "#1c2024", "dash": "dot", "width": 1.4},
)
"""Colours of Okabe and Ito; the dashes tell them apart without colours."""
DROWSY: Final = ((30.0, "questionable"), (60.0, "drowsy"))
"""Borders of the level of drowsiness (`common.wire.biometrics.Drowsiness`)."""
INTRODUCTION: Final = """<h2>What the head and the eyes did</h2>
<p class=note>Of the largest face of each film or camera. Turned: positive to the person's own left,
which is to the right of the picture. Lifted: positive upwards. Rolled: positive counter-clockwise.
Zero is a head that faces the camera upright. Opening of the eyes: 1 is as wide as this person's
usually is.</p>
"""
LIMITS: Final = """<p><strong>Not validated:</strong> PERCLOS and drowsiness were never tried on
drowsy people, looks away never on drivers. Gaze is not calibrated, and the opening of the mouth was
compared with nothing. Blinks and shut eyes were compared with six films of four people, yaw and
pitch with projections of a model alone, roll also with one man's. None of it says whether somebody
is fit to drive.</p>
"""


class HeadAndEyesSettings(SectionSettings):
    """Settings of the section."""

    section: Literal["head_and_eyes"] = "head_and_eyes"


class HeadAndEyesSection(Section):
    """Shows head pose, eyes, blinks, PERCLOS, gaze, doubts, drowsiness and looks away."""

    settings_model = HeadAndEyesSettings
    order = 25

    def render(self, data: ReportData) -> str:
        session = data.session
        # Pictures of folders have no time, and so no blinks; their list tells their doubts
        figures = {name: session.streams[name].signs for name in session.signs}
        people = measured_people(session.states)
        if not figures and not people:
            return ""
        tables = [_figures_table(figures)] if figures else []
        tables += [_people_table(people)] if people else []
        rows = [*_rows(session), *_people_rows(people, session)]
        drawn = [draw_rows(rows, session)] if rows else []
        return "\n".join([INTRODUCTION, *tables, LIMITS, *drawn])


class SignRow(NamedTuple):
    """One subplot."""

    title: str
    curves: list[dict[str, Any]]
    """Arguments of plotly's scatter."""
    bounds: tuple[float, float] | None = None
    lanes: int = 0
    """Number of names on its axis, where it has names instead of numbers."""
    borders: tuple[tuple[float, str], ...] = ()
    """Values at which there is a line, and what is beyond."""

    @property
    def height(self) -> int:
        """Pixels of the row without its title."""
        return self.lanes * LANE_PX + 20 if self.lanes else ROW_PX


def draw_rows(rows: Sequence[SignRow], session: SessionSeries) -> str:
    """All rows on one time axis, as HTML.

    Raises:
        AffectlineError: plotly is not installed.
    """
    go = load_plotly()
    from plotly.subplots import make_subplots

    heights = [row.height for row in rows]
    total = sum(heights) + TITLE_PX * (len(rows) - 1)
    figure = make_subplots(
        rows=len(rows), shared_xaxes=True, row_heights=heights, vertical_spacing=TITLE_PX / total,
        subplot_titles=[row.title for row in rows],
    )  # fmt: skip
    for number, row in enumerate(rows, start=1):
        place = {"row": number, "col": 1}
        for curve in row.curves:
            figure.add_trace(go.Scatter(**curve), **place)
        figure.update_yaxes(range=row.bounds, **place)
        if row.lanes:
            figure.update_yaxes(type="category", hoverformat=None, **place)
        for value, text in row.borders:
            figure.add_hline(
                y=value, line={"dash": "dot", "color": INK, "width": 1}, annotation_text=text,
                annotation_position="top left", **place,
            )  # fmt: skip
    figure.update_xaxes(**axis_format(session))
    figure.update_xaxes(title_text=AXIS_TITLE, row=len(rows), col=1)
    figure.update_layout(
        height=TOP_PX + FOOT_PX + total, template="plotly_white", hovermode="closest",
        margin={"l": 90, "r": 20, "t": TOP_PX, "b": FOOT_PX},
    )  # fmt: skip
    return to_html(figure)


def _rows(session: SessionSeries) -> Iterator[SignRow]:
    for i, (stream, signs) in enumerate(session.signs.items()):
        named = i == 0
        if signs.is_known("yaw"):
            names = {"head turned": "yaw", "head lifted": "pitch", "head rolled": "roll"}
            curves = _curves(signs, names, session, named=named)
            yield SignRow(f"Head in {stream}, degrees", curves)
        if signs.is_known("eye_opening_left", "eye_opening_right"):
            names = {"left eye": "eye_opening_left", "right eye": "eye_opening_right"}
            curves = _curves(signs, names, session, named=named)
            curves += _blink_ticks(signs, session, named=named)
            yield SignRow(f"Opening of the eyes in {stream}, and blinks", curves, (0, 1.15))
        if signs.is_known("perclos"):
            curves = _curves(signs, {"PERCLOS": "perclos"}, session, named=False)
            yield SignRow(
                f"PERCLOS in {stream}: share of the last minute with shut eyes, not validated",
                curves,
                (0, max(LEAST_PERCLOS, 1.1 * float(np.nanmax(signs.values("perclos"))))),
            )
        lanes = _doubt_lanes(signs, session)
        if lanes:
            yield SignRow(f"Reasons to doubt the emotion in {stream}", lanes, lanes=len(lanes))


def _curves(
    signs: SignSeries, names: dict[str, str], session: SessionSeries, *, named: bool
) -> list[dict[str, Any]]:
    times = np.array(signs.times, np.int64)
    curves = []
    for (name, sign), line in zip(names.items(), LINES, strict=False):
        values = signs.values(sign)
        known = np.isfinite(values)
        breaks = np.diff(np.cumsum(~known)[known], prepend=0) > 0  # no line over what is unknown
        thinned, kept = downsample(Series(name, "", times[known], values[known]), breaks)
        curves.append({
            "x": elapsed(thinned, session), "y": kept, "name": name, "mode": "lines", "line": line,
            "legendgroup": name, "showlegend": named, "hovertemplate": "%{y:.3~g} at %{x}",
        })  # fmt: skip
    return curves


def _blink_ticks(signs: SignSeries, session: SessionSeries, *, named: bool) -> list[dict[str, Any]]:
    if not signs.blinks:
        return []
    times = np.array([blink.at for blink in signs.blinks], np.int64)
    return [{
        "x": elapsed(times, session), "y": [1.08] * len(times), "name": "blink", "mode": "markers",
        "marker": {"symbol": "line-ns-open", "size": 9, "color": INK, "line": {"width": 1.6}},
        "text": [f"{blink.duration_ms:.0f} ms" for blink in signs.blinks],
        "hovertemplate": "blink of %{text} at %{x}", "legendgroup": "blink", "showlegend": named,
    }]  # fmt: skip


def _doubt_lanes(signs: SignSeries, session: SessionSeries) -> list[dict[str, Any]]:
    """A lane for each reason that there was, with a bar where it held."""
    lanes = []
    for doubt, words in DOUBT_WORDS.items():
        xs: list[Any] = []
        for start, end in signs.doubt_stretches(doubt):
            # What lasts a single frame at the end of all is a dot
            xs += [*elapsed(np.array([start, end], np.int64), session), None]
        if xs:
            lanes.append({
                "x": xs, "y": [words if x is not None else None for x in xs], "name": words,
                "mode": "lines+markers", "line": {"width": 9, "color": INK},
                "marker": {"size": 2, "color": INK}, "showlegend": False,
                "hovertemplate": f"{words} at %{{x}}",
            })  # fmt: skip
    return lanes


def _people_rows(people: dict[str, list[State]], session: SessionSeries) -> Iterator[SignRow]:
    for subject, states in people.items():
        levels = [
            (state.at, state.drowsiness.level)
            for state in states
            if state.drowsiness is not None and state.drowsiness.level is not None
        ]
        if levels:
            title = f"Drowsiness of {subject}, 0 to 100, not validated"
            yield SignRow(title, [_line(levels, session)], (0, 100), borders=DROWSY)
        shares = [
            (state.at, state.off_road.share)
            for state in states
            if state.off_road is not None and state.off_road.share is not None
        ]
        if shares:
            title = f"Looks away of {subject}: share of the last minute, not validated"
            yield SignRow(title, [_line(shares, session)], (0, 1))


def _line(points: list[tuple[int, float]], session: SessionSeries) -> dict[str, Any]:
    times, values = (np.array(column) for column in zip(*points, strict=True))
    thinned, kept = downsample(Series("", "", times.astype(np.int64), values))
    return {
        "x": elapsed(thinned, session), "y": kept, "mode": "lines", "line": LINES[0],
        "showlegend": False, "hovertemplate": "%{y:.3~g} at %{x}<extra></extra>",
    }  # fmt: skip


def _figures_table(figures: dict[str, SignFigures]) -> str:
    heads = "".join(f"<th>{escape(name)}" for name in figures)
    rows = _eye_rows(figures) if any(one.has_eyes for one in figures.values()) else []
    rows.append(
        ("doubtful frames", [f"{one.share_of_faces(one.doubted):.1%}" for one in figures.values()])
    )
    rows += [
        (f"  {words}", [
            f"{one.share_of_faces(one.doubts[doubt]):.1%}" if doubt in one.doubts else ""
            for one in figures.values()
        ])
        for doubt, words in DOUBT_WORDS.items()
        if any(doubt in one.doubts for one in figures.values())
    ]  # fmt: skip
    return _table(f"<tr><th>{heads}</tr>", rows)


def _eye_rows(figures: dict[str, SignFigures]) -> list[tuple[str, list[str]]]:
    return [
        ("blinks", [_format_blinks(one) for one in figures.values()]),
        ("PERCLOS", [_format_perclos(one) for one in figures.values()]),
        ("gaze", [_format_shares(one.gazes, GAZE_WORDS) for one in figures.values()]),
        ("eyes unknown", [_format_counts(one, one.eyes_unknown, EYES_UNKNOWN_WORDS)
                          for one in figures.values()]),
    ]  # fmt: skip


def _format_blinks(figures: SignFigures) -> str:
    if not figures.eyes_seen_ns:
        return "the eyes were never seen"
    middle, rate = figures.blink_median_ms, figures.blinks_per_minute
    seconds = figures.eyes_seen_ns / 1e9
    text = f"{figures.blink_count} in {seconds:.0f} s of seen eyes"
    text += f", {rate:.1f} a minute" if rate is not None else ", too short for a rate"
    return text + (f", median {middle:.0f} ms" if middle is not None else "")


def _format_perclos(figures: SignFigures) -> str:
    mean, highest = figures.perclos_mean, figures.perclos_highest
    if mean is None or highest is None:
        return "unknown: 20 s of known eyes are needed"
    return f"mean {mean:.1%}, at most {highest:.1%}"


def _format_shares(counts: dict[str, int], words: Any) -> str:
    total = sum(counts.values())
    ordered = Counter(counts).most_common()
    return ", ".join(f"{words[name]} {count / total:.0%}" for name, count in ordered) or "unknown"


def _format_counts(figures: SignFigures, counts: dict[str, int], words: Any) -> str:
    ordered = Counter(counts).most_common(MAX_REASONS)
    shares = [f"{words[name]} {figures.share_of_faces(count):.1%}" for name, count in ordered]
    return "; ".join(shares) or "never"


def _people_table(people: dict[str, list[State]]) -> str:
    heads = "".join(f"<th>{escape(subject)}" for subject in people)
    drowsy = [[s.drowsiness for s in states if s.drowsiness] for states in people.values()]
    away = [[s.off_road for s in states if s.off_road] for states in people.values()]
    why = "  quality, and why it is not 100 %"
    rows = []
    if any(drowsy):
        rows += [("drowsiness, 0 to 100", [_format_drowsiness(one) for one in drowsy])]
        rows += [(why, [_format_quality(one) for one in drowsy])]
    if any(away):
        rows += [("looks away", [_format_looks(one) for one in away])]
        rows += [(why, [_format_quality(one) for one in away])]
    return _table(f"<tr><th>{heads}</tr>", rows)


def _format_drowsiness(found: list[Drowsiness]) -> str:
    levels = [one.level for one in found if one.level is not None]
    if not levels:
        return "unknown"
    long_blinks = max(one.long_blinks for one in found)
    return (
        f"mean {np.mean(levels):.0f}, at most {max(levels):.0f}; "
        f"at most {long_blinks} long blinks in a minute"
    )


def _format_looks(found: list[OffRoad]) -> str:
    shares = [one.share for one in found if one.share is not None]
    if not shares:
        return "unknown"
    longest = max((one.longest_s for one in found if one.longest_s is not None), default=0.0)
    return (
        f"mean {np.mean(shares):.0%} of a minute, at most {max(shares):.0%}; "
        f"longest look {longest:.1f} s"
    )


def _format_quality(found: Sequence[Drowsiness | OffRoad]) -> str:
    if not found:
        return ""
    quality = float(np.mean([one.quality for one in found]))
    reasons = Counter(one.reason.split(":")[0] for one in found if one.reason).most_common(1)
    return f"{quality:.0%}" + (f": {reasons[0][0]}" if reasons else "")


def _table(head: str, rows: Sequence[tuple[str, list[str]]]) -> str:
    lines = [
        f"<tr><td>{'&emsp;' * title.startswith(' ')}{escape(title.strip())}"
        + "".join(f"<td>{escape(cell)}" for cell in cells) + "</tr>"
        for title, cells in rows
    ]  # fmt: skip
    return "\n".join(["<div class=wide><table class=words>", head, *lines, "</table></div>"])
