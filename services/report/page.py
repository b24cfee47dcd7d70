"""A report as one HTML file that opens anywhere, without a network."""

from collections.abc import Iterable
from html import escape
from string import Template
from typing import Final

from affectline.services.report.section import ReportData, Section
from affectline.services.report.sections.narrative import format_date, format_duration
from affectline.services.report.time_axis import plotly_script
from affectline.services.sessions.timeseries import SessionSeries

PAGE: Final = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$name</title>
<style>
body { margin: 0 auto; padding: 1rem; max-width: 75rem; color: #1c2024; background: #fff;
  font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.1rem; font-weight: normal; color: #5a626c; overflow-wrap: anywhere }
h1 strong { color: #1c2024; font-weight: 600 }
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
table.figures th:nth-child(2), table.figures td:nth-child(2) { text-align: right }
table.words td { white-space: normal; text-align: left; max-width: 30rem }
table.words th { text-align: left }
table.figures th { font-weight: normal }
.sheet { display: flex; flex-wrap: wrap; gap: 1rem }
figure { margin: 0; width: 10rem }
figure img { width: 100%; display: block }
figcaption { font-size: .85rem; line-height: 1.3; overflow-wrap: anywhere }
</style>
<h1><strong>$name</strong>$when</h1>
$sections
</html>
""")
FIGURE: Final = "Plotly.newPlot("
"""In the HTML of figures."""


def render_page(data: ReportData, sections: Iterable[Section]) -> str:
    """Return the page as HTML.

    Raises:
        AffectlineError: A package that a section needs is not installed.
    """
    rendered = [html for section in sections if (html := section.render(data))]
    first = next((i for i, html in enumerate(rendered) if FIGURE in html), None)
    if first is not None:
        rendered.insert(first, plotly_script())  # the words above it show at once
    return PAGE.substitute(
        name=escape(data.recording.name),
        when=escape(_describe_time(data.session)),
        sections="\n".join(rendered),
    )


def _describe_time(session: SessionSeries) -> str:
    """Date and length of a session, as the rest of its title."""
    date = f" \N{MIDDLE DOT} {format_date(session.zero)}" if session.zero else ""
    if session.first is None:  # pictures, or nothing at all
        return date
    return f"{date} \N{MIDDLE DOT} {format_duration(session.seconds)}"
