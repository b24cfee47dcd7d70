"""The response of each signal to each marker, as a table."""

from html import escape
from itertools import groupby
from typing import Final, Literal

from pydantic import Field

from affectline.services.report.section import ReportData, Section, SectionSettings
from affectline.services.report.words import (
    by_importance,
    format_clock,
    number,
    quantity,
    subject,
    title,
    unit,
)
from affectline.services.sessions.marker_responses import (
    AFTER_S,
    BEFORE_S,
    MarkerResponse,
    marker_responses,
)
from affectline.services.sessions.person_state import doubtful_stretches
from affectline.services.sessions.timeseries import Series, SessionSeries

HEAD: Final = (
    "<h2>Responses to markers</h2>\n<p class=note>Before: mean of the {before:g} s before the "
    "marker. Onset: when the signal differs from that by two standard deviations. Peak: the "
    "furthest value in the {after:g} s after. Recovery: from the peak until half-way back.</p>\n"
    '<div class=wide tabindex=0 role=region aria-label="Responses to markers">'
    "<table class=responses><thead><tr>"
    "<th scope=col class=text>marker</th><th scope=col class=text>signal</th>"
    "<th scope=col>before</th><th scope=col>onset</th><th scope=col>peak</th>"
    "<th scope=col>at</th><th scope=col>recovery</th></tr></thead>"
)


class ResponsesSettings(SectionSettings):
    """Settings of the table of responses."""

    section: Literal["responses"] = "responses"
    before_s: float = Field(BEFORE_S, ge=1, le=600)
    """Seconds before a marker over which the baseline is averaged."""
    after_s: float = Field(AFTER_S, ge=1, le=600)
    """Seconds after a marker searched for the response."""


class ResponsesSection(Section):
    """Shows baseline, onset, peak and recovery of each signal around each marker."""

    settings_model = ResponsesSettings
    order = 19

    def render(self, data: ReportData) -> str:
        session = data.session
        signals = {series.name: series for series in by_importance(session.told_series)}
        before_s, after_s = self.settings.before_s, self.settings.after_s
        responses = marker_responses(session.markers, signals.values(), before_s, after_s)
        measured = [one for one in responses if one.baseline is not None]
        bodies = [
            format_group(list(group), signals, session)
            for _, group in groupby(measured, key=lambda one: (one.marker, one.at))
        ]
        if not bodies:
            return ""
        head = HEAD.format(before=before_s, after=after_s)
        return "\n".join([head, *bodies, "</table></div>"])


def format_group(
    responses: list[MarkerResponse], signals: dict[str, Series], session: SessionSeries
) -> str:
    """The rows of one marker as HTML; they stay together on a page."""
    rows = []
    for i, response in enumerate(responses):
        series = signals[response.signal]
        scale = f", {escape(unit(series))}" if unit(series) else ""
        decimals = _decimals(series)
        doubt = " (not to be trusted)" if _is_doubted(response, series, session) else ""
        head = ""
        if i == 0:
            head = (
                f"<th scope=rowgroup class=text rowspan={len(responses)}>"
                f"{escape(response.marker)} "
                f"<small>{format_clock(response.at, session)}</small></th>"
            )
        cells = (
            f"<th scope=row class=signal>{escape(title(series))}{scale}{doubt}</th>"
            f"{_format_value(response.baseline, decimals)}{_format_seconds(response.onset_s)}"
            f"{_format_value(response.peak, decimals)}{_format_seconds(response.peak_s)}"
            f"{_format_seconds(response.recovery_s)}"
        )
        rows.append(f"<tr>{head}{cells}</tr>")
    return f"<tbody class=together>{''.join(rows)}</tbody>"


def _is_doubted(response: MarkerResponse, series: Series, session: SessionSeries) -> bool:
    """Whether the quality of nervousness was too low at the marker or at the peak."""
    if quantity(series) != "nervousness":
        return False
    moments = [response.at, response.at + round((response.peak_s or 0.0) * 1e9)]
    return any(
        begin <= moment <= end
        for begin, end in doubtful_stretches(session.states, subject(series))
        for moment in moments
    )


def _decimals(series: Series) -> int:
    """Decimal places of a signal: to about a thousandth of its size."""
    size = float(abs(series.values).max()) if series.values.size else 0.0
    return 0 if size >= 200 else 1 if size >= 20 else 2


def _format_value(value: float | None, decimals: int) -> str:
    if value is None:
        return "<td class=none>not measured</td>"
    return f"<td>{number(value, decimals)}</td>"


def _format_seconds(value: float | None) -> str:
    return "<td class=none>none</td>" if value is None else f"<td>{value:.1f} s</td>"
