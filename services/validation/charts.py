"""SVG charts of the validation: ROC and reliability curves, what a calibration adds, drives."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from affectline.services.validation.drivedb import DriveScores
from affectline.services.validation.drivedb_segments import SEGMENTS

COLOURS: Final = {"heart": "#c0392b", "skin": "#2471a3", "together": "#1e8449"}
SEGMENT_COLOURS: Final = {"rest": "#e8f0e8", "city": "#f6d9d2", "highway": "#f5ecd0"}


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" {attributes}>{text}</text>'


def _upright(x: float, y: float, text: str) -> str:
    """Return the title of a vertical axis, read from below."""
    return _text(x, y, text, f'transform="rotate(-90 {x:.0f} {y:.0f})" text-anchor="middle"')


def _below(x: float, y: float, text: str, size: int = 12) -> str:
    """Return the title or the label of a horizontal axis."""
    return _text(x, y, text, f'text-anchor="middle" font-size="{size}"')


def _beside(x: float, y: float, text: str) -> str:
    """Return the label of a vertical axis at a height."""
    return _text(x, y + 4, text, 'text-anchor="end" font-size="10"')


def _line(points: Iterable[tuple[float, float]], colour: str, width: float = 1.5) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _svg(width: int, height: int, parts: Iterable[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            *parts,
            "</svg>\n",
        ]
    )


def draw_roc_curves(curves: Mapping[str, list[tuple[float, float]]]) -> str:
    """Return the ROC curves, each given as (false, true) positive rates, as an SVG document."""
    side, left, top = 300, 50, 20
    parts = _percent_axes(left, top, side)
    for i, (name, curve) in enumerate(curves.items()):
        points = [(left + side * x, top + side * (1 - y)) for x, y in curve]
        parts.append(_line(points, COLOURS[name], 2))
        parts.append(_text(left + 190, top + 240 + 18 * i, name, f'fill="{COLOURS[name]}"'))
    parts.append(_below(left + side / 2, top + side + 35, "seconds of rest called stress, in %"))
    parts.append(_upright(14, top + side / 2, "seconds of stress found, in %"))
    return _svg(left + side + 20, top + side + 50, parts)


def draw_reliability(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a reliability curve as an SVG document: the share of stress by nervousness."""
    side, left, top = 300, 50, 20
    parts = _percent_axes(left, top, side)
    points = [
        (left + side * row["mean_score"] / 100, top + side * (1 - row["stress_percent"] / 100))
        for row in rows
        if row["mean_score"] is not None
    ]
    parts.append(_line(points, COLOURS["together"], 2))
    parts += [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS["together"]}"/>' for x, y in points
    ]
    parts.append(_below(left + side / 2, top + side + 35, "nervousness, 0 to 100"))
    parts.append(_upright(14, top + side / 2, "share of stress, in %"))
    return _svg(left + side + 20, top + side + 50, parts)


def _percent_axes(left: int, top: int, side: int) -> list[str]:
    """Return a square with two axes from 0 to 100, and its diagonal."""
    parts = []
    for value in range(0, 101, 20):
        x, y = left + side * value / 100, top + side * (1 - value / 100)
        parts.append(_line([(x, top), (x, top + side)], "#eee", 1))
        parts.append(_line([(left, y), (left + side, y)], "#eee", 1))
        parts.append(_below(x, top + side + 15, str(value), 10))
        parts.append(_beside(left - 4, y, str(value)))
    return [
        *parts,
        f'<rect x="{left}" y="{top}" width="{side}" height="{side}" fill="none" stroke="#888"/>',
        _line([(left, top + side), (left + side, top)], "#bbb", 1),
    ]


def draw_calibration(curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Return areas under the curve by minutes of calibration, by name, as an SVG document."""
    side, left, top, low, longest = 300, 50, 20, 0.5, 10.0
    colours = list(COLOURS.values())
    parts = [
        f'<rect x="{left}" y="{top}" width="{side}" height="{side}" fill="none" stroke="#888"/>'
    ]
    parts += [
        _below(left + side * minutes / longest, top + side + 15, str(minutes), 10)
        for minutes in (0, 1, 2, 5, 10)
    ]
    for value in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        y = top + side * (1 - (value - low) / (1 - low))
        parts.append(_line([(left, y), (left + side, y)], "#eee", 1))
        parts.append(_beside(left - 4, y, f"{value:.1f}"))
    for i, (name, curve) in enumerate(curves.items()):
        points = [
            (left + side * minutes / longest, top + side * (1 - (area - low) / (1 - low)))
            for minutes, area in curve
        ]
        colour = colours[i % len(colours)]
        parts.append(_line(points, colour, 2))
        parts.append(_text(left + 130, top + 240 + 18 * i, name, f'fill="{colour}"'))
    parts.append(_below(left + side / 2, top + side + 35, "minutes of calibration at rest"))
    parts.append(_upright(14, top + side / 2, "area under the ROC curve"))
    return _svg(left + side + 20, top + side + 50, parts)


def draw_drives(drives: Sequence[DriveScores]) -> str:
    """Return the nervousness over the segments of each drive as an SVG document."""
    width, height, left, apart = 760, 90, 110, 120
    longest = max((drive.bounds[-1] - drive.bounds[0] for drive in drives), default=1.0)
    scale = width / longest
    bottom = 20 + max(0, len(drives) - 1) * apart + height
    parts = [_below(left + width / 2, bottom + 35, "minutes")]
    parts += [
        _below(left + 60 * minutes * scale, bottom + 15, str(minutes), 10)
        for minutes in range(0, int(longest / 60) + 1, 10)
    ]
    parts.append(_upright(14, (20 + bottom) / 2, "nervousness, 0 to 100"))
    for i, drive in enumerate(drives):
        top = 20 + i * apart
        start = drive.bounds[0]
        for segment, a, b in zip(SEGMENTS, drive.bounds, drive.bounds[1:], strict=False):
            x, wide = left + (a - start) * scale, (b - a) * scale
            parts.append(
                f'<rect x="{x:.1f}" y="{top}" width="{wide:.1f}" height="{height}" '
                f'fill="{SEGMENT_COLOURS[segment]}"/>'
            )
            parts.append(_text(x, top - 4, segment, 'fill="#777" font-size="10"'))
        points = [
            (left + (at - start) * scale, top + height * (1 - value / 100))
            for at, value in zip(
                drive.seconds[::10], drive.nervousness["together"][::10], strict=True
            )
        ]
        parts.append(_line(points, COLOURS["together"], 1.2))
        parts.append(_text(28, top + height / 2 + 4, drive.name))
        parts += [_beside(left - 4, top, "100"), _beside(left - 4, top + height, "0")]
    return _svg(left + width + 20, bottom + 45, parts)
