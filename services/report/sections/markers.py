"""The expression before and after each marker, and the signals around it."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape
from itertools import cycle
from typing import Final, Literal, NamedTuple

import numpy as np
from pydantic import Field

from affectline.common.labels import LABELS
from affectline.common.wire.messages import Marker
from affectline.services.report.drawing import (
    AxisFlag,
    ChartRow,
    DrawnCurve,
    TimeSpan,
    draw_row,
    value_axis,
)
from affectline.services.report.face_crops import crop_faces
from affectline.services.report.section import ReportData, Section, SectionSettings
from affectline.services.report.time_axis import LETTERS, describe_annotation, downsample
from affectline.services.report.words import (
    by_importance,
    describe_quantity,
    format_clock,
    format_second,
    percent,
    quantity,
    subject,
    unit,
)
from affectline.services.sessions.edits import Annotation
from affectline.services.sessions.expression_figures import MEAN_PROBABILITY, SHARE_OF_FRAMES
from affectline.services.sessions.person_state import doubtful_stretches
from affectline.services.sessions.timeseries import Series, SessionSeries

BEFORE_S: Final = 5.0
AFTER_S: Final = 15.0
DRAWN: Final = ("heart_rate", "skin_conductance", "nervousness")
"""Signals drawn around each marker, besides valence and arousal."""
SHORT: Final = {"skin_conductance": "EDA", "nervousness": "Nervousness", "heart_rate": "Heart rate"}
DASHES: Final = ("", "5 3", "2 3")
MAX_ROWS: Final = 300
MAX_CHARTS: Final = 30
"""Only this many markers, the first ones, get their own charts."""
HEIGHT_PX: Final = 74


class MarkersSettings(SectionSettings):
    """Settings of the markers."""

    section: Literal["markers"] = "markers"
    before_s: float = Field(BEFORE_S, ge=1, le=600)
    """Seconds before a marker to report and draw."""
    after_s: float = Field(AFTER_S, ge=1, le=600)
    """Seconds after a marker to report and draw."""
    faces: bool = True
    """Show the face at each marker if the recording has it."""


class MarkersSection(Section):
    """Shows each marker: the face, its expression before and after, and the signals around it."""

    settings_model = MarkersSettings
    order = 17

    def render(self, data: ReportData) -> str:
        session, markers = data.session, data.session.markers
        if not markers and not data.annotations:
            return ""
        parts = []
        if markers:
            parts += ["<h2>By marker</h2>", self._table(session)]
            parts += self._charts(data)
        if data.annotations:
            parts += [_list_annotations(data.annotations)]
        return "\n".join(parts)

    def _table(self, session: SessionSeries) -> str:
        before, after = self.settings.before_s, self.settings.after_s
        several = len(session.labels) > 1
        streams: list[str] = list(session.labels) or [""]
        rows = []
        for number, marker in enumerate(session.markers[:MAX_ROWS], start=1):
            for i, stream in enumerate(streams):
                cells = _expression_cells(session, stream, marker.at, -before, 0.0)
                cells += _expression_cells(session, stream, marker.at, 0.0, after)
                where = f"<td>{escape(stream)}</td>" if several else ""
                head = _marker_cells(number, marker, session, len(streams)) if i == 0 else ""
                rows.append(f"<tr>{head}{where}{cells}</tr>")
        three = (
            f"<th scope=col class=text>mostly</th><th scope=col>{SHARE_OF_FRAMES}</th>"
            f"<th scope=col>{MEAN_PROBABILITY}</th>"
        )
        stream_head = "<th scope=col rowspan=2 class=text>stream</th>" if several else ""
        more = len(session.markers) - MAX_ROWS
        rest = f"<p class=note>{more} more markers are in markers.csv.</p>" if more > 0 else ""
        return (
            '<div class=wide tabindex=0 role=region aria-label="By marker"><table class=by-marker>'
            "<thead><tr><th scope=col rowspan=2>no.</th>"
            "<th scope=col rowspan=2 class=text>marker</th>"
            f"<th scope=col rowspan=2>at, min:s</th>{stream_head}"
            f"<th scope=colgroup colspan=3>in the {before:g} s before</th>"
            f"<th scope=colgroup colspan=3>in the {after:g} s after</th></tr>"
            f"<tr>{three * 2}</tr></thead>\n<tbody>{chr(10).join(rows)}</tbody></table></div>\n"
            f"{rest}<p class=note>Mostly: the most frequent label of the largest face; the two "
            "figures are for this emotion.</p>"
        )

    def _charts(self, data: ReportData) -> Iterator[str]:
        session = data.session
        markers = [one for one in session.markers if not session.is_stray(one)]
        shown = markers[:MAX_CHARTS]
        panels = list(_panels(session))
        if not shown or not panels:
            return
        span = (self.settings.before_s, self.settings.after_s)
        wants_faces = self.settings.faces
        images = crop_faces(shown, session, data.recording.frames()) if wants_faces else []
        if wants_faces and not any(images):
            images = []
        axes = [
            value_axis(
                (_slice(one, marker.at, span)[1] for marker in shown for one in panel.series),
                panel.bounds, panel.least, ticks=2,
            )
            for panel in panels
        ]  # fmt: skip
        yield "<h3>Around each marker</h3>"
        yield (
            f"<p class=note>From {span[0]:g} s before to {span[1]:g} s after, on the same scales. "
            f"{self._tell_faces(data, bool(images))}</p>"
        )
        numbers = {id(marker): i for i, marker in enumerate(session.markers, start=1)}
        time = TimeSpan(-span[0], span[1], [AxisFlag(0.0, "", "marker")], is_relative=True)
        for i, marker in enumerate(shown):
            drawn = "".join(
                draw_row(panel.row(marker, span, session), time, axis, HEIGHT_PX)
                for panel, axis in zip(panels, axes, strict=True)
            )
            face = _face(images[i]) if images else ""
            name = f"{numbers[id(marker)]} \N{MIDDLE DOT} {escape(marker.label)}"
            yield (
                f"<article><h4>{name} <small>{format_clock(marker.at, session)}"
                f"</small></h4><div class=around>{face}<div class=panels>{drawn}</div></div>"
                "</article>"
            )
        if len(markers) > len(shown):
            yield f"<p class=note>{len(markers) - len(shown)} more markers are not drawn.</p>"

    def _tell_faces(self, data: ReportData, are_shown: bool) -> str:
        if not self.settings.faces or are_shown:
            return ""
        if data.recording.is_recorded:
            return "No faces were recorded at the markers."
        return "Faces at markers need a session recorded with up --record."


class _Panel(NamedTuple):
    """One of the charts shown for each marker."""

    title: str
    unit: str
    series: list[Series]
    colours: list[str]
    names: list[str]
    bounds: tuple[float, float] | None
    least: float
    dashes: list[str]

    def row(self, marker: Marker, span: tuple[float, float], session: SessionSeries) -> ChartRow:
        """The chart for a marker."""
        curves = [
            DrawnCurve(name, colour, *_slice(series, marker.at, span), dash)
            for series, colour, name, dash in zip(
                self.series, self.colours, self.names, self.dashes, strict=True
            )
        ]
        decimals = 2 if self.bounds == (-1, 1) else 1
        doubted: list[tuple[float, float]] = []
        if self.title == SHORT["nervousness"] and len(self.names) == 1:
            doubted = [
                (max(begin, -span[0]), min(end, span[1]))
                for begin, end in (
                    ((begin - marker.at) / 1e9, (end - marker.at) / 1e9)
                    for begin, end in doubtful_stretches(session.states, self.names[0])
                )
                if end > -span[0] and begin < span[1]
            ]
        return ChartRow(
            self.title, self.unit, curves, self.bounds, self.least, doubted=doubted,
            decimals=decimals,
        )  # fmt: skip


def _panels(session: SessionSeries) -> Iterator[_Panel]:
    for stream, affects in session.affects.items():
        where = f" in {stream}" if len(session.affects) > 1 else ""
        names = list(affects)
        yield _Panel(
            f"Valence and arousal{where}", "", list(affects.values()), names, names, (-1, 1), 0.0,
            [""] * len(names),
        )  # fmt: skip
    told = by_importance(session.told_series)
    for name in DRAWN:
        several = [series for series in told if quantity(series) == name][: len(DASHES)]
        if not several:
            continue
        kind = describe_quantity(name)
        yield _Panel(
            SHORT[name], unit(several[0]), several, [kind.colour] * len(several),
            [subject(series) for series in several], kind.bounds, kind.least,
            [dash for _, dash in zip(several, cycle(DASHES), strict=False)],
        )  # fmt: skip


def _slice(series: Series, at: int, span: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Seconds from a marker, and the values at these times."""
    first, last = np.searchsorted(
        series.times, [at - round(span[0] * 1e9), at + round(span[1] * 1e9)], side="left"
    )
    times, values = downsample(Series("", "", series.times[first:last], series.values[first:last]))
    return (times - at) / 1e9, values


