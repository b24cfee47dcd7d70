"""One HTML file about a session that opens anywhere, without a network."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from string import Template
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from common.errors import AffectlineError
from common.labels import LABELS
from common.messages import Marker
from services.report.events import Response
from services.report.series import Series, Session
from services.report.words import clock

COLOURS: Final = dict(
    zip(
        LABELS,
        ("#d62728", "#8c564b", "#9467bd", "#f2b701", "#1f77b4", "#ff7f0e", "#9aa0a6"),
        strict=True,
    )
)
"""Red for anger, yellow for happiness, blue for sadness: as people paint them."""
POINTS: Final = 4000
"""Points of a curve that a page carries; more are thinned out, with every peak kept."""
GAP_S: Final = 3.0
"""Values further apart are not joined by a line."""
ROW_PX: Final = 190

PAGE: Final = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { margin: 0 auto; padding: 1rem; max-width: 75rem; color: #1c2024; background: #fff;
  font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.1rem; font-weight: normal; color: #5a626c; overflow-wrap: anywhere }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem }
p { max-width: 46rem }
.lead { font-size: 1.25rem; line-height: 1.4 }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { white-space: nowrap; text-align: right; padding: .25rem .7rem;
  border-bottom: 1px solid #c9ced6 }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left }
th:first-child, td:first-child { padding-left: 0 }
td.none { color: #5a626c }
.sheet { display: flex; flex-wrap: wrap; gap: 1rem }
figure { margin: 0; width: 10rem }
figure img { width: 100%; display: block }
figcaption { font-size: .85rem; line-height: 1.3; overflow-wrap: anywhere }
</style>
<h1>$title</h1>
$words
<h2>Over time</h2>
<p>Drag over a stretch to look at it more closely, double-click to see everything again; a click in
the legend hides a curve.</p>
$chart
$markers
<h2>What it does not say</h2>
<p>Nervousness is a bodily arousal that goes with threat or effort; warmth, movement, coffee and
illness raise heart rate and skin conductance too. Expressions are not feelings. This page is no
medical finding, and none on which to decide about anybody.</p>
</html>
""")


def page(
    title: str,
    session: Session,
    words: Sequence[str],
    responses: Iterable[Response],
    pictures: Sequence[bytes | None],
) -> str:
    """The whole page.

    Args:
        title: Its name.
        session: The series.
        words: Paragraphs; the first says the most important.
        responses: A row for each marker and signal.
        pictures: A JPEG file for each marker, or None.

    Raises:
        AffectlineError: plotly is not installed.
    """
    said = "".join(
        f"<p{' class=lead' if i == 0 else ''}>{escape(text)}</p>\n" for i, text in enumerate(words)
    )
    return PAGE.substitute(
        title=escape(title),
        words=said,
        chart=chart(session),
        markers="\n".join(_markers(session, list(responses), pictures)),
    )


def chart(session: Session) -> str:
    """All curves under each other on one time axis, as a piece of HTML with plotly inside."""
    try:
        import plotly.graph_objects as go
        from plotly.subplots import make_subplots
    except ImportError as error:
        raise AffectlineError(
            "a report needs plotly, which is not installed", "pip install 'affectline[report]'"
        ) from error
    rows = list(_rows(session))
    if not rows:
        return "<p>Nothing that changes over time was recorded.</p>"
    figure = make_subplots(
        rows=len(rows), shared_xaxes=True, vertical_spacing=0.35 / (len(rows) + 4),
        subplot_titles=[title for title, _ in rows],
    )  # fmt: skip
    for number, (_, curves) in enumerate(rows, start=1):
        for series, style in curves:
            times, values = thin(series)
            figure.add_trace(
                go.Scatter(x=_elapsed(times, session), y=values, name=series.name, **style),
                row=number, col=1,
            )  # fmt: skip
    for index, marker in enumerate(session.markers):
        at = _elapsed(np.array([marker.at]), session)[0]
        figure.add_vline(at, line_dash="dot", line_color="#1c2024", line_width=1)
        figure.add_annotation(
            x=at, y=1, yref="paper", yshift=30 + 14 * (index % 2), showarrow=False,
            text=escape(marker.label[:30]), font_size=11,
        )  # fmt: skip
    figure.update_xaxes(tickformat="%H:%M:%S", hoverformat="%H:%M:%S.%L")
    figure.update_layout(
        height=110 + ROW_PX * len(rows), template="plotly_white", hovermode="x unified",
        margin={"l": 50, "r": 20, "t": 90, "b": 40},
    )  # fmt: skip
    html: str = figure.to_html(full_html=False, include_plotlyjs=True)
    return html


