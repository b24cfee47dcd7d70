"""Charts: axes that can be read, paths that say what they are given."""

import re

import numpy as np
import pytest

from affectline.services.report.drawing import (
    HIGH,
    WIDE,
    AxisFlag,
    AxisShade,
    ChartRow,
    DrawnCurve,
    Lane,
    TimeSpan,
    draw_row,
    draw_rows,
    value_axis,
)

SPAN = TimeSpan(0.0, 20.0)


def curve(
    values: list[float], name: str = "anna", colour: str = "heart", dash: str = ""
) -> DrawnCurve:
    return DrawnCurve(name, colour, np.linspace(0, 20, len(values)), np.array(values), dash)


def path_of(html: str, name: str = "anna") -> str:
    (found,) = re.findall(rf'<path [^>]*data-name="{name}"[^>]* d="([^"]*)"', html)
    return str(found)


@pytest.mark.parametrize("low", [-3e-4, 0.0, 4.11, 66.0, 68.02, 890.0, 12345.0])
@pytest.mark.parametrize("span", [0.0, 1e-5, 0.003, 0.4, 7.0, 23.0, 999.0])
@pytest.mark.parametrize("least", [0.0, 1.0, 20.0])
def test_values_have_room_and_labels_differ(low: float, span: float, least: float) -> None:
    axis = value_axis([np.array([low, low + span, np.nan])], least=least)
    assert axis.low <= low + 1e-12
    assert axis.high >= low + span - 1e-12
    assert axis.high - axis.low >= least - 1e-9
    labels = [label for _, label in axis.ticks]
    assert 2 <= len(labels) <= 6
    assert len(set(labels)) == len(labels)
    assert all(axis.low - 1e-9 <= value <= axis.high + 1e-9 for value, _ in axis.ticks)


@pytest.mark.parametrize(
    ("bounds", "labels"),
    [((0, 100), ["0", "50", "100"]), ((-1, 1), ["\N{MINUS SIGN}1", "0", "1"]),
     ((0, 20), ["0", "10", "20"])],
)  # fmt: skip
def test_what_has_bounds_is_drawn_between_them(
    bounds: tuple[float, float], labels: list[str]
) -> None:
    axis = value_axis([np.array([0.1, 0.2])], bounds)
    assert (axis.low, axis.high) == bounds
    assert [label for _, label in axis.ticks] == labels


@pytest.mark.parametrize(
    ("first", "last", "labels"),
    [
        (0, 19.7, ["0:00", "0:05", "0:10", "0:15"]),
        (-7, 12, ["\N{MINUS SIGN}0:05", "0:00", "0:05", "0:10"]),
        (0, 3600, ["0:00", "10:00", "20:00", "30:00", "40:00", "50:00", "1:00:00"]),
        (0, 2, ["0:00.0", "0:00.5", "0:01.0", "0:01.5", "0:02.0"]),
    ],
)
def test_times_are_minutes_and_seconds(first: float, last: float, labels: list[str]) -> None:
    assert [label for _, label in TimeSpan(first, last).ticks()] == labels


def test_about_a_marker_they_are_seconds() -> None:
    labels = [label for _, label in TimeSpan(-5, 15, is_relative=True).ticks()]
    assert labels == ["\N{MINUS SIGN}5", "0", "5", "10", "15\N{NO-BREAK SPACE}s"]


def test_a_line_goes_through_its_values_and_stops_at_gaps() -> None:
    html = draw_row(ChartRow("x", "bpm", [curve([0, 100, np.nan, 50, 50])], (0, 100)), SPAN)
    quarter, half = WIDE // 4, HIGH // 2
    assert path_of(html) == f"M0 {HIGH}l{quarter} -{HIGH}M{3 * quarter} {half}l{quarter} 0"
    alone = draw_row(ChartRow("x", "bpm", [curve([np.nan, 50, np.nan])], (0, 100)), SPAN)
    assert path_of(alone) == f"M{2 * quarter} {half}h1"


