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
    parts = [
        f'<rect x="{left}" y="{top}" width="{side}" height="{side}" fill="none" stroke="#888"/>'
    ]
    parts.append(_line([(left, top + side), (left + side, top)], "#bbb", 1))
    for i, (name, curve) in enumerate(curves.items()):
        points = [(left + side * x, top + side * (1 - y)) for x, y in curve]
        parts.append(_line(points, COLOURS[name], 2))
        parts.append(_text(left + 190, top + 240 + 18 * i, name, f'fill="{COLOURS[name]}"'))
    parts.append(_text(left + 70, top + side + 30, "seconds of rest called stress"))
    parts.append(_upright(30, top + side / 2, "seconds of stress found"))
    return _svg(left + side + 20, top + side + 50, parts)


def draw_reliability(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a reliability curve as an SVG document: the share of stress by nervousness."""
    side, left, top = 300, 50, 20
    parts = [
        f'<rect x="{left}" y="{top}" width="{side}" height="{side}" fill="none" stroke="#888"/>',
        _line([(left, top + side), (left + side, top)], "#bbb", 1),
    ]
    points = [
        (left + side * row["mean_score"] / 100, top + side * (1 - row["stress_percent"] / 100))
        for row in rows
        if row["mean_score"] is not None
    ]
    parts.append(_line(points, COLOURS["together"], 2))
    parts += [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS["together"]}"/>' for x, y in points
    ]
    parts += _axis_ends(left, top, side, "0", "100")
    parts.append(_text(left + 110, top + side + 30, "nervousness"))
    parts.append(_upright(20, top + side / 2, "share of stress in %"))
    return _svg(left + side + 20, top + side + 50, parts)


def _axis_ends(left: int, top: int, side: int, low: str, high: str) -> list[str]:
    """Return the labels of both ends of two equal axes."""
    return [
        _text(left, top + side + 15, low, 'font-size="10"'),
        _text(left + side, top + side + 15, high, 'text-anchor="end" font-size="10"'),
        _text(left - 4, top + side, low, 'text-anchor="end" font-size="10"'),
        _text(left - 4, top + 10, high, 'text-anchor="end" font-size="10"'),
    ]


def draw_calibration(curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Return areas under the curve by minutes of calibration, by name, as an SVG document."""
    side, left, top, low, longest = 300, 50, 20, 0.5, 10.0
    colours = list(COLOURS.values())
    parts = [
        f'<rect x="{left}" y="{top}" width="{side}" height="{side}" fill="none" stroke="#888"/>'
    ]
    for minutes in (0, 1, 2, 5, 10):
        x = left + side * minutes / longest
        parts.append(_text(x, top + side + 15, str(minutes), 'text-anchor="middle" font-size="10"'))
    for value in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        y = top + side * (1 - (value - low) / (1 - low))
        parts.append(_line([(left, y), (left + side, y)], "#eee", 1))
        parts.append(_text(left - 4, y + 4, f"{value:.1f}", 'text-anchor="end" font-size="10"'))
    for i, (name, curve) in enumerate(curves.items()):
        points = [
            (left + side * minutes / longest, top + side * (1 - (area - low) / (1 - low)))
            for minutes, area in curve
        ]
        colour = colours[i % len(colours)]
        parts.append(_line(points, colour, 2))
        parts.append(_text(left + 130, top + 240 + 18 * i, name, f'fill="{colour}"'))
    parts.append(_text(left + 60, top + side + 35, "minutes of calibration at rest"))
    parts.append(_upright(14, top + side / 2, "area under the ROC curve"))
    return _svg(left + side + 20, top + side + 50, parts)


def draw_drives(drives: Sequence[DriveScores]) -> str:
    """Return the nervousness over the segments of each drive as an SVG document."""
    width, height, left = 760, 90, 70
    parts = []
    for i, drive in enumerate(drives):
        top = 15 + i * (height + 25)
        start, end = drive.bounds[0], drive.bounds[-1]
        scale = width / (end - start)
        for segment, a, b in zip(SEGMENTS, drive.bounds, drive.bounds[1:], strict=False):
            x, wide = left + (a - start) * scale, (b - a) * scale
            parts.append(
                f'<rect x="{x:.1f}" y="{top}" width="{wide:.1f}" height="{height}" '
                f'fill="{SEGMENT_COLOURS[segment]}"/>'
            )
            parts.append(_text(x + 4, top + 12, segment, 'fill="#777" font-size="10"'))
        points = [
            (left + (at - start) * scale, top + height * (1 - value / 100))
            for at, value in zip(
                drive.seconds[::10], drive.nervousness["together"][::10], strict=True
            )
        ]
        parts.append(_line(points, COLOURS["together"], 1.2))
        parts.append(_text(8, top + height / 2, drive.name))
        parts.append(_text(left - 4, top + 10, "100", 'text-anchor="end" font-size="10"'))
        parts.append(_text(left - 4, top + height, "0", 'text-anchor="end" font-size="10"'))
    return _svg(left + width + 20, 20 + len(drives) * (height + 25), parts)
