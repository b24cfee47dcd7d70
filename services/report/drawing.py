"""Draws charts over time as HTML and SVG that need no script, network or library.

A row is one chart: its title with the unit, its curves, and its own time axis, so that it can stand
alone on a printed page. Drawings stretch with the page; text does not. Colours are variables of the
page's style sheet, from `common.palette`.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.services.report.words import SPACE, format_second, number

WIDE: Final = 100_000
"""Units of a chart's width: the resolution for an hour is 0.04 s."""
HIGH: Final = 10_000
NICE: Final = (1.0, 2.0, 5.0, 10.0)
TIME_STEPS: Final = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200,
)  # fmt: skip
TIME_TICKS: Final = 6
VALUE_TICKS: Final = 3
FLAG_SHARE: Final = 0.045
"""Flags closer than this share of the axis go into different lanes."""
FLAG_LANES: Final = 3
MOST_FLAGS: Final = 60
"""With more markers, only lines are drawn, because the numbers would be unreadable."""
USUAL_PX: Final = 104

USUAL_PAPER_PX: Final = 650
SMALL_PAPER_PX: Final = 120
PAPER_HEIGHT_PX: Final = 75
HATCH_PX: Final = 6
END_PERCENT: Final = 96
"""Labels beyond this position end at their tick, so that they do not overflow."""

Floats = NDArray[np.float64]


class DrawnCurve(NamedTuple):
    """A line, or one layer of a stack."""

    name: str
    colour: str
    """Name in `common.palette`."""
    times: Floats
    """Seconds of the axis, non-decreasing."""
    values: Floats
    """Values; NaN marks a gap."""
    dash: str = ""
    """Lengths of dashes and gaps in pixels, if several curves share a chart."""


class Lane(NamedTuple):
    """Bars on their own line."""

    name: str
    bars: Sequence[tuple[float, float]]
    """Begin and end of each bar in seconds."""


@dataclass(frozen=True)
class ChartRow:
    """One chart.

    Attributes:
        title: What the chart shows.
        unit: Unit of the values, or their scale.
        curves: The curves, from the bottom upwards if stacked.
        bounds: Lowest and highest value of the axis, if the quantity has bounds.
        least: Otherwise, minimum span of the axis.
        is_stacked: The curves are layers that add up to the highest value.
        doubted: Begin and end in seconds of stretches not to be trusted, which are hatched.
        ticks: Times of tick marks at the top, and their descriptions.
        ticks_name: Name of the tick marks in the legend.
        borders: Values with a line, and what lies beyond.
        lanes: Lanes to draw instead of curves.
        decimals: Decimal places of the values shown at the pointer.
    """

    title: str
    unit: str = ""
    curves: Sequence[DrawnCurve] = ()
    bounds: tuple[float, float] | None = None
    least: float = 0.0
    is_stacked: bool = False
    doubted: Sequence[tuple[float, float]] = ()
    ticks: Sequence[tuple[float, str]] = ()
    ticks_name: str = ""
    borders: Sequence[tuple[float, str]] = ()
    lanes: Sequence[Lane] = ()
    decimals: int = 1

    @property
    def height(self) -> int:
        """Height of the drawing in pixels."""
        if self.lanes:
            return 28 * len(self.lanes) + 4
        return USUAL_PX + 36 * self.is_stacked


class AxisFlag(NamedTuple):
    """A marker on the time axis."""

    at: float
    """Time on the axis in seconds."""
    sign: str
    """Text above the line: a number that a table explains."""
    label: str


class AxisShade(NamedTuple):
    """A part of the time axis with a shaded background."""

    begin: float
    end: float
    sign: str
    label: str
    is_excluded: bool


@dataclass(frozen=True)
class TimeSpan:
    """A time axis with its markers and annotations.

    Attributes:
        first: Start in seconds.
        last: End in seconds.
        flags: Markers.
        shades: Annotations.
        is_relative: The axis counts from a marker, in seconds with a sign.
    """

    first: float
    last: float
    flags: Sequence[AxisFlag] = ()
    shades: Sequence[AxisShade] = field(default=())
    is_relative: bool = False

    @property
    def seconds(self) -> float:
        """Length in seconds; never zero."""
        return max(self.last - self.first, 1e-3)

    def place(self, second: float) -> float:
        """Position of a moment, from 0 to 100 per cent."""
        return round(100 * (second - self.first) / self.seconds, 3)

    def ticks(self) -> list[tuple[float, str]]:
        """Tick times and their labels."""
        step = next((s for s in TIME_STEPS if self.seconds / s <= TIME_TICKS), TIME_STEPS[-1])
        first, last = math.ceil(self.first / step - 1e-9), math.floor(self.last / step + 1e-9)
        moments = [i * step for i in range(first, last + 1)]
        if self.is_relative:
            ends = [f"{number(at)}{f'{SPACE}s' * (at == moments[-1])}" for at in moments]
            return list(zip(moments, ends, strict=True))
        return [(at, format_second(at, decimals=int(step < 1))) for at in moments]