def test_layers_lie_on_each_other_and_the_topmost_is_named_first() -> None:
    layers = [curve([30, 30], "sad", "sad"), curve([70, 70], "happy", "happy")]
    html = draw_row(ChartRow("x", "%", layers, (0, 100), is_stacked=True), SPAN)
    assert path_of(html, "happy") == f"M0 0l{WIDE} 0V{HIGH}H0Z"
    assert path_of(html, "sad") == f"M0 7000l{WIDE} 0V{HIGH}H0Z"
    assert html.index(">happy</li>") < html.index(">sad</li>")
    assert "mean sad 30.0; mean happy 70.0" in html


def test_a_chart_says_what_it_shows_to_those_who_do_not_see_it() -> None:
    html = draw_row(ChartRow("Heart <rate>", "bpm", [curve([62, 88.04])], least=20), SPAN)
    assert 'role=img aria-label="Heart &lt;rate&gt;, bpm: anna from 62.0 to 88.0"' in html
    assert "<figcaption><b>Heart &lt;rate&gt;</b>, bpm</figcaption>" in html
    empty = draw_row(ChartRow("x", "bpm", [curve([np.nan])]), SPAN)
    assert "not measured here" in empty


def test_several_curves_are_named_with_colours_and_dashes() -> None:
    html = draw_row(ChartRow("x", "", [curve([1, 2]), curve([2, 3], "ben", "skin", "5 3")]), SPAN)
    assert '<i class="line" style="--c:var(--heart)"></i>anna' in html
    assert '<i class="line dashed" style="--c:var(--skin)"></i>ben' in html
    assert "stroke:var(--skin);stroke-dasharray:5 3" in html


def test_what_is_not_to_be_trusted_is_hatched_on_screen_and_on_paper() -> None:
    html = draw_row(ChartRow("x", "", [curve([1, 2])], doubted=[(5.0, 10.0)]), SPAN)
    assert '<i class="hatch" style="left:25.0%;width:25.0%"></i>' in html
    (lines,) = re.findall(r'<path class=hatching d="([^"]*)"', html)
    places = [int(x) for x in re.findall(r"[ML](-?\d+) ", lines)]
    assert len(places) > 20
    assert min(places) >= WIDE // 4 - 1
    assert max(places) <= WIDE // 2 + 1
    assert "not to be trusted</li>" in html


def test_markers_have_numbers_that_do_not_lie_on_each_other() -> None:
    flags = [AxisFlag(at, str(i), f"<{i}>") for i, at in enumerate((1.0, 1.1, 1.2, 1.3, 9.0))]
    shade = AxisShade(12.0, 25.0, "a", "phone", is_excluded=True)
    html = draw_row(ChartRow("x", "", [curve([1, 2])]), TimeSpan(0, 20, flags, [shade]))
    assert html.count("class=mark ") == 5
    shown = re.findall(r'left:([\d.]+)%;--lane:(\d)" title="&lt;(\d)', html)
    assert shown == [("5.0", "0", "0"), ("5.5", "1", "1"), ("6.0", "2", "2"), ("45.0", "0", "4")]
    assert '<i class="shade out" style="left:60.0%;width:40.0%"' in html


def test_of_hundreds_of_markers_only_lines_are_drawn() -> None:
    flags = [AxisFlag(i / 30, str(i), "event") for i in range(500)]
    html = draw_row(ChartRow("x", "", [curve([1, 2])]), TimeSpan(0, 20, flags))
    assert html.count("class=mark ") == 500
    assert "--lane" not in html


def test_reasons_are_bars_on_lanes() -> None:
    row = ChartRow("why", lanes=[Lane("dark", [(0, 5), (10, 12)]), Lane("covered", [(1, 2)])])
    html = draw_rows([row], SPAN)
    assert html.count('<i class="bar"') == 3
    assert "dark: 2 times, 7.0 s in total; covered: 1 times, 1.0 s in total" in html
    assert 'data-first="0.000" data-last="20.000"' in html
