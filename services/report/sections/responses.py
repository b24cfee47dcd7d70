"""The response of each signal to each marker, as a table."""

from html import escape
from typing import Final, Literal

from pydantic import Field

from affectline.services.report.section import ReportData, Section, SectionSettings
from affectline.services.report.sections.chart import by_importance
from affectline.services.sessions.marker_responses import (
    AFTER_S,
    BEFORE_S,
    MarkerResponse,
    marker_responses,
)

HEAD: Final = (
    "<p>Before: mean of the seconds before the marker. Onset: when the signal leaves it by "
    "two of its standard deviations. Peak: furthest from it. Recovery: from the peak until "
    "half of the way back.</p>\n<div class=wide><table>"
    "<tr><th>marker<th>signal<th>before<th>onset<th>peak<th>at<th>recovery</tr>"
)


class ResponsesSettings(SectionSettings):
    """Settings of the table of responses."""

    section: Literal["responses"] = "responses"
    before_s: float = Field(BEFORE_S, ge=1, le=600)
    """Seconds before a marker over which the baseline is averaged."""
    after_s: float = Field(AFTER_S, ge=1, le=600)
    """Seconds after a marker that are searched for the response."""


class ResponsesSection(Section):
    """Shows baseline, onset, peak and recovery around each marker."""

    settings_model = ResponsesSettings
    order = 40

    def render(self, data: ReportData) -> str:
        signals = by_importance(data.session.told_series)
        before_s, after_s = self.settings.before_s, self.settings.after_s
        responses = marker_responses(data.session.markers, signals, before_s, after_s)
        rows = [format_row(response) for response in responses]
        return "\n".join([HEAD, *rows, "</table></div>"]) if rows else ""


def format_row(response: MarkerResponse) -> str:
    """A row of the table as HTML."""
    unit = f" {escape(response.unit)}" if response.unit else ""
    cells = [
        f"<td>{escape(response.marker)}",
        f"<td>{escape(response.signal.replace('_', ' '))}",
        _format_value(response.baseline, unit),
        _format_seconds(response.onset_s),
        _format_value(response.peak, unit),
        _format_seconds(response.peak_s),
        _format_seconds(response.recovery_s),
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _format_value(value: float | None, unit: str) -> str:
    return "<td class=none>not measured" if value is None else f"<td>{value:.4g}{unit}"


def _format_seconds(value: float | None) -> str:
    return "<td class=none>none" if value is None else f"<td>{value:.1f} s"
