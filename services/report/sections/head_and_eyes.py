"""Head pose, eyes, blinks, PERCLOS, gaze, doubts, drowsiness and looking away."""

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final, Literal

import numpy as np

from affectline.common.vision.sign_words import DOUBT_WORDS, EYES_UNKNOWN_WORDS, GAZE_WORDS
from affectline.common.wire.biometrics import Drowsiness, OffRoad, State
from affectline.services.report.drawing import ChartRow, DrawnCurve, Lane, draw_rows
from affectline.services.report.section import ReportData, Section, SectionSettings
from affectline.services.report.time_axis import curve_of, stretches_of, whole_span
from affectline.services.report.words import USUAL_SUBJECT, percent
from affectline.services.sessions.sign_channels import measured_people
from affectline.services.sessions.sign_figures import TOO_SLOW, SignFigures
from affectline.services.sessions.sign_series import SignSeries
from affectline.services.sessions.timeseries import Series, SessionSeries

MAX_REASONS: Final = 3
LEAST_PERCLOS: Final = 20.0
"""Minimum upper end of the PERCLOS axis in per cent: 15 is drowsy (Wierwille et al. 1994)."""
LEAST_DEGREES: Final = 40.0
DASHES: Final = ("", "6 3", "2 3")
"""Dash patterns of the curves in one chart, to tell them apart without colours."""
DROWSY: Final = ((30.0, "questionable"), (60.0, "drowsy"))
"""Thresholds of the drowsiness level (`common.wire.biometrics.Drowsiness`)."""
HEAD: Final = (("turned", "yaw", "yaw"), ("lifted", "pitch", "pitch"), ("tilted", "roll", "roll"))
EYES: Final = (
    ("left eye", "eye_opening_left", "left_eye"), ("right eye", "eye_opening_right", "right_eye"),
)  # fmt: skip
"""Name, channel and colour of the curves."""
INTRODUCTION: Final = """<h2>Head and eyes</h2>
<p class=note>For the largest face of each film or camera. Turned: positive to the person's own
left, which is the right of the frame. Lifted: positive upwards. Tilted: positive counter-clockwise.
Zero is an upright head that faces the camera. Opening of the eyes: 100 % is this person's usual
opening.</p>
"""
LIMITS: Final = """<p><strong>Not validated:</strong> PERCLOS and drowsiness were never tested on
drowsy people, looking away never on drivers. Gaze is not calibrated, and mouth opening was not
compared with anything. Blinks and shut eyes were compared with six films of four people, yaw and
pitch only with projections of a model, roll also with one man's. None of this shows whether a
person is fit to drive.</p>
"""


class HeadAndEyesSettings(SectionSettings):
    """Settings of the section."""

    section: Literal["head_and_eyes"] = "head_and_eyes"


class HeadAndEyesSection(Section):
    """Shows head pose, eyes, blinks, PERCLOS, gaze, doubts, drowsiness and looking away."""

    settings_model = HeadAndEyesSettings
    order = 30

    def render(self, data: ReportData) -> str:
        session = data.session
        # Pictures of folders have no times, so no blinks; their list shows their doubts
        figures = {name: session.streams[name].signs for name in session.signs}
        people = measured_people(session.states)
        if not figures and not people:
            return ""
        tables = [_figures_table(figures)] if figures else []
        tables += [_people_table(people)] if people else []
        rows = [*_rows(session), *_people_rows(people, session)]
        drawn = [draw_rows(rows, whole_span(session, data.annotations))] if rows else []
        return "\n".join([INTRODUCTION, *tables, LIMITS, *drawn])


