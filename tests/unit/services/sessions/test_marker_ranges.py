"""Parts of a session between markers and times."""

import pytest

from affectline.common.errors import AffectlineError
from affectline.services.sessions.marker_ranges import find_labelled, find_ranges, parse_range

MARKERS = [(0.0, "rest"), (10.0, "task"), (20.0, "rest"), (30.0, "task"), (35.0, "task")]


def test_a_range_between_markers_is_found_every_time() -> None:
    assert find_ranges(parse_range("--rest", "rest..task"), MARKERS) == [(0, 10), (20, 30)]
    assert find_ranges(parse_range("--rest", "task..rest"), MARKERS) == [(10, 20)]
    assert find_ranges(parse_range("--rest", "5s..1m"), MARKERS) == [(5, 60)]
    assert find_ranges(parse_range("--rest", "task..1m"), MARKERS) == [
        (10, 60), (30, 60), (35, 60),
    ]  # fmt: skip
    assert find_ranges(parse_range("--rest", "rest..break"), MARKERS) == []


def test_a_label_lasts_until_the_next_marker() -> None:
    assert find_labelled("task", MARKERS, 50.0) == [(10, 20), (30, 35), (35, 50)]
    assert find_labelled("break", MARKERS, 50.0) == []


@pytest.mark.parametrize("text", ["5..1", "5s..5s", "1m..30s"])
def test_a_range_ends_after_it_begins(text: str) -> None:
    with pytest.raises(AffectlineError, match=r"--rest .*it ends at .* s but begins at"):
        parse_range("--rest", text)


@pytest.mark.parametrize("text", ["rest", "..task", "rest..", ""])
def test_a_range_has_two_ends(text: str) -> None:
    with pytest.raises(AffectlineError, match=r"--rest .*not FROM\.\.TO"):
        parse_range("--rest", text)