def _expression_cells(
    session: SessionSeries, stream: str, at: int, begin_s: float, end_s: float
) -> str:
    """Three cells with the largest face's most frequent expression in a stretch near a marker."""
    found = mostly_shown(session, stream, at + round(begin_s * 1e9), at + round(end_s * 1e9))
    if found is None:
        return "<td class=none colspan=3>no face with a result</td>"
    label, share, mean = found
    swatch = f'<i class=area style="--c:var(--{label})"></i>'
    return f"<td class=text>{swatch}{label}</td><td>{percent(share)}</td><td>{percent(mean)}</td>"


def mostly_shown(
    session: SessionSeries, stream: str, begin: int, end: int
) -> tuple[str, float, float] | None:
    """The most frequent label, its share of frames, and the emotion's mean probability.

    Args:
        session: The session.
        stream: Stream of the largest face.
        begin: Start in ns since the Unix epoch.
        end: End, exclusive.
    """
    labels = session.labels.get(stream)
    if labels is None:
        return None
    first, last = np.searchsorted(labels.times, [begin, end])
    if first == last:
        return None
    counts = np.bincount(labels.values[first:last].astype(int), minlength=len(LABELS))
    label = LABELS[int(counts.argmax())]
    mean = session.emotions[stream][label].values[first:last].mean()
    return label, float(counts.max() / (last - first)), float(mean)


