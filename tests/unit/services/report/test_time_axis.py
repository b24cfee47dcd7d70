import numpy as np
import pytest

from affectline.common.labels import LABELS
from affectline.common.wire.messages import Marker
from affectline.services.report.time_axis import (
    POINTS,
    downsample,
    downsample_stack,
    seconds_of,
    whole_span,
)
from affectline.services.sessions.edits import Annotation
from affectline.services.sessions.timeseries import Series, read_series
from tests.recordings import SECOND, START, recording


def test_a_stack_stays_whole_when_it_is_thinned() -> None:
    count = 5 * POINTS
    times = START + np.arange(count) * (SECOND // 30)
    times[count // 2 + 3 :] += 60 * SECOND
    parts = np.random.default_rng(1).dirichlet(np.ones(7), count)
    stack = [Series(label, "", times, parts[:, i]) for i, label in enumerate(LABELS)]
    thinned, values = downsample_stack(stack)
    assert values.shape == (7, len(thinned))
    assert len(thinned) <= POINTS + 3
    assert (np.diff(thinned) > 0).all()
    whole = values.sum(axis=0)
    assert np.flatnonzero(whole < 0.5).size == 2, "nothing on both sides of the gap"
    assert whole[whole > 0.5] == pytest.approx(1.0)


def test_thinning_keeps_peaks_and_marks_gaps() -> None:
    times = START + np.arange(100_000) * (SECOND // 10)
    times[50_000:] += 60 * SECOND
    values = np.sin(np.arange(100_000) / 500)
    values[31_337] = 9.0
    thinned, kept = downsample(Series("x", "", times, values))
    assert len(thinned) <= POINTS + 2
    assert np.nanmax(kept) == 9.0
    assert np.isnan(kept).sum() == 1
    assert (np.diff(thinned) > 0).all()


def test_short_gaps_are_marked_where_they_are_named() -> None:
    times = START + np.arange(6) * (SECOND // 10)
    breaks = np.array([False, False, True, False, False, False])
    _, kept = downsample(Series("x", "", times, np.arange(6.0)), breaks)
    np.testing.assert_array_equal(kept, [0, 1, np.nan, 2, 3, 4, 5])


def test_the_axis_counts_from_the_start_of_the_session() -> None:
    session = read_series(recording(), START - 5 * SECOND)
    times = np.array([START - 5 * SECOND, START, START + SECOND // 2])
    assert seconds_of(times, session).tolist() == [0.0, 5.0, 5.5]
    assert whole_span(session).first == 0.0
    assert whole_span(session).last == pytest.approx(64.75)
    early = read_series(recording(), START + 10 * SECOND)
    assert seconds_of(times, early).tolist() == [-15.0, -10.0, -9.5]
    assert whole_span(early).first == -10.0


def test_what_was_joined_late_is_not_drawn_behind_hours_of_nothing() -> None:
    session = read_series(recording(), START - 7200 * SECOND)
    assert whole_span(session).first == pytest.approx(7200.0)


def test_markers_are_numbered_and_annotations_lettered() -> None:
    session = read_series(recording())
    session.markers = [
        Marker(session="s", at=at, label=label)
        for at, label in ((1, "in 1970"), (START + SECOND, "start"), (START + 9 * SECOND, "turn"))
    ]
    annotation = Annotation(begin_s=3, end_s=5, label="phone", is_excluded=True)
    span = whole_span(session, [annotation])
    assert [(flag.sign, flag.at, flag.label) for flag in span.flags] == [
        ("2", 1.0, "start"), ("3", 9.0, "turn"),
    ]  # fmt: skip
    (shade,) = span.shades
    assert (shade.sign, shade.label) == ("a", "phone (left out)")
