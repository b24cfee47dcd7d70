import pytest

from affectline.services.capture.frame_pacer import FramePacer

MS = 1_000_000


@pytest.mark.parametrize(("rate", "kept"), [(None, 50), (10, 20), (25, 50), (100, 50), (1, 2)])
def test_a_film_is_thinned_out_to_the_rate(rate: float | None, kept: int) -> None:
    pacer = FramePacer(rate, "fast")
    assert sum(pacer.is_wanted(i * 40 * MS) for i in range(50)) == kept


def test_a_gap_is_not_made_up_for() -> None:
    pacer = FramePacer(10, "fast")
    times = [0, 100, 5000, 5040, 5080, 5100]
    assert [t for t in times if pacer.is_wanted(t * MS)] == [0, 100, 5000, 5100]


def test_realtime_waits_and_fast_does_not() -> None:
    pacer = FramePacer(None, "realtime")
    assert pacer.delay_s(500 * MS) == pytest.approx(0, abs=0.01)
    assert pacer.delay_s(600 * MS) == pytest.approx(0.1, abs=0.02)
    assert FramePacer(None, "fast").delay_s(600 * MS) == 0
