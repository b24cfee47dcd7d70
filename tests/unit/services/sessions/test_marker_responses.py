import numpy as np
import pytest

from affectline.common.wire.messages import Marker
from affectline.services.sessions.marker_responses import marker_responses
from affectline.services.sessions.timeseries import Series

AT = 1_795_445_587_000_000_000
MARKER = Marker(session="s", at=AT, label="hard braking")


def series(seconds: np.ndarray, values: np.ndarray, name: str = "skin") -> Series:
    return Series(name, "uS", AT + (seconds * 1e9).astype(np.int64), values.astype(np.float64))


def ramp(noise: float) -> Series:
    """2 uS at rest, from second 2 to 5 up to 5 uS, and back within six seconds."""
    seconds = np.arange(-12, 30, 0.25)
    values = np.interp(seconds, [2, 5, 11], [2, 5, 2])
    return series(seconds, values + noise * np.sin(np.arange(len(seconds)) * 2.1))


def test_a_response_has_baseline_onset_peak_and_half_recovery() -> None:
    (found,) = marker_responses([MARKER], [ramp(0.01)])
    assert found.baseline == pytest.approx(2.0, abs=0.01)
    assert found.peak == pytest.approx(5.0, abs=0.02)
    assert found.peak_s == pytest.approx(5.0)
    # A fifth of three microsiemens is reached six tenths of a second after it begins to rise.
    assert found.onset_s == pytest.approx(2.75, abs=0.25)
    assert found.recovery_s == pytest.approx(3.0, abs=0.25)


def test_a_fall_is_a_response_too() -> None:
    rising = ramp(0.0)
    (found,) = marker_responses([MARKER], [Series("rmssd", "ms", rising.times, 10 - rising.values)])
    assert found.baseline == pytest.approx(8.0)
    assert found.peak == pytest.approx(5.0)
    assert found.onset_s is not None


def test_noise_that_never_leaves_its_baseline_has_no_onset() -> None:
    seconds = np.arange(-10, 30, 0.1)
    (found,) = marker_responses(
        [MARKER], [series(seconds, np.where(np.arange(400) % 2, 1.0, -1.0))]
    )
    assert found.onset_s is None
    assert found.recovery_s is None


def test_a_response_that_lasts_has_no_recovery() -> None:
    seconds = np.arange(-10, 30, 0.5)
    (found,) = marker_responses([MARKER], [series(seconds, (seconds >= 1).astype(np.float64))])
    assert found.onset_s == pytest.approx(1.0)
    assert found.recovery_s is None


@pytest.mark.parametrize(
    ("span", "baseline"), [((-20, -1), -5.75), ((1, 20), None), ((50, 60), None), ((-1, 0), None)]
)
def test_signals_that_were_not_measured_on_both_sides_have_an_empty_row(
    span: tuple[int, int], baseline: float | None
) -> None:
    seconds = np.arange(*span, 0.5)
    (row,) = marker_responses([MARKER], [series(seconds, seconds)])
    assert (row.marker, row.signal, row.baseline) == ("hard braking", "skin", baseline)
    assert [row.onset_s, row.peak, row.peak_s, row.recovery_s] == [None] * 4


def test_every_marker_has_a_row_for_every_signal() -> None:
    later = Marker(session="s", at=AT + 3_000_000_000, label="overtaken")
    found = [(r.marker, r.signal) for r in marker_responses([MARKER, later], [ramp(0), ramp(0.1)])]
    assert found == [("hard braking", "skin")] * 2 + [("overtaken", "skin")] * 2
