"""The curves of a session under each other on one time axis, zoomable."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.vision.palette import AFFECT_COLOURS, COLOURS
from affectline.services.report.section import ReportData, Section, SectionSettings
from affectline.services.report.time_axis import (
    AXIS_TITLE,
    GAP_S,
    HATCH,
    POINTS,
    axis_format,
    downsample,
    elapsed,
    hatched,
    load_plotly,
    to_html,
)
from affectline.services.sessions.timeseries import Series, SessionSeries

ROW_PX: Final = 190
TITLE_PX: Final = 42
"""Of a row's height what is left for the title above it."""
TOP_PX: Final = 40
NAMES_PX: Final = 45
"""For the names of markers, in two lines."""
FOOT_PX: Final = 60
NAMED_MARKERS: Final = 30
"""With more markers than this only lines are drawn: nobody could read the names."""


INTRODUCTION: Final = """<h2>Over time</h2>
<p>Drag over a stretch to look at it more closely, double-click to see everything again; a click in
the legend hides a curve.</p>
"""
HATCHED: Final = """<p>Hatched: the face was turned away, covered, dark or the like, or its eyes
were shut or its mouth spoke, so that its expression should not be trusted; the reasons are
below.</p>
"""


class ChartSettings(SectionSettings):
    """Settings of the chart."""

    section: Literal["chart"] = "chart"


class ChartSection(Section):
    """Shows all series over time."""

    settings_model = ChartSettings
    order = 20

    def render(self, data: ReportData) -> str:
        session = data.session
        if session.pictures and session.first is None:
            return ""  # pictures have no place in time
        is_doubted = any(any(found.doubts) for found in session.signs.values())
        return INTRODUCTION + (HATCHED if is_doubted else "") + draw_chart(session)


def draw_chart(session: SessionSeries) -> str:
    """All curves as HTML.

    Raises:
        AffectlineError: plotly is not installed.
    """
    go = load_plotly()
    from plotly.subplots import make_subplots

    rows = list(_rows(session))
    if not rows:
        return "<p>Nothing that changes over time was recorded.</p>"
    figure = make_subplots(
        rows=len(rows), shared_xaxes=True, vertical_spacing=TITLE_PX / (ROW_PX * len(rows)),
        subplot_titles=[row.title for row in rows],
    )  # fmt: skip
    first = next((i for i, row in enumerate(rows, start=1) if row.doubted), None)
    for number, row in enumerate(rows, start=1):
        for name, times, values, style in row.curves:
            curve = go.Scatter(x=elapsed(times, session), y=values, name=name, **style)
            figure.add_trace(curve, row=number, col=1)
        if row.doubted:
            xs, ys = hatched(row.doubted, session)
            named_once = {"name": DOUBTED, "legendgroup": DOUBTED, "showlegend": number == first}
            figure.add_trace(go.Scatter(x=xs, y=ys, **named_once, **HATCH), row=number, col=1)
        figure.update_yaxes(range=row.bounds, hoverformat=".4~g", row=number, col=1)
    named = next((i for i, row in enumerate(rows, start=1) if row.title.startswith(EXPRESSION)), 1)
    figure.update_xaxes(**axis_format(session))
    figure.update_xaxes(title_text=AXIS_TITLE, row=len(rows), col=1)
    lines, names = _marker_lines(session)
    top = TOP_PX + (NAMES_PX if names else 0)
    figure.update_layout(
        height=top + FOOT_PX + ROW_PX * len(rows), template="plotly_white", hovermode="x unified",
        margin={"l": 50, "r": 20, "t": top, "b": FOOT_PX},
        legend={"y": next(figure.select_yaxes(row=named)).domain[1], "traceorder": "reversed"},
        # All at once: plotly takes minutes to add a few hundred one by one
        shapes=lines, annotations=[*figure.layout.annotations, *names],
    )  # fmt: skip
    return to_html(figure)