class ValueAxis(NamedTuple):
    """The value axis of a row."""

    low: float
    high: float
    ticks: list[tuple[float, str]]
    """Values and their labels, all different."""


def value_axis(
    curves: Iterable[Floats],
    bounds: tuple[float, float] | None = None,
    least: float = 0.0,
    ticks: int = VALUE_TICKS,
) -> ValueAxis:
    """Choose an axis that fits all values.

    Args:
        curves: All values; NaN is ignored.
        bounds: Ends of the axis, if the quantity has bounds.
        least: Minimum span.
        ticks: Approximate number of steps.
    """
    if bounds is None:
        known = [values[np.isfinite(values)] for values in curves]
        joined = np.concatenate([*known, np.empty(0)])
        low, high = (float(joined.min()), float(joined.max())) if joined.size else (0.0, 1.0)
        span = max(high - low, least, 1e-3 * max(abs(low), abs(high)), 1e-6)
        middle = (low + high) / 2
        low, high = middle - span / 2, middle + span / 2
        step = _nice(span / ticks)
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    else:
        low, high = bounds
        step = _nice((high - low) / 2)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [i * step for i in range(first, last + 1)]
    if len(values) > ticks + 2:  # the ends were rounded outwards after the step was chosen
        values = values[::2]
    return ValueAxis(low, high, [(value, number(value, decimals)) for value in values])