Curve = tuple[Series, dict[str, Any]]
ORDER: Final = ("heart_rate", "skin_conductance", "arousal", "valence")
LINE: Final = {"mode": "lines", "line": {"width": 1.4}}


def _rows(session: Session) -> Iterator[tuple[str, list[Curve]]]:
    """The pictures from top to bottom: title and curves."""
    told = {
        name: series for name, series in session.series.items() if name.endswith(" nervousness")
    }
    if told:
        yield "Nervousness, 0 to 100", [(series, LINE) for series in told.values()]
    for stream, shares in session.emotions.items():
        yield (
            f"Expression in {stream}: share of each emotion",
            [
                (series, {
                    "mode": "lines", "stackgroup": stream, "line": {"width": 0},
                    "fillcolor": COLOURS[label], "legendgroup": label,
                })
                for label, series in shares.items()
            ],
        )  # fmt: skip
    for name, series in sorted(session.series.items(), key=lambda pair: _place(pair[0])):
        if name not in told:
            unit = f", {series.unit}" if series.unit else ""
            bounds = ", -1 to 1" if name.endswith((" arousal", " valence")) else unit
            yield f"{name.replace('_', ' ')}{bounds}", [(series, LINE)]


def _place(name: str) -> int:
    """What people look for first comes first."""
    kind = name.split(" ", 1)[-1]
    return ORDER.index(kind) if kind in ORDER else len(ORDER)


def thin(series: Series) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """At most ``POINTS`` or so points of a series; gaps get a value that is not a number.

    Of each stretch the lowest and the highest value stay, so that no peak is lost.
    """
    times, values = series.times, series.values
    stretch = np.concatenate([[0], np.cumsum(np.diff(times) > GAP_S * 1e9)])
    if len(times) > POINTS:
        size = -(-len(times) * 2 // POINTS)
        parts = (slice(i, i + size) for i in range(0, len(times), size))
        ends = [(p.start + values[p].argmin(), p.start + values[p].argmax()) for p in parts]
        kept = np.unique(np.array(ends))
        times, values, stretch = times[kept], values[kept], stretch[kept]
    gaps = np.flatnonzero(np.diff(stretch)) + 1
    return np.insert(times, gaps, times[gaps - 1] + 1), np.insert(values, gaps, np.nan)


def _elapsed(times: NDArray[np.int64], session: Session) -> list[str]:
    """Times since the beginning, as dates: plotly writes those as hours, minutes and seconds."""
    since = (times - (session.first or 0)).astype("datetime64[ns]")
    return [str(text) for text in np.datetime_as_string(since, unit="ms")]


def _markers(
    session: Session, responses: list[Response], pictures: Sequence[bytes | None]
) -> Iterator[str]:
    if not session.markers:
        return
    yield "<h2>Markers</h2>\n<div class=sheet>"
    for marker, picture in zip(session.markers, pictures, strict=True):
        image = "no face was recorded here"
        if picture:
            image = f'<img alt="face" src="data:image/jpeg;base64,{b64encode(picture).decode()}">'
        yield f"<figure>{image}<figcaption>{_caption(marker, session)}</figcaption></figure>"
    yield "</div>"
    if responses:
        yield (
            "<p>Before: mean of the seconds before the marker. Onset: when the signal leaves it by "
            "two of its standard deviations. Peak: furthest from it. Recovery: from the peak until "
            "half of the way back.</p>\n<div class=wide><table>"
            "<tr><th>marker<th>signal<th>before<th>onset<th>peak<th>at<th>recovery</tr>"
        )
        yield from (_row(response) for response in responses)
        yield "</table></div>"


def _caption(marker: Marker, session: Session) -> str:
    extra = ", ".join(f"{name} {value}" for name, value in marker.extra.items())
    parts = [clock(marker.at, session), marker.label, extra]
    return "<br>".join(escape(part) for part in parts if part)


def _row(response: Response) -> str:
    unit = f" {escape(response.unit)}" if response.unit else ""
    cells = [
        f"<td>{escape(response.marker)}",
        f"<td>{escape(response.signal.replace('_', ' '))}",
        f"<td>{response.baseline:.4g}{unit}",
        _seconds(response.onset_s),
        f"<td>{response.peak:.4g}{unit}",
        _seconds(response.peak_s),
        _seconds(response.recovery_s),
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _seconds(value: float | None) -> str:
    return "<td class=none>none" if value is None else f"<td>{value:.1f} s"
