"""Charts of several panels, each with a few lines, as SVG."""

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Final, NamedTuple

_COLOURS: Final = ("#2a6f97", "#c1622d", "#5a8f3c", "#8a4f9e", "#6b6b6b", "#b8860b")
_INK: Final = "#222"
_GRID: Final = "#ddd"
_WIDTH: Final = 380
"""Of a panel, its margins included."""
_HEIGHT: Final = 230
_LEFT: Final = 52
_RIGHT: Final = 18
_TOP: Final = 44
_FOOT: Final = 44
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_LETTER: Final = 6.0
"""Width of a letter, about."""


class Line(NamedTuple):
    """Points that belong together."""

    name: str
    points: Sequence[tuple[float, float]]
    is_joined: bool = True
    """Whether a line joins them, in the order of their x."""
    colour: int = -1
    """Number of its colour; -1: its place among the lines."""
    doubtful: frozenset[float] = frozenset()
    """Where points prove little: they are hollow."""


def format_number(x: float) -> str:
    """A number on an axis, with three digits or more."""
    return f"{x:.0f}" if x >= 100 else f"{x:.3g}"


class Panel(NamedTuple):
    """One diagram; the y axis begins at 0."""

    title: str
    x_label: str
    lines: Sequence[Line]
    bound: float | None = None
    """A target, drawn as a dashed line."""
    is_log: bool = False
    """Whether the x axis is logarithmic."""
    x_names: Sequence[str] = ()
    """Names of the places 0, 1, ... on the x axis; empty: it has numbers."""
    name_x: Callable[[float], str] = format_number
    """What a number on the x axis is called."""


class _Scale(NamedTuple):
    x_low: float
    x_high: float
    y_high: float
    is_log: bool
    left: float
    top: float

    def x(self, value: float) -> float:
        low, high, at = self.x_low, self.x_high, value
        if self.is_log:
            low, high, at = math.log(low), math.log(high), math.log(value)
        return self.left + _LEFT + (at - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        bottom = self.top + _HEIGHT - _FOOT
        return bottom - value / self.y_high * (_HEIGHT - _TOP - _FOOT)


def draw_panels(panels: Sequence[Panel], columns: int = 2) -> str:
    """Draw panels side by side, row by row; panels without points are left out."""
    shown = [panel for panel in panels if any(line.points for line in panel.lines)]
    rows = -(-len(shown) // columns)
    width, height = _WIDTH * min(columns, max(1, len(shown))), max(1, _HEIGHT * rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for number, panel in enumerate(shown):
        row, column = divmod(number, columns)
        parts += _draw_panel(panel, float(column * _WIDTH), float(row * _HEIGHT))
    return "\n".join([*parts, "</svg>"]) + "\n"


def nice_ticks(high: float, most: int = 5) -> list[float]:
    """Round numbers from 0 up to the first that is not below a value."""
    if high <= 0:
        return [0.0, 1.0]
    rough = high / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in _STEPS if factor * power >= rough * (1 - 1e-9))
    count = math.ceil(high / step - 1e-9)
    return [number * step for number in range(count + 1)]


def _draw_panel(panel: Panel, left: float, top: float) -> Iterator[str]:
    points = [point for line in panel.lines for point in line.points]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    ticks = nice_ticks(max([*ys, panel.bound or 0.0]))
    low, high = min(xs), max(xs)
    if panel.x_names:
        low, high = -0.5, max(len(panel.x_names) - 0.5, 0.5)
    elif low == high:
        low, high = (low / 2, low * 2) if panel.is_log else (low - 1, low + 1)
    scale = _Scale(low, high, ticks[-1], panel.is_log, left, top)
    yield _text(left + _LEFT, top + 18, panel.title, weight="bold")
    yield from _draw_axes(panel, scale, ticks, sorted(set(xs)))
    if panel.bound is not None:
        y = scale.y(panel.bound)
        yield (
            f'<path d="M{left + _LEFT} {y:.1f}H{left + _WIDTH - _RIGHT}" stroke="#c33" '
            'stroke-dasharray="4 3"/>'
        )
    place, named = left + _LEFT, set[str]()
    for number, line in enumerate(panel.lines):
        colour = _COLOURS[(number if line.colour < 0 else line.colour) % len(_COLOURS)]
        yield from _draw_line(line, scale, colour)
        if len(panel.lines) > 1 and line.points and line.name not in named:
            named.add(line.name)
            yield f'<rect x="{place:.1f}" y="{top + 26}" width="9" height="9" fill="{colour}"/>'
            yield _text(place + 13, top + 34, line.name)
            place += 26 + _LETTER * len(line.name)


def _draw_axes(
    panel: Panel, scale: _Scale, ticks: Sequence[float], xs: Sequence[float]
) -> Iterator[str]:
    left, right = scale.left + _LEFT, scale.left + _WIDTH - _RIGHT
    for tick in ticks:
        y = scale.y(tick)
        yield f'<path d="M{left} {y:.1f}H{right}" stroke="{_GRID}"/>'
        yield _text(left - 6, y + 4, f"{tick:g}", anchor="end")
    bottom, last = scale.y(0), -math.inf
    places = [(scale.x(float(at)), name) for at, name in enumerate(panel.x_names)] or [
        (scale.x(x), panel.name_x(x)) for x in xs
    ]
    for x, name in places:
        yield f'<path d="M{x:.1f} {bottom:.1f}v4" stroke="{_INK}"/>'
        if x - last >= _LETTER * (len(name) + 1):
            yield _text(x, bottom + 15, name, anchor="middle")
            last = x
    yield _text((left + right) / 2, bottom + 32, panel.x_label, anchor="middle")


def _draw_line(line: Line, scale: _Scale, colour: str) -> Iterator[str]:
    ordered = sorted(line.points)
    places = [(scale.x(x), scale.y(y)) for x, y in ordered]
    if line.is_joined and len(places) > 1:
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for (x, y), (at, value) in zip(places, ordered, strict=True):
        title = f"<title>{escape(line.name)}: {at:.4g}, {value:.4g}</title>"
        fill = f'fill="{"#fff" if at in line.doubtful else colour}" stroke="{colour}"'
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" {fill}>{title}</circle>'


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{_INK}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )
