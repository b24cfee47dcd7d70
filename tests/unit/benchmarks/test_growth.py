"""How cost grows is told in sentences that follow from the figures."""

import xml.etree.ElementTree as ET

import pytest

from tests.benchmarks.floor_page import compare_with_floor, format_floor
from tests.benchmarks.growth_page import (
    draw_growth,
    explain_growth,
    fit,
    format_growth,
    name_length,
)
from tests.benchmarks.panels import Line, Panel, draw_panels, nice_ticks
from tests.benchmarks.session import stream_points
from tests.unit.benchmarks.example_results import growth, live, point, results


def sentences() -> dict[str, str]:
    """By what grows."""
    return {text.split("**")[1]: text for text in explain_growth(growth(), 2)}


def test_each_thing_that_grows_has_its_limit_in_a_sentence() -> None:
    said = sentences()
    assert list(said) == ["Streams", "Faces", "Frame sizes", "Film lengths", "Sessions in the list"]
    assert "takes 0.24 cores, so 2 cores would hold 8.3" in said["Streams"]
    assert "up to 4 skipped 1 % or less, and 6 skipped 10 %" in said["Streams"]
    assert "take 50 MB (RSS)" in said["Streams"]
    assert "costs 10.0 ms, and each face in it 1.0 ms more" in said["Faces"]
    assert "0.5 ms in the detector, 0.5 ms in the classifier" in said["Faces"]
    assert "2 cores hold about 57 faces" in said["Faces"]
    assert "each megapixel costs 8.0 ms, 6.0 ms of them in the capture" in said["Frame sizes"]
    assert "hold 7.6 megapixels" in said["Frame sizes"]
    assert "memory is flat (400 to 408 MB from 20 s to 120 minutes)" in said["Film lengths"]
    assert "shows 1800 frames at a low rate, the one of 10 minutes 14400" in said["Film lengths"]
    assert "4.0 ms for each session" in said["Sessions in the list"]


def test_memory_that_grows_is_not_called_flat() -> None:
    lengths = [point(1, rss_mb=400, frames=1500), point(10, rss_mb=520, frames=15_000)]
    (said,) = explain_growth({"lengths": lengths}, 2)
    assert "memory differs by 30 %" in said


def test_what_was_measured_once_does_not_grow() -> None:
    assert list(explain_growth({"faces": growth()["faces"][:1]}, 2)) == []
    assert list(format_growth(results(growth={}))) == []


def test_growth_is_fitted_by_a_line() -> None:
    assert fit([(1, 3.0), (2, 5.0), (3, 7.0)]) == pytest.approx((1.0, 2.0))


def test_streams_are_drawn_by_their_best_run_and_their_memory() -> None:
    runs = [
        live(4, skipped=100, p99=80.0), live(4, skipped=10, p99=50.0), live(beside="sensors"),
        live(2, rss_mb=450.0, pss_mb=310.0), live(1, p99=9.0), live(1, rss_mb=400.0, pss_mb=280.0),
    ]  # fmt: skip
    one, two, four = stream_points(runs)
    assert [one.at, two.at, four.at] == [1, 2, 4]
    assert four.figures["p99_ms"] == 50
    assert (one.figures["rss_mb"], two.figures["pss_mb"]) == (400, 310)
    assert "rss_mb" not in four.figures


def test_the_chart_has_a_panel_for_each() -> None:
    svg = draw_growth(results())
    titles = [one.text for one in ET.fromstring(svg).iter() if one.get("font-weight") == "bold"]
    assert len(titles) == 7
    assert name_length(0.328) == "20 s"
    assert (name_length(10.0), name_length(120.0)) == ("10 min", "2 h")
    assert "faces in a frame of 1280x720" in svg
    ET.fromstring(draw_growth(results(growth={})))


def test_panels_have_round_numbers_and_escaped_names() -> None:
    assert nice_ticks(7) == [0, 2, 4, 6, 8]
    assert nice_ticks(0.09)[-1] == pytest.approx(0.1)
    assert nice_ticks(0) == [0, 1]
    panel = Panel("a < b", "x", [Line("c & d", [(1, 1)]), Line("e", [(3, 2)])], bound=5.0)
    svg = draw_panels([panel])
    assert "a &lt; b" in svg
    assert "stroke-dasharray" in svg
    ET.fromstring(svg)


def test_each_process_is_compared_with_its_arithmetic() -> None:
    floor = results().floor
    assert floor is not None
    rows = compare_with_floor(floor, {"capture": 1.5, "classifier": 2.5, "sink": 0.4})
    assert [(one.kind, one.times) for one in rows] == [("capture", 3.0), ("classifier", 1.25)]
    text = "\n".join(format_floor(results()))
    assert "| classifier | int8 VGG16, one face | 2 | 2.50 | 1.2 |" in text
    assert "In batches of 8, VGG16 takes 1.60 ms a face instead of 2.00" in text
    assert list(format_floor(results(floor=None))) == []