def _marker_cells(number: int, marker: Marker, session: SessionSeries, rows: int) -> str:
    span = f" rowspan={rows}" if rows > 1 else ""
    extra = ", ".join(f"{name} {value}" for name, value in marker.extra.items())
    more = f" <small>{escape(extra)}</small>" if extra else ""
    at = "not on the time axis" if session.is_stray(marker) else format_clock(marker.at, session)
    return (
        f"<td{span}>{number}</td><th scope=row class=text{span}>{escape(marker.label)}{more}</th>"
        f"<td{span}>{at}</td>"
    )


def _face(image: bytes | None) -> str:
    if image is None:
        return "<p class=noface>no face here</p>"
    data = b64encode(image).decode()
    return f'<img alt="The face at this marker" src="data:image/jpeg;base64,{data}">'


def _list_annotations(annotations: Sequence[Annotation]) -> str:
    rows = "".join(
        f"<tr><td>{LETTERS[i] if i < len(LETTERS) else ''}</td>"
        f"<th scope=row class=text>{escape(describe_annotation(one))}</th>"
        f"<td>{format_second(one.begin_s, 1)}</td><td>{format_second(one.end_s, 1)}</td></tr>"
        for i, one in enumerate(annotations)
    )
    return (
        "<h2>Annotations</h2>\n<div class=wide tabindex=0 role=region aria-label=Annotations>"
        "<table><thead><tr><th scope=col>letter</th><th scope=col class=text>annotation</th>"
        "<th scope=col>from, min:s</th><th scope=col>to, min:s</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )
