"""SVG charts of the validation: ROC curves, and nervousness over each drive."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from affectline.services.validation.drivedb import DriveScores
from affectline.services.validation.drivedb_segments import SEGMENTS

COLOURS: Final = {"heart": "#c0392b", "skin": "#2471a3", "together": "#1e8449"}
SEGMENT_COLOURS: Final = {"rest": "#e8f0e8", "city": "#f6d9d2", "highway": "#f5ecd0"}


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" {attributes}>{text}</text>'


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
    middle = top + side / 2
    rotation = f'transform="rotate(-90 30 {middle:.0f})" text-anchor="middle"'
    parts.append(_text(30, middle, "seconds of stress found", rotation))
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
