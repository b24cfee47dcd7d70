"""A picture of recall over time, as SVG: one mark for each film and backend."""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final, NamedTuple

from tests.benchmarks.results import FilmRecall

PICTURE: Final = "detection-recall.svg"

_WIDTH: Final = 760
_LEFT: Final = 104
_RIGHT: Final = 20
_TOP: Final = 34
_PLOT: Final = 270
"""Height of the part from 0 to 100 %."""
_FOOT: Final = 44
_LINE: Final = 9
"""Height of a line of marks, where all frames are found."""
_GAP: Final = 11
"""Width of a mark in such a line."""
_LETTER: Final = 5.6
"""Width of a letter of a film's name."""
_INK: Final = "#222"
_GRID: Final = "#ddd"
_NAMED_BELOW: Final = 0.95
"""Share of the first backend below which a film has its name beside it."""
_TICKS_MS: Final = (0.5, 1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100)


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

    least_ms: float
    most_ms: float
    """Ends of the time axis, which is logarithmic."""
    top: float
    """Where 100 % is."""

    def x(self, ms: float) -> float:
        part = math.log(ms / self.least_ms) / math.log(self.most_ms / self.least_ms)
        return _LEFT + part * (_WIDTH - _LEFT - _RIGHT)

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
    times = [mark.ms for mark in marks] or [1.0]
    scale = _Scale(0.8 * min(times), 1.15 * max(times), 0.0)
    rows, height = _draw_complete(marks, backends, scale)
    scale = scale._replace(top=_TOP + height + 14)
    lines = [
        *_draw_axes(scale), *rows, *_draw_others(marks, scale),
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
    for ms in (ms for ms in _TICKS_MS if scale.least_ms <= ms <= scale.most_ms):
        yield _path(f"M{scale.x(ms):.1f} {bottom}v4", _INK)
        yield _text(scale.x(ms), bottom + 17, f"{ms:g}", "middle")
    yield _path(f"M{_LEFT} {bottom}H{right}", _INK)
    yield _text((_LEFT + right) / 2, bottom + 34, "CPU milliseconds a frame", "middle")


def _draw_others(marks: Sequence[_Mark], scale: _Scale) -> Iterator[str]:
    """The films of which frames are missed, the first backend's with their names."""
    for mark in (mark for mark in marks if mark.share < 1):
        yield _shape(mark, scale.x(mark.ms), scale.y(mark.share))
    named = [mark for mark in marks if not mark.backend and mark.share < _NAMED_BELOW]
    taken = [(scale.x(mark.ms) - 6, scale.x(mark.ms) + 6, scale.y(mark.share)) for mark in named]
    for mark in named:
        name = mark.film.removeprefix("made_")
        left, y = _place(scale.x(mark.ms), scale.y(mark.share) - 1, _LETTER * len(name), taken)
        taken.append((left, left + _LETTER * len(name), y))
        yield _text(left, y + 4, name, "start", 10)


def _place(
    x: float, y: float, width: float, taken: Sequence[tuple[float, float, float]]
) -> tuple[float, float]:
    """The left end and the middle of a name beside a mark that covers nothing, if there is one.

    Args:
        x: Of the mark.
        y: Of the mark.
        width: Of the name.
        taken: Left and right ends and middles of what must not be covered.
    """
    places = [(side, y + down) for down in (-4, 9, 18, -14) for side in (x + 9, x - 9 - width)]
    for left, middle in places:
        is_free = not any(
            left < end and begin < left + width and abs(middle - other) < _LINE
            for begin, end, other in taken
        )
        if is_free and left + width < _WIDTH:
            return left, middle
    return places[0]


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