def _rows(session: SessionSeries) -> Iterator[ChartRow]:
    several = len(session.signs) > 1
    for stream, signs in session.signs.items():
        where = f" in {stream}" if several else ""
        if signs.is_known("yaw"):
            curves = _curves(signs, HEAD, session)
            yield ChartRow(f"Direction of the head{where}", "degrees", curves, least=LEAST_DEGREES)
        if signs.is_known("eye_opening_left", "eye_opening_right"):
            blinks = [
                ((blink.at - session.zero) / 1e9, f"blink of {blink.duration_ms:.0f} ms")
                for blink in signs.blinks
            ]
            yield ChartRow(
                f"Opening of the eyes{where}", "% of this person's usual",
                _curves(signs, EYES, session, factor=100), (0, 120), decimals=0, ticks=blinks,
                ticks_name="blink",
            )  # fmt: skip
        if signs.is_known("perclos"):
            highest = 100 * float(np.nanmax(signs.values("perclos")))
            yield ChartRow(
                f"PERCLOS{where}: share of the last minute with shut eyes, not validated", "%",
                _curves(signs, [("PERCLOS", "perclos", "quality")], session, factor=100),
                (0, LEAST_PERCLOS if highest <= LEAST_PERCLOS else 100), decimals=1,
            )  # fmt: skip
        lanes = [
            Lane(words, stretches_of(signs.doubt_stretches(doubt), session))
            for doubt, words in DOUBT_WORDS.items()
            if signs.doubt_stretches(doubt)
        ]
        if lanes:
            yield ChartRow(f"Why an expression is not to be trusted{where}", lanes=lanes)


def _curves(
    signs: SignSeries,
    names: Sequence[tuple[str, str, str]],
    session: SessionSeries,
    factor: float = 1.0,
) -> list[DrawnCurve]:
    times = np.array(signs.times, np.int64)
    curves = []
    for (name, channel, colour), dash in zip(names, DASHES, strict=False):
        values = signs.values(channel)
        known = np.isfinite(values)
        breaks = np.diff(np.cumsum(~known)[known], prepend=0) > 0  # no line across unknown values
        series = Series(name, "", times[known], values[known])
        curves.append(
            curve_of(series, session, name, colour, breaks=breaks, factor=factor, dash=dash)
        )
    return curves


def _people_rows(people: dict[str, list[State]], session: SessionSeries) -> Iterator[ChartRow]:
    for subject, states in people.items():
        whose = "" if subject == USUAL_SUBJECT else f" of {subject}"
        levels = [
            (state.at, state.drowsiness.level)
            for state in states
            if state.drowsiness is not None and state.drowsiness.level is not None
        ]
        if levels:
            title = f"Drowsiness{whose}, not validated"
            yield ChartRow(title, "0 to 100", [_line(levels, session)], (0, 100), borders=DROWSY)
        shares = [
            (state.at, 100 * state.off_road.share)
            for state in states
            if state.off_road is not None and state.off_road.share is not None
        ]
        if shares:
            title = f"Looks away{whose}: share of the last minute, not validated"
            yield ChartRow(title, "%", [_line(shares, session)], (0, 100), decimals=0)


def _line(points: list[tuple[int, float]], session: SessionSeries) -> DrawnCurve:
    times, values = (np.array(column) for column in zip(*points, strict=True))
    return curve_of(Series("", "", times.astype(np.int64), values), session, "", "quality")


def _figures_table(figures: dict[str, SignFigures]) -> str:
    heads = "".join(f"<th scope=col>{escape(name)}</th>" for name in figures)
    rows: list[tuple[str, list[str]]]
    rows = _eye_rows(figures) if any(one.has_eyes for one in figures.values()) else []
    rows.append(
        (
            "not to be trusted",
            [
                f"{percent(one.share_of_faces(one.doubted), 1)} of the frames with a face"
                for one in figures.values()
            ],
        )
    )
    rows += [
        (f"  {words}", [
            percent(one.share_of_faces(one.doubts[doubt]), 1) if doubt in one.doubts else ""
            for one in figures.values()
        ])
        for doubt, words in DOUBT_WORDS.items()
        if any(doubt in one.doubts for one in figures.values())
    ]  # fmt: skip
    return _table("Figures of head and eyes", f"<tr><td></td>{heads}</tr>", rows)


