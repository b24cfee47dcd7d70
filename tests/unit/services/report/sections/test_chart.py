import numpy as np
import pytest

from affectline.common.labels import LABELS
from affectline.common.wire.messages import Emotion, Marker, Packet
from affectline.services.report.sections.chart import downsample_stack, draw_chart
from affectline.services.report.time_axis import POINTS, downsample, elapsed
from affectline.services.sessions.timeseries import AFFECT_FIGURES, Series, read_series
from tests.recordings import SECOND, START, frame, recording


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
    assert '"range":[-1,1]' in html
    named = html.count('"showlegend":true')
    assert named == len(LABELS) + len(AFFECT_FIGURES), "a title names a row's only curve"


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
    assert elapsed(times, session) == [0.0, 5.0, 5.5]
    early = read_series(recording(), START + 10 * SECOND)
    assert elapsed(times, early) == [-15.0, -10.0, -9.5]
    assert "time of the session" in draw_chart(session)


def test_a_long_session_is_drawn_in_hours_minutes_and_seconds() -> None:
    late = Marker(session="s", at=START + 700 * SECOND, label="late")
    packets = [*recording(), Packet(late)]
    packets += [
        Packet(p.message.model_copy(update={"captured_at": START + 650 * SECOND, "seq": 900}))
        for p in frame(1)
    ]
    session = read_series(packets)
    assert elapsed(np.array([START + 61_500_000_000]), session) == ["1970-01-01T00:01:01.500"]
    assert '"tickformat":"%H:%M:%S"' in draw_chart(session)


def test_films_that_begin_at_other_times_share_one_axis() -> None:
    def of_stream(name: str, later_s: int) -> list[Packet]:
        return [
            Packet(p.message.model_copy(update={
                "stream": name, "captured_at": p.message.captured_at + later_s * SECOND,
            }))
            for index in range(1, 4) for p in frame(index) if isinstance(p.message, Emotion)
        ]  # fmt: skip

    packets = [*of_stream("front", 0), *of_stream("rear", 20)]
    session = read_series(packets, START)
    assert elapsed(session.affects["rear"]["valence"].times, session) == [21.0, 22.0, 23.0]
    html = draw_chart(session)
    for stream in ("front", "rear"):
        assert f"Valence and arousal in {stream}" in html
    assert "nervousness" not in html.lower()