def _nice(rough: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(one for one in NICE if one * power >= rough * (1 - 1e-9)) * power


def draw_rows(rows: Sequence[ChartRow], span: TimeSpan) -> str:
    """Draw charts below each other on one time axis, which readers can zoom together."""
    axis = f'data-first="{span.first:.3f}" data-last="{span.last:.3f}"'
    drawn = "\n".join(draw_row(row, span) for row in rows)
    return f"<div class=chart {axis}>\n{drawn}\n</div>"


def draw_row(
    row: ChartRow, span: TimeSpan, axis: ValueAxis | None = None, height: int | None = None
) -> str:
    """Draw one chart.

    Args:
        row: The chart.
        span: Its time axis.
        axis: Its value axis, if several charts share one.
        height: Height in pixels, if not the row's own.
    """
    if axis is None:
        axis = value_axis([curve.values for curve in row.curves], row.bounds, row.least)
    figures = f'data-low="{axis.low:g}" data-high="{axis.high:g}" data-decimals="{row.decimals}"'
    stacked = " data-stacked" if row.is_stacked else ""
    style = f'style="--h:{height or row.height}px"'
    width = USUAL_PAPER_PX if height is None else SMALL_PAPER_PX
    body = _lanes(row, span) if row.lanes else _curves(row, span, axis, width)
    return "".join([
        f"<figure class=row>{_caption(row)}",
        f'<div class=plot {style} data-unit="{escape(row.unit)}" {figures}{stacked}>',
        _flags(span), _value_labels(row, axis), body, _time_labels(span), "</div></figure>",
    ])  # fmt: skip


def _caption(row: ChartRow) -> str:
    unit = f", {escape(row.unit)}" if row.unit else ""
    named = row.curves if len(row.curves) > 1 else ()
    kind = "area" if row.is_stacked else "line"
    # In a stack the topmost layer comes first, as in the drawing
    keys = [_key(kind, curve) for curve in (reversed(named) if row.is_stacked else named)]
    if row.ticks:
        keys.append(f"<li><i class=tick></i>{escape(row.ticks_name)}</li>")
    if row.doubted:
        keys.append("<li><i class=hatch></i>not to be trusted</li>")
    legend = f"<ul class=keys>{''.join(keys)}</ul>" if keys else ""
    return f"<figcaption><b>{escape(row.title)}</b>{unit}{legend}</figcaption>"


def _key(kind: str, curve: DrawnCurve) -> str:
    colour = f"--c:var(--{curve.colour.replace('_', '-')})"
    dashed = " dashed" if curve.dash else ""
    return f'<li><i class="{kind}{dashed}" style="{colour}"></i>{escape(curve.name)}</li>'


def _flags(span: TimeSpan) -> str:
    """The numbers and letters of markers and annotations above the chart."""
    signs = sorted(
        (*((one.at, one.sign, one.label) for one in span.flags),
         *((one.begin, one.sign, one.label) for one in span.shades))
    )  # fmt: skip
    if not signs or len(signs) > MOST_FLAGS or not any(sign for _, sign, _ in signs):
        return ""
    ends = [-math.inf] * FLAG_LANES
    placed = []
    for at, sign, label in signs:
        share = (at - span.first) / span.seconds
        lane = next((i for i, end in enumerate(ends) if share - end >= FLAG_SHARE), None)
        if lane is None:
            continue
        ends[lane] = share
        style = f"left:{span.place(at)}%;--lane:{lane}"
        placed.append(f'<span style="{style}" title="{escape(label)}">{escape(sign)}</span>')
    lanes = sum(math.isfinite(end) for end in ends)
    return (
        f'<div class="flags window" style="--lanes:{lanes}" aria-hidden=true>'
        f"<div class=inner>{''.join(placed)}</div></div>"
    )


def _value_labels(row: ChartRow, axis: ValueAxis) -> str:
    if row.lanes:
        return ""
    labels = "".join(
        f'<span style="bottom:{_share(value, axis):.2f}%">{text}</span>'
        for value, text in axis.ticks
    )
    return f"<div class=ys aria-hidden=true>{labels}</div>"


def _time_labels(span: TimeSpan) -> str:
    labels = "".join(
        f'<span style="left:{place}%"{" class=end" * (place > END_PERCENT)}>{text}</span>'
        for place, text in ((span.place(at), text) for at, text in span.ticks())
    )
    return f'<div class="xs window" aria-hidden=true><div class=inner>{labels}</div></div>'


def _share(value: float, axis: ValueAxis) -> float:
    return 100 * (value - axis.low) / (axis.high - axis.low)


def _curves(row: ChartRow, span: TimeSpan, axis: ValueAxis, paper_px: int) -> str:
    grid = "".join(
        f"M0 {round(HIGH * (1 - _share(value, axis) / 100))}H{WIDE}" for value, _ in axis.ticks
    )
    paths = [f'<path class=grid d="{grid}"/>']
    for value, _ in row.borders:
        level = round(HIGH * (1 - _share(value, axis) / 100))
        paths.append(f'<path class=border d="M0 {level}H{WIDE}"/>')
    paths += _layers(row, span, axis) if row.is_stacked else _lines(row, span, axis)
    if row.doubted:
        paths.append(f'<path class=hatching d="{_hatching(row.doubted, span, paper_px)}"/>')
    label = escape(_describe(row), quote=True)
    shape = f'viewBox="0 0 {WIDE} {HIGH}" preserveAspectRatio=none'
    borders = "".join(
        f'<span class=beyond style="bottom:{_share(value, axis):.2f}%">{escape(text)}</span>'
        for value, text in row.borders
    )
    if not any(np.isfinite(curve.values).any() for curve in row.curves):
        borders += "<span class=empty>not measured here</span>"
    return (
        f'<div class="draw window"><div class=inner>{_shades(span)}'
        f'<svg role=img aria-label="{label}" {shape}>{"".join(paths)}</svg>'
        f"{_hatches(row.doubted, span)}{_ticks(row, span)}{_marks(span)}</div>{borders}</div>"
    )


def _lanes(row: ChartRow, span: TimeSpan) -> str:
    lanes = []
    for lane in row.lanes:
        bars = "".join(_stretch("bar", begin, end, span) for begin, end in lane.bars)
        lanes.append(f"<div class=lane>{escape(lane.name)}{bars}</div>")
    told = "; ".join(
        f"{lane.name}: {len(lane.bars)} times, {sum(e - b for b, e in lane.bars):.1f} s in total"
        for lane in row.lanes
    )
    return (
        f'<div class="draw window"><div class=inner role=img aria-label="{escape(told)}">'
        f"{_shades(span)}{''.join(lanes)}{_marks(span)}</div></div>"
    )


def _stretch(kind: str, begin: float, end: float, span: TimeSpan, more: str = "") -> str:
    left, width = span.place(begin), round(100 * (end - begin) / span.seconds, 3)
    return f'<i class="{kind}" style="left:{left}%;width:{width}%"{more}></i>'


def _hatches(doubted: Sequence[tuple[float, float]], span: TimeSpan) -> str:
    return "".join(_stretch("hatch", begin, end, span) for begin, end in doubted)


def _hatching(doubted: Sequence[tuple[float, float]], span: TimeSpan, paper_px: int) -> str:
    """Diagonal lines for print, because browsers print patterns as megabytes of pixels.

    Args:
        doubted: Begin and end of the hatched stretches in seconds.
        span: The time axis.
        paper_px: Approximate width of the chart on paper.
    """
    step, rise = WIDE * HATCH_PX / paper_px, WIDE * PAPER_HEIGHT_PX / paper_px
    edges = [
        (WIDE * (begin - span.first) / span.seconds, WIDE * (end - span.first) / span.seconds)
        for begin, end in doubted
    ]
    lines = []
    for begin, end in edges:
        first, last = math.ceil((begin - rise) / step), math.floor(end / step)
        for foot in (i * step for i in range(first, last + 1)):
            left, right = max(begin, foot), min(end, foot + rise)
            if left < right:
                low, top = (round(HIGH * (1 - (x - foot) / rise)) for x in (left, right))
                lines.append(f"M{round(left)} {low}L{round(right)} {top}")
    return "".join(lines)


def _shades(span: TimeSpan) -> str:
    return "".join(
        _stretch(
            "shade out" if one.is_excluded else "shade", max(one.begin, span.first),
            min(one.end, span.last), span, f' title="{escape(one.label, quote=True)}"',
        )
        for one in span.shades
        if one.end > span.first and one.begin < span.last
    )  # fmt: skip


def _marks(span: TimeSpan) -> str:
    return "".join(f'<i class=mark style="left:{span.place(flag.at)}%"></i>' for flag in span.flags)


def _ticks(row: ChartRow, span: TimeSpan) -> str:
    return "".join(
        f'<i class=tick style="left:{span.place(at)}%" title="{escape(what)}"></i>'
        for at, what in row.ticks
    )


def _lines(row: ChartRow, span: TimeSpan, axis: ValueAxis) -> Iterable[str]:
    for curve in row.curves:
        dash = f";stroke-dasharray:{curve.dash}" if curve.dash else ""
        style = f"stroke:var(--{curve.colour.replace('_', '-')}){dash}"
        xs, ys = _to_units(curve.times, curve.values, span, axis)
        yield (
            f'<path class=line data-name="{escape(curve.name, quote=True)}" style="{style}" '
            f'd="{_path(xs, ys)}"/>'
        )


def _layers(row: ChartRow, span: TimeSpan, axis: ValueAxis) -> Iterable[str]:
    """Areas from the bottom to the upper edge of each layer, topmost first."""
    tops = np.cumsum(np.stack([curve.values for curve in row.curves]), axis=0)
    for i in reversed(range(len(row.curves))):
        curve = row.curves[i]
        xs, ys = _to_units(curve.times, tops[i], span, axis)
        edge = _path(xs, ys)
        path = f"{edge}V{HIGH}H{xs[0]}Z" if len(xs) else ""
        yield (
            f'<path class=layer data-name="{escape(curve.name, quote=True)}" '
            f'style="fill:var(--{curve.colour})" d="{path}"/>'
        )


def _to_units(
    times: Floats, values: Floats, span: TimeSpan, axis: ValueAxis
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Convert points to chart units; a gap has the height `np.iinfo(np.int64).min`."""
    xs = np.round(WIDE * (times - span.first) / span.seconds).astype(np.int64)
    heights = HIGH * (1 - (values - axis.low) / (axis.high - axis.low))
    is_gap = ~np.isfinite(heights)
    ys = np.round(np.clip(np.where(is_gap, 0, heights), -HIGH, 2 * HIGH)).astype(np.int64)
    ys[is_gap] = GAP
    return xs, ys


GAP: Final = int(np.iinfo(np.int64).min)


def _path(xs: NDArray[np.int64], ys: NDArray[np.int64]) -> str:
    """A path through points: absolute at the start of each part, then relative; gaps split it."""
    parts = []
    known = ys != GAP
    edges = np.flatnonzero(np.diff(known.astype(np.int8), prepend=0, append=0))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        steps = np.stack([np.diff(xs[begin:end]), np.diff(ys[begin:end])], axis=1).ravel()
        rest = f"l{' '.join(map(str, steps.tolist()))}" if steps.size else "h1"
        parts.append(f"M{xs[begin]} {ys[begin]}{rest}")
    return "".join(parts)


def _describe(row: ChartRow) -> str:
    """A description of a chart for screen readers."""
    parts = []
    for curve in row.curves:
        values = curve.values[np.isfinite(curve.values)]
        if not values.size:
            continue
        if row.is_stacked:
            parts.append(f"mean {curve.name} {number(float(values.mean()), row.decimals)}")
        else:
            low, high = (number(float(v), row.decimals) for v in (values.min(), values.max()))
            parts.append(f"{curve.name} from {low} to {high}")
    unit = f", {row.unit}" if row.unit else ""
    return f"{row.title}{unit}: {'; '.join(parts) or 'nothing'}"
