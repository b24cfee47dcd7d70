import numpy as np
import pytest

from affectline.common.labels import LABELS
from affectline.common.wire.messages import Marker
from affectline.services.report.sections.chart import (
    POINTS,
    downsample,
    downsample_stack,
    draw_chart,
)
from affectline.services.sessions.timeseries import Series, read_series
from tests.recordings import SECOND, START, recording


def test_hundreds_of_markers_are_drawn_at_once() -> None:
    session = read_series(recording())
    session.markers = [
        Marker(session="s", at=START + i * SECOND // 10, label=f"event {i}") for i in range(500)
    ]
    html = draw_chart(session)
    assert html.count('"dash":"dot"') == 500
    assert "event 7" not in html, "so many names would lie on each other"


def test_what_has_bounds_is_drawn_between_them_and_named_once() -> None:
    html = draw_chart(read_series(recording()))
    for bounds in ("[0,100]", "[0,1]"):
        assert f'"range":{bounds}' in html
    assert html.index("Nervousness, 0 to 100") < html.index("anna heart rate")
    assert html.count('"showlegend":true') == len(LABELS), "a title names a row's only curve"


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
