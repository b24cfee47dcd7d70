"""The curves of a session below each other, each with a time axis of the same length."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Final, Literal

import numpy as np

from affectline.services.report.drawing import ChartRow, DrawnCurve, draw_rows
from affectline.services.report.section import ReportData, Section, SectionSettings
from affectline.services.report.time_axis import (
    curve_of,
    downsample_stack,
    seconds_of,
    stretches_of,
    whole_span,
)
from affectline.services.report.words import (
    USUAL_SUBJECT,
    by_importance,
    describe_quantity,
    quantity,
    subject,
    title,
    unit,
)
from affectline.services.sessions.edits import Annotation
from affectline.services.sessions.person_state import LEAST_QUALITY, doubtful_stretches
from affectline.services.sessions.timeseries import (
    AFFECT_FIGURES,
    STATE_FIGURES,
    Series,
    SessionSeries,
)

EMPTY: Final = "<p>Nothing that changes over time was recorded.</p>"
DASHES: Final = ("", "5 3", "2 3", "8 3 2 3")
"""Dash patterns for several people in one chart."""
DOUBTED: Final = (
    "Hatched: not to be trusted, because the face was turned away, covered, dark or similar, had "
    "its eyes shut or was speaking; the reasons are below."
)
UNSURE: Final = (
    f"Hatched nervousness: not to be trusted, because its quality was below {LEAST_QUALITY:.0%}."
)
SCALE: Final = "\N{MINUS SIGN}1 to 1"
MARKED: Final = "Dotted lines are markers, labelled with their numbers."
SHADED: Final = "Shaded parts are annotations, labelled with their letters."


class ChartSettings(SectionSettings):
    """Settings of the chart."""

    section: Literal["chart"] = "chart"


class ChartSection(Section):
    """Shows all series over time."""

    settings_model = ChartSettings
    order = 25

    def render(self, data: ReportData) -> str:
        session = data.session
        if session.pictures and session.first is None:
            return ""  # pictures have no times
        return "<h2>Over time</h2>\n" + draw_chart(session, data.annotations)


def draw_chart(session: SessionSeries, annotations: Sequence[Annotation] = ()) -> str:
    """All curves as HTML.

    Args:
        session: The session.
        annotations: Parts to shade.
    """
    rows = list(_rows(session))
    if not rows:
        return EMPTY
    words = [DOUBTED] if any(row.doubted and row.is_stacked for row in rows) else []
    words += [UNSURE] if any(row.doubted and not row.is_stacked for row in rows) else []
    words += [MARKED] if session.markers else []
    words += [SHADED] if annotations else []
    note = f"<p class=note>{' '.join(words)}</p>\n" if words else ""
    return note + draw_rows(rows, whole_span(session, annotations))


def _rows(session: SessionSeries) -> Iterator[ChartRow]:
    """The charts from top to bottom."""
    ordered = by_importance(session.told_series)
    nervousness = [series for series in ordered if quantity(series) == "nervousness"]
    if nervousness:
        yield _nervousness_row(nervousness, session)
    for stream, by_label in session.emotions.items():
        yield _expression_row(stream, list(by_label.values()), session)
        if stream in session.affects:
            yield _affect_row(stream, session)
    fused = [series for series in ordered if quantity(series) in AFFECT_FIGURES]
    for series in ordered:
        if quantity(series) in STATE_FIGURES:
            continue
        kind = describe_quantity(quantity(series))
        curve = curve_of(series, session, subject(series), kind.colour)
        yield ChartRow(title(series), unit(series), (curve,), kind.bounds, kind.least)
    for whose in dict.fromkeys(map(subject, fused)):
        yield _fused_row(whose, [one for one in fused if subject(one) == whose], session)


def _nervousness_row(several: list[Series], session: SessionSeries) -> ChartRow:
    curves = [
        curve_of(series, session, subject(series), "nervousness", dash=dash)
        for series, dash in zip(several, cycle(DASHES), strict=False)
    ]
    name = title(several[0], with_subject=len(several) == 1)
    people = [subject(series) for series in several]
    doubted = doubtful_stretches(session.states, people[0]) if len(people) == 1 else []
    kind = describe_quantity("nervousness")
    return ChartRow(
        f"{name}: stress index from heart and skin", unit(several[0]), curves, kind.bounds,
        doubted=stretches_of(doubted, session), decimals=0,
    )  # fmt: skip


def _expression_row(stream: str, layers: list[Series], session: SessionSeries) -> ChartRow:
    times, columns = downsample_stack(layers)
    seconds = seconds_of(times, session)
    curves = [
        DrawnCurve(series.name, series.name, seconds, 100 * np.asarray(column))
        for series, column in zip(layers, columns, strict=True)
    ]
    signs = session.signs.get(stream)
    doubted = signs.doubt_stretches() if signs else []
    return ChartRow(
        f"Expression{_whose(stream, session)}: probability of each emotion", "%", curves, (0, 100),
        is_stacked=True, doubted=stretches_of(doubted, session), decimals=0,
    )  # fmt: skip


def _affect_row(stream: str, session: SessionSeries) -> ChartRow:
    """Valence and arousal of a stream's largest face."""
    curves = [
        curve_of(series, session, name, name) for name, series in session.affects[stream].items()
    ]
    names = " and ".join(AFFECT_FIGURES).capitalize()
    return ChartRow(
        f"{names}{_whose(stream, session)}",
        SCALE, curves, (-1, 1), decimals=2,
    )  # fmt: skip


def _fused_row(whose: str, several: list[Series], session: SessionSeries) -> ChartRow:
    """Valence and arousal fused from a person's face, heart and skin."""
    curves = [
        curve_of(series, session, quantity(series), quantity(series), dash=DASHES[1])
        for series in sorted(several, key=lambda one: AFFECT_FIGURES.index(quantity(one)))
    ]
    of = "" if whose == USUAL_SUBJECT else f" of {whose}"
    return ChartRow(
        f"Valence and arousal{of}, fused from face, heart and skin", SCALE, curves, (-1, 1),
        decimals=2,
    )  # fmt: skip


def _whose(stream: str, session: SessionSeries) -> str:
    """Which face a chart shows, and which film or camera if there are several."""
    face = "the largest face" if session.most_faces.get(stream, 1) > 1 else "the face"
    return f" of {face} in {stream}" if len(session.emotions) > 1 else f" of {face}"