def _marker_lines(session: SessionSeries) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A line through all rows for each marker, and its name above."""
    markers = [marker for marker in session.markers if not session.is_stray(marker)]
    moments = elapsed(np.array([marker.at for marker in markers], np.int64), session)
    line = {"dash": "dot", "color": "#1c2024", "width": 1}
    lines = [
        {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "line": line}
        for at in moments
    ]
    names = [
        {
            "x": at, "y": 1, "yref": "paper", "yshift": 30 + 14 * (i % 2), "showarrow": False,
            "text": escape(marker.label[:30]), "font": {"size": 11},
        }
        for i, (at, marker) in enumerate(zip(moments, markers, strict=True))
    ]  # fmt: skip
    return lines, names if len(names) <= NAMED_MARKERS else []


Curve = tuple[str, NDArray[np.int64], NDArray[np.float64], dict[str, Any]]
"""Name, times, values, and style for plotly."""
ORDER: Final = ("nervousness", "heart_rate", "skin_conductance", "arousal", "valence")
BOUNDS: Final = {"nervousness": (0, 100), "arousal": (-1, 1), "valence": (-1, 1)}
EXPRESSION: Final = "Expression in "
DOUBTED: Final = "doubtful"
"""What is hatched, in the legend."""


class ChartRow(NamedTuple):
    """One subplot; ``bounds`` of its values, where they have some, and what of it is hatched."""

    title: str
    curves: list[Curve]
    bounds: tuple[float, float] | None = None
    doubted: list[tuple[int, int]] = []  # noqa: RUF012 - never changed


def _rows(session: SessionSeries) -> Iterator[ChartRow]:
    """The subplots from top to bottom."""
    ordered = by_importance(session.told_series)
    nervousness = [series for series in ordered if quantity(series) == "nervousness"]
    if nervousness:
        yield ChartRow("Nervousness, 0 to 100", _lines(nervousness), BOUNDS["nervousness"])
    for i, (stream, by_label) in enumerate(session.emotions.items()):
        times, columns = downsample_stack(list(by_label.values()))
        style = {"mode": "lines", "stackgroup": stream, "line": {"width": 0}, "showlegend": i == 0}
        yield ChartRow(
            f"{EXPRESSION}{stream}: probability of each emotion",
            [
                (label, times, column, style | {
                    "fillcolor": COLOURS[label], "legendgroup": label,
                })
                for label, column in zip(by_label, columns, strict=True)
            ],
            (0, 1),
            _doubted(stream, session),
        )  # fmt: skip
        yield _affect_row(stream, session, named=i == 0)
    for series in ordered[len(nervousness) :]:
        bounds = BOUNDS.get(quantity(series))
        unit = f"{bounds[0]} to {bounds[1]}" if bounds else series.unit
        title = series.name.replace("_", " ") + (f", {unit}" if unit else "")
        yield ChartRow(title, _lines([series]), bounds)


def _doubted(stream: str, session: SessionSeries) -> list[tuple[int, int]]:
    """When the stream's largest face was doubted."""
    found = session.signs.get(stream)
    return [(start, end) for start, end in found.doubt_stretches()] if found else []


def _affect_row(stream: str, session: SessionSeries, *, named: bool) -> ChartRow:
    """Valence and arousal of a stream's largest face."""
    curves: list[Curve] = [
        (name, *downsample(series), {
            "mode": "lines", "line": {"width": 1.4, "color": AFFECT_COLOURS[name]},
            "legendgroup": name, "showlegend": named,
        })
        for name, series in session.affects.get(stream, {}).items()
    ]  # fmt: skip
    return ChartRow(f"Valence and arousal in {stream}, -1 to 1", curves, BOUNDS["valence"])


def _lines(several: list[Series]) -> list[Curve]:
    """A single curve is named by the title above it, several by the legend."""
    style: dict[str, Any] = {"mode": "lines", "line": {"width": 1.4}}
    if len(several) == 1:
        style = style | {"line": {"width": 1.4, "color": "#1f4e8c"}, "showlegend": False}
    return [(series.name, *downsample(series), style) for series in several]


def quantity(series: Series) -> str:
    """Name of a series without its subject."""
    return series.name.split(" ", 1)[-1]


def by_importance(several: Iterable[Series]) -> list[Series]:
    """Sort series so that what most readers look for comes first."""
    places = {kind: i for i, kind in enumerate(ORDER)}
    return sorted(several, key=lambda series: places.get(quantity(series), len(ORDER)))


def downsample_stack(
    several: Sequence[Series],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Reduce series with the same times to about ``POINTS`` common points, for a stack.

    Stacked curves need the same times, so each point is the mean of a stretch. Around a gap there
    are points of zero.

    Returns:
        Times ``(M,)``, and values ``(N, M)`` of the N series.
    """
    times, values = several[0].times, np.stack([series.values for series in several])
    gaps = np.flatnonzero(np.diff(times) > GAP_S * 1e9) + 1
    starts = np.union1d(np.arange(0, len(times), -(-len(times) // POINTS)), gaps)
    values = np.add.reduceat(values, starts, axis=1) / np.diff(np.append(starts, len(times)))
    around = np.stack([times[gaps - 1] + 1, times[gaps] - 1], axis=1).ravel()
    places = np.repeat(np.searchsorted(starts, gaps), 2)
    return np.insert(times[starts], places, around), np.insert(values, places, 0.0, axis=1)
