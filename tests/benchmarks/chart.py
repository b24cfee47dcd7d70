"""A bar chart of throughput, as SVG."""

from html import escape
from typing import NamedTuple

from tests.benchmarks.results import Spread

_WIDTH, _LEFT, _BAR, _GAP = 720, 250, 22, 12


class Bar(NamedTuple):
    """One bar: median and spread of the runs."""

    name: str
    value: Spread
    ours: bool


def draw_throughput(bars: list[Bar], targets: list[tuple[str, float]]) -> str:
    """Draw frames a second; targets are vertical lines."""
    longest = max([bar.value.high for bar in bars] + [at for _, at in targets])
    scale = (_WIDTH - _LEFT - 70) / longest
    height = len(bars) * (_BAR + _GAP) + 50
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
    ]
    bottom = 10 + len(bars) * (_BAR + _GAP)
    for i, bar in enumerate(bars):
        lines += _draw_bar(bar, 10 + i * (_BAR + _GAP), scale)
    for i, (name, at) in enumerate(targets):
        x = _LEFT + at * scale
        lines.append(
            f'<path d="M{x:.1f} 4V{bottom}" stroke="#c33" stroke-dasharray="4 3"/>'
            f'<text x="{x - 4:.1f}" y="{bottom + 14 + 15 * (i % 2)}" fill="#c33" '
            f'text-anchor="end">{escape(name)}</text>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _draw_bar(bar: Bar, top: int, scale: float) -> list[str]:
    length, middle = bar.value.median * scale, top + _BAR / 2
    low, high = (_LEFT + bar.value.low * scale, _LEFT + bar.value.high * scale)
    colour = "#2a6f97" if bar.ours else "#a9a9a9"
    return [
        f'<text x="{_LEFT - 8}" y="{middle + 5}" text-anchor="end">{escape(bar.name)}</text>',
        f'<rect x="{_LEFT}" y="{top}" width="{length:.1f}" height="{_BAR}" fill="{colour}"/>',
        f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="#222" stroke-width="2"/>',
        f'<text x="{high + 6:.1f}" y="{middle + 5}">{bar.value.median:.1f}</text>',
    ]