def _eye_rows(figures: dict[str, SignFigures]) -> list[tuple[str, list[str]]]:
    return [
        ("blinks", [_format_blinks(one) for one in figures.values()]),
        ("PERCLOS", [_format_perclos(one) for one in figures.values()]),
        ("gaze", [_format_shares(one.gazes, GAZE_WORDS) for one in figures.values()]),
        ("eyes unknown", [_format_counts(one, one.eyes_unknown, EYES_UNKNOWN_WORDS)
                          for one in figures.values()]),
    ]  # fmt: skip


def _format_blinks(figures: SignFigures) -> str:
    if figures.is_too_slow:
        return f"unknown: {TOO_SLOW}"
    if not figures.eyes_seen_ns:
        return "the eyes were never visible"
    middle, rate = figures.blink_median_ms, figures.blinks_per_minute
    seconds = figures.eyes_seen_ns / 1e9
    text = f"{figures.blink_count} in {seconds:.0f} s of visible eyes"
    text += f", {rate:.1f} a minute" if rate is not None else ", too short for a rate"
    return text + (f", median {middle:.0f} ms" if middle is not None else "")


def _format_perclos(figures: SignFigures) -> str:
    mean, highest = figures.perclos_mean, figures.perclos_highest
    if mean is None or highest is None:
        return "unknown: needs 20 s of known eye opening"
    return f"mean {percent(mean, 1)}, at most {percent(highest, 1)}"


def _format_shares(counts: dict[str, int], words: Any) -> str:
    total = sum(counts.values())
    ordered = Counter(counts).most_common()
    return (
        ", ".join(f"{words[name]} {percent(count / total)}" for name, count in ordered) or "unknown"
    )


def _format_counts(figures: SignFigures, counts: dict[str, int], words: Any) -> str:
    ordered = Counter(counts).most_common(MAX_REASONS)
    shares = [
        f"{words[name]} {percent(figures.share_of_faces(count), 1)}" for name, count in ordered
    ]
    return "; ".join(shares) or "never"


def _people_table(people: dict[str, list[State]]) -> str:
    heads = "".join(f"<th scope=col>{escape(subject)}</th>" for subject in people)
    drowsy = [[s.drowsiness for s in states if s.drowsiness] for states in people.values()]
    away = [[s.off_road for s in states if s.off_road] for states in people.values()]
    why = f"  quality, and why it is not {percent(1)}"
    rows = []
    if any(drowsy):
        rows += [("drowsiness, 0 to 100", [_format_drowsiness(one) for one in drowsy])]
        rows += [(why, [_format_quality(one) for one in drowsy])]
    if any(away):
        rows += [("looks away", [_format_looks(one) for one in away])]
        rows += [(why, [_format_quality(one) for one in away])]
    return _table("Drowsiness and looks away", f"<tr><td></td>{heads}</tr>", rows)


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
        f"mean {percent(float(np.mean(shares)))} of a minute, at most {percent(max(shares))}; "
        f"longest look {longest:.1f} s"
    )


def _format_quality(found: Sequence[Drowsiness | OffRoad]) -> str:
    if not found:
        return ""
    quality = float(np.mean([one.quality for one in found]))
    reasons = Counter(one.reason.split(":")[0] for one in found if one.reason).most_common(1)
    return percent(quality) + (f": {reasons[0][0]}" if reasons else "")


def _table(name: str, head: str, rows: Sequence[tuple[str, list[str]]]) -> str:
    lines = [
        f"<tr><th scope=row{' class=part' * name.startswith(' ')}>{escape(name.strip())}</th>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
        for name, cells in rows
    ]  # fmt: skip
    return "\n".join([
        f'<div class=wide tabindex=0 role=region aria-label="{name}"><table class=words>',
        f"<thead>{head}</thead><tbody>", *lines, "</tbody></table></div>",
    ])  # fmt: skip
