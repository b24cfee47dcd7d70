"""One HTML file about a session that opens anywhere, without a network."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from string import Template
from typing import Final

from affectline.common.wire.messages import Marker
from affectline.services.report.sections.chart import chart
from affectline.services.report.sections.narrative import clock
from affectline.services.sessions.marker_responses import MarkerResponse
from affectline.services.sessions.timeseries import SessionSeries

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
.note { font-size: .85rem; color: #5a626c }
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
<p class=note>$note</p>
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
    session: SessionSeries,
    words: Sequence[str],
    responses: Iterable[MarkerResponse],
    pictures: Sequence[bytes | None],
    note: str = "",
) -> str:
    """The whole page.

    Args:
        title: Its name.
        session: The series.
        words: Paragraphs; the first says the most important.
        responses: A row for each marker and signal.
        pictures: A JPEG file for each marker, or None.
        note: Where and how it was recorded.

    Raises:
        AffectlineError: plotly is not installed.
    """
    said = "".join(
        f"<p{' class=lead' if i == 0 else ''}>{escape(text)}</p>\n" for i, text in enumerate(words)
    )
    return PAGE.substitute(
        title=escape(title),
        words=said,
        note=escape(note),
        chart=chart(session),
        markers="\n".join(_markers(session, list(responses), pictures)),
    )


def _markers(
    session: SessionSeries, responses: list[MarkerResponse], pictures: Sequence[bytes | None]
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


def _caption(marker: Marker, session: SessionSeries) -> str:
    extra = ", ".join(f"{name} {value}" for name, value in marker.extra.items())
    at = "not on the time axis" if session.is_stray(marker) else clock(marker.at, session)
    parts = [at, marker.label, extra]
    return "<br>".join(escape(part) for part in parts if part)


def _row(response: MarkerResponse) -> str:
    unit = f" {escape(response.unit)}" if response.unit else ""
    cells = [
        f"<td>{escape(response.marker)}",
        f"<td>{escape(response.signal.replace('_', ' '))}",
        _figure(response.baseline, unit),
        _seconds(response.onset_s),
        _figure(response.peak, unit),
        _seconds(response.peak_s),
        _seconds(response.recovery_s),
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _figure(value: float | None, unit: str) -> str:
    return "<td class=none>not measured" if value is None else f"<td>{value:.4g}{unit}"


def _seconds(value: float | None) -> str:
    return "<td class=none>none" if value is None else f"<td>{value:.1f} s"
