"""A picture of recall over time, as SVG: one mark for each film and backend."""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final, NamedTuple

from tests.benchmarks.results import FilmRecall

PICTURE: Final = "detection-recall.svg"

_WIDTH: Final = 760
_LEFT: Final = 84
_RIGHT: Final = 20
_TOP: Final = 34
_PLOT: Final = 270
"""Height of the part from 0 to 100 %."""
_FOOT: Final = 44
_LINE: Final = 9
"""Height of a line of marks, where all frames are found."""
_GAP: Final = 11
"""Width of a mark in such a line."""
_INK: Final = "#222"
_GRID: Final = "#ddd"
_NAMED_BELOW: Final = 0.95
"""Share of the first backend below which a film that is not made has its name beside it."""


class _Mark(NamedTuple):
    """A film and a backend."""

    film: str
    backend: int
    """Its place in the list of backends."""
    ms: float
    share: float
    is_made: bool


class _Scale(NamedTuple):
    """Where things are."""

    most_ms: int
    """The right end of the time axis."""
    top: float
    """Where 100 % is."""

    def x(self, ms: float) -> float:
        return _LEFT + ms * (_WIDTH - _LEFT - _RIGHT) / self.most_ms

    def y(self, share: float) -> float:
        return self.top + (1 - share) * _PLOT


def draw_recall(films: Sequence[FilmRecall]) -> str:
    """Draw the films that show a face, each backend with a shape of its own."""
    backends = list(dict.fromkeys(one.backend for film in films for one in film.plain))
    marks = [
        _Mark(film.film, number, one.ms, one.found / film.shown, film.is_made)
        for film in films
        if film.shown
        for number, one in enumerate(film.plain)
    ]
    scale = _Scale(math.ceil(max([mark.ms for mark in marks] + [1.0])), 0.0)
    rows, height = _draw_complete(marks, backends, scale)
    scale = scale._replace(top=_TOP + height + 14)
    lines = [
        *_draw_axes(scale), *_draw_links(marks, scale), *rows, *_draw_others(marks, scale),
        *_draw_legend(backends),
    ]  # fmt: skip
    bottom = round(scale.top + _PLOT + _FOOT)
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{bottom}" '
        f'viewBox="0 0 {_WIDTH} {bottom}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{bottom}" fill="#fff"/>',
    ]
    return "\n".join([*head, *lines, "</svg>"]) + "\n"


def _draw_complete(
    marks: Sequence[_Mark], backends: Sequence[str], scale: _Scale
) -> tuple[list[str], float]:
    """The films of which all frames are found, in a row for each backend; and the rows' height."""
    lines, top = [], 0.0
    for number, backend in enumerate(backends):
        stacked = _stack([m for m in marks if m.backend == number and m.share == 1], scale)
        height = _LINE * (1 + max((level for _, level in stacked), default=0)) + 5
        bottom = _TOP + top + height - 5
        lines.append(_text(_LEFT - 8, bottom, f"all, {backend}", "end"))
        lines.append(_path(f"M{_LEFT} {bottom + 3:.1f}H{_WIDTH - _RIGHT}", _GRID))
        for mark, level in stacked:
            lines.append(_shape(mark, scale.x(mark.ms), bottom - 3 - _LINE * level))
        top += height
    return lines, top


def _stack(marks: Sequence[_Mark], scale: _Scale) -> list[tuple[_Mark, int]]:
    """Marks with the line of a row in which each is free of the others."""
    ends: list[float] = []
    found = []
    for mark in sorted(marks, key=lambda one: one.ms):
        x = scale.x(mark.ms)
        level = next((i for i, end in enumerate(ends) if x - end >= _GAP), len(ends))
        ends[level : level + 1] = [x]
        found.append((mark, level))
    return found


def _draw_axes(scale: _Scale) -> Iterator[str]:
    bottom, right = scale.y(0), _WIDTH - _RIGHT
    for percent in range(0, 101, 20):
        y = scale.y(percent / 100)
        yield _path(f"M{_LEFT} {y:.1f}H{right}", _GRID)
        yield _text(_LEFT - 8, y + 4, f"{percent} %", "end")
    step = 1 if scale.most_ms <= 12 else 5
    for ms in range(0, scale.most_ms + 1, step):
        yield _path(f"M{scale.x(ms):.1f} {bottom}v4", _INK)
        yield _text(scale.x(ms), bottom + 17, str(ms), "middle")
    yield _path(f"M{_LEFT} {bottom}H{right}", _INK)
    yield _text((_LEFT + right) / 2, bottom + 34, "CPU milliseconds a frame", "middle")


def _draw_links(marks: Sequence[_Mark], scale: _Scale) -> Iterator[str]:
    """Lines from the first backend's mark of a film to the next ones'; where it misses frames."""
    for first in (mark for mark in marks if not mark.backend and mark.share < 1):
        same = [mark for mark in marks if mark.film == first.film]
        places = " ".join(f"{scale.x(m.ms):.1f},{scale.y(m.share):.1f}" for m in same)
        yield f'<polyline points="{places}" fill="none" stroke="#bbb" stroke-dasharray="2 3"/>'


def _draw_others(marks: Sequence[_Mark], scale: _Scale) -> Iterator[str]:
    for mark in (mark for mark in marks if mark.share < 1):
        x, y = scale.x(mark.ms), scale.y(mark.share)
        yield _shape(mark, x, y)
        if not mark.backend and not mark.is_made and mark.share < _NAMED_BELOW:
            yield _text(x + 9, y + 4, mark.film, "start", 10)


def _draw_legend(backends: Sequence[str]) -> Iterator[str]:
    x = float(_LEFT)
    yield _text(_LEFT - 8, 16, "found", "end")
    for number, backend in enumerate(backends):
        yield _shape(_Mark("", number, 0, 0, is_made=False), x + 6, 12)
        yield _text(x + 16, 16, backend, "start")
        x += 40 + 8 * len(backend)
    yield _text(x, 16, "large: films; small: made films", "start")


def _shape(mark: _Mark, x: float, y: float) -> str:
    """An open circle, a filled square or an open triangle."""
    r = 2.6 if mark.is_made else 4.6
    if mark.backend == 0:
        form = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="#fff"'
    elif mark.backend == 1:
        form = (
            f'<rect x="{x - r:.1f}" y="{y - r:.1f}" width="{2 * r}" height="{2 * r}" '
            f'fill="{_INK}" fill-opacity="0.75"'
        )
    else:
        form = (
            f'<path d="M{x:.1f} {y - r - 1:.1f}l{r + 1:.1f} {2 * r:.1f}h{-2 * r - 2:.1f}Z" '
            'fill="#fff" fill-opacity="0.6"'
        )
    name = f"<title>{escape(mark.film)}: {mark.share:.1%}, {mark.ms:.1f} ms</title>"
    tag = form.split(maxsplit=1)[0][1:]
    return f'{form} stroke="{_INK}" stroke-width="1.2">{name}</{tag}>'


def _text(x: float, y: float, text: str, anchor: str, size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">'
        f"{escape(text)}</text>"
    )


def _path(path: str, colour: str) -> str:
    return f'<path d="{path}" stroke="{colour}"/>'
