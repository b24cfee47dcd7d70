"""Variability of the heart and parts of skin conductance, against formulas and known signals."""

import itertools

import neurokit2 as nk
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lombscargle, medfilt

from affectline.common.errors import AffectlineError
from affectline.common.wire.biometrics import Samples
from affectline.services.sessions.even_grid import put_on_grid
from affectline.services.sessions.face_measures import Window
from affectline.services.sessions.offline_features import (
    FEATURES,
    CollectedSignals,
    TimedValues,
    offline_features,
)
from tests.conftest import SHARED
from tests.recordings import START, recording


def beats(count: int = 400, low_ms: float = 30, high_ms: float = 20) -> TimedValues:
    """RR intervals about 800 ms that swing at 0.1 Hz and 0.25 Hz."""
    at = np.arange(count) * 0.8
    swing = low_ms * np.sin(2 * np.pi * 0.1 * at) + high_ms * np.sin(2 * np.pi * 0.25 * at)
    intervals = 800 + swing
    return TimedValues(np.cumsum(intervals) / 1000, intervals)


def test_variability_is_that_of_the_task_force_s_formulas() -> None:
    rr = beats()
    found = offline_features({"rr_interval": rr})
    steps = np.diff(rr.values)
    assert tuple(found) == FEATURES
    assert found["hrv_beats"] == 400
    assert found["hrv_sdnn_ms"] == pytest.approx(rr.values.std(ddof=1), abs=1e-4)
    assert found["hrv_rmssd_ms"] == pytest.approx(np.sqrt(np.mean(steps**2)), abs=1e-4)
    assert found["hrv_pnn50"] == pytest.approx(np.mean(np.abs(steps) > 50), abs=0.01)
    # A sine of amplitude A has the power A^2 / 2
    assert found["hrv_lf_ms2"] == pytest.approx(30**2 / 2, rel=0.05)
    assert found["hrv_hf_ms2"] == pytest.approx(20**2 / 2, rel=0.05)
    assert found["hrv_lf_hf"] == pytest.approx(900 / 400, rel=0.05)


def test_what_no_heart_makes_is_left_out_and_counted() -> None:
    rr = beats()
    values = rr.values.copy()
    values[[50, 51, 200]] = (400, 1200, 5000)
    found = offline_features({"rr_interval": TimedValues(rr.times_s, values)})
    assert found["hrv_rejected"] == 3
    assert found["hrv_sdnn_ms"] == pytest.approx(rr.values.std(ddof=1), rel=0.01)


def test_late_stamps_do_not_change_what_the_intervals_say() -> None:
    rr = beats()
    late = np.random.default_rng(1).uniform(0, 0.15, len(rr.values))
    found = offline_features({"rr_interval": TimedValues(rr.times_s + late, rr.values)})
    exact = offline_features({"rr_interval": rr})
    for name in ("hrv_sdnn_ms", "hrv_rmssd_ms", "hrv_pnn50", "hrv_lf_hf"):
        assert found[name] == pytest.approx(exact[name]), name


def test_there_is_no_step_over_a_missing_beat() -> None:
    times = np.cumsum(np.where(np.arange(200) < 100, 0.7, 0.8))
    values = np.where(np.arange(200) < 100, 700.0, 800.0)
    kept = np.r_[0:98, 103:200]
    found = offline_features({"rr_interval": TimedValues(times[kept], values[kept])})
    assert found["hrv_beats"] == 195
    assert (found["hrv_rmssd_ms"], found["hrv_pnn50"]) == (0, 0), "of 100 ms only over the gap"


def test_a_spectrum_is_only_of_stretches_without_gaps() -> None:
    rr = beats(600)
    two = np.r_[0:250, 300:600]  # 40 s are missing
    found = offline_features({"rr_interval": TimedValues(rr.times_s[two], rr.values[two])})
    assert found["hrv_lf_ms2"] == pytest.approx(30**2 / 2, rel=0.05)
    assert found["hrv_hf_ms2"] == pytest.approx(20**2 / 2, rel=0.05)
    pieces = np.concatenate([np.arange(begin, begin + 100) for begin in (0, 200, 400)])
    found = offline_features({"rr_interval": TimedValues(rr.times_s[pieces], rr.values[pieces])})
    assert found["hrv_beats"] == 300
    assert found["hrv_sdnn_ms"] is not None
    assert found["hrv_lf_hf"] is None, "no two minutes in one stretch"


@pytest.mark.parametrize(("signal", "width_s", "within_ms"), [("ecg", 0.012, 1), ("ppg", 0.1, 4)])
def test_beats_of_a_wave_count_where_there_are_no_intervals(
    signal: str, width_s: float, within_ms: float
) -> None:
    rr = beats(200)
    at = np.arange(0, rr.times_s[-1] + 1, 1 / 250)
    shape = sum(np.exp(-(((at - beat) / width_s) ** 2) / 2) for beat in rr.times_s)
    wave = TimedValues(at, np.asarray(shape))
    found = offline_features({signal: wave})
    assert found["hrv_beats"] == pytest.approx(199, abs=3)
    assert found["hrv_sdnn_ms"] == pytest.approx(rr.values.std(ddof=1), abs=within_ms)
    measured = TimedValues(rr.times_s[:40], rr.values[:40])
    assert offline_features({signal: wave, "rr_interval": measured})["hrv_beats"] == 40
    slow = TimedValues(at[::10], wave.values[::10])
    assert offline_features({signal: slow})["hrv_beats"] is None, "25 Hz tell no intervals"
    gap = (at < 60) | (at > 80)
    found = offline_features({signal: TimedValues(at[gap], wave.values[gap])})
    assert found["hrv_rejected"] == 0, "there is no interval across a gap"


def wrist(person: str) -> TimedValues:
    """RR intervals of an hour at the wrist (Stress-Predict), with many beats missing."""
    path = SHARED / "biometrics" / "stress_predict" / person / "IBI.csv"
    if not path.exists():
        pytest.skip("../shared/data/biometrics/stress_predict is not here")
    times, seconds = np.loadtxt(path, delimiter=",", skiprows=1).T
    return TimedValues(times, seconds * 1000)


def test_a_wrist_s_spectrum_agrees_with_one_that_needs_no_even_grid() -> None:
    rr = wrist("S05")
    found = offline_features({"rr_interval": rr})
    missing = np.flatnonzero(np.diff(rr.times_s) - rr.values[1:] / 1000 > 3)
    edges = [0, *(missing + 1), len(rr.values)]
    begin, end = max(itertools.pairwise(edges), key=lambda one: one[1] - one[0])
    is_beat = np.abs(rr.values / medfilt(rr.values, 5) - 1)[begin:end] <= 0.2
    times, values = rr.times_s[begin:end][is_beat], rr.values[begin:end][is_beat]
    assert times[-1] - times[0] > 120
    at = np.arange(0.04, 0.4, 0.001)
    power = lombscargle(times, values - values.mean(), 2 * np.pi * at)
    expected = power[at < 0.15].sum() / power[at >= 0.15].sum()
    assert found["hrv_lf_hf"] == pytest.approx(expected, rel=0.25)
    assert found["hrv_rmssd_ms"] == pytest.approx(37, abs=3)


def test_a_wrist_that_lost_most_beats_has_no_spectrum() -> None:
    found = offline_features({"rr_interval": wrist("S02")})
    assert found["hrv_beats"] == 349
    assert found["hrv_lf_hf"] is None


def test_what_is_not_to_be_trusted_is_not_counted() -> None:
    collected = CollectedSignals(START)
    for quality in (0.0, 0.04, 1.0):
        collected.add(Samples(
            subject="anna", signal="skin_conductance", unit="uS", epoch=1, seq=0, at=START,
            rate=4.0, values=(quality,), quality=quality,
        ))  # fmt: skip
    assert collected.of("anna")["skin_conductance"].values.tolist() == [1.0]


@pytest.mark.parametrize(("count", "known"), [(10, 0), (60, 3), (200, 6)])
def test_too_few_beats_give_no_figure(count: int, known: int) -> None:
    found = offline_features({"rr_interval": beats(count)})
    figures = [value for name, value in found.items() if name.startswith("hrv_")][2:]
    assert sum(value is not None for value in figures) == known
    assert found["hrv_beats"] == count


@pytest.mark.parametrize("rate", [4, 25])
def test_responses_of_the_skin_are_counted_at_every_rate(rate: int) -> None:
    simulated = nk.eda_simulate(
        duration=120, sampling_rate=100, scr_number=8, noise=0, random_state=3
    )
    values = simulated[:: 100 // rate]
    skin = TimedValues(np.arange(len(values)) / rate, values)
    found = offline_features({"skin_conductance": skin})
    assert found["eda_seconds"] == 120
    assert found["scr_per_min"] == pytest.approx(4, abs=0.5)
    assert found["eda_tonic_us"] == pytest.approx(values.mean(), abs=0.1)


@pytest.mark.parametrize("rate", [4, 16, 32, 128])
def test_noise_of_a_fast_sensor_hides_no_response(rate: int) -> None:
    at = np.arange(0, 300, 1 / rate)
    values = 5 + np.random.default_rng(3).normal(0, 0.0005, len(at))
    for onset in range(10, 280, 15):  # 18, of 0.3 uS, with the shape of Bach et al. (2010)
        after = np.maximum(at - onset, 0)
        values += 0.3 / 0.535 * (np.exp(-after / 3) - np.exp(-after / 0.75))
    found = offline_features({"skin_conductance": TimedValues(at, values)})
    assert found["scr_per_min"] == pytest.approx(18 / 5, abs=0.21)
    assert found["scr_amplitude_us"] == pytest.approx(0.28, abs=0.04)


def in_messages(count: int, rate: float, drift: float) -> NDArray[np.float64]:
    """Times of samples in messages of 13, whose clock differs from ours by a share."""
    number = np.arange(count)
    within = number % 13
    return np.asarray(((number - within) * (1 + drift) + within) / rate)


@pytest.mark.parametrize("drift", [0, 5e-5, -5e-5, 2e-3, -2e-3])
def test_a_clock_that_drifts_makes_no_gap_and_loses_nothing(drift: float) -> None:
    times = in_messages(128 * 1200, 128, drift)
    values = 2 + times / 200 + 0.05 * np.sin(times / 3)
    grid = put_on_grid(times, values[:, None])
    assert grid is not None
    assert grid.values[:, 0].tolist() == values.tolist()
    assert (len(values) - 1) / grid.rate == pytest.approx(times[-1], abs=0.1)
    assert (grid.rate == 128) == (not drift)
    found = offline_features({"skin_conductance": TimedValues(times, values)})
    assert found["eda_seconds"] == pytest.approx(1200, rel=3e-3)
    assert found["eda_tonic_us"] == pytest.approx(values.mean(), abs=0.01)


@pytest.mark.parametrize("signal", ["ecg", "ppg"])
def test_beats_are_found_in_a_wave_whose_clock_drifts(signal: str) -> None:
    simulate = {"ecg": nk.ecg_simulate, "ppg": nk.ppg_simulate}[signal]
    wave = simulate(duration=240, sampling_rate=250, heart_rate=70, random_state=1)
    for drift in (0, 1e-3):
        times = in_messages(len(wave), 250, drift)
        found = offline_features({signal: TimedValues(times, wave)})
        assert found["hrv_beats"] == pytest.approx(278, abs=4), drift
        assert found["hrv_lf_hf"] is not None


@pytest.mark.parametrize("drift", [0, 1e-3, -1e-3])
def test_gaps_keep_their_lengths_while_clocks_drift_and_messages_are_late(drift: float) -> None:
    times = in_messages(128 * 600, 128, drift)
    lost = [(1000, 1001), (1050, 1052), (20_000, 20_700), (30_000, 60_000)]
    is_kept = np.ones(len(times), bool)
    for begin, end in lost:
        is_kept[begin:end] = False
    late = np.repeat(np.random.default_rng(1).exponential(0.01, len(times)), 13)[: len(times)]
    kept, numbers = np.maximum.accumulate((times + late)[is_kept]), np.flatnonzero(is_kept)
    kept += np.arange(len(kept)) * 1e-7  # no two are the same
    for stamps, within in ((times[is_kept], 0), (kept, 2)):
        grid = put_on_grid(stamps, numbers[:, None].astype(float))
        assert grid is not None
        known = np.flatnonzero(np.isfinite(grid.values[:, 0]))
        gaps = np.diff(known) - 1
        expected = [end - begin for begin, end in lost]
        found = gaps[gaps > 0].tolist()
        if within:
            found = [gap for gap in found if gap > 100]
            expected = expected[2:]
            assert found == pytest.approx(expected, abs=within)
            assert abs(known[-1] - numbers[-1]) <= within


def test_frames_that_a_camera_dropped_are_counted() -> None:
    chance = np.random.default_rng(2)
    numbers = np.flatnonzero(chance.random(30 * 600) > 0.02)
    times = numbers / 29.9 + chance.uniform(-0.004, 0.004, len(numbers))
    grid = put_on_grid(times, numbers[:, None].astype(float))
    assert grid is not None
    places = np.flatnonzero(np.isfinite(grid.values[:, 0]))
    assert places.tolist() == numbers.tolist()


def test_gaps_and_windows_leave_the_longest_stretch() -> None:
    values = 5 + np.sin(np.arange(480) / 8)
    times = np.arange(480) / 4
    skin = TimedValues(times, np.where((times > 30) & (times < 40), np.nan, values))
    assert offline_features({"skin_conductance": skin})["eda_seconds"] == pytest.approx(80, abs=1)
    found = offline_features({"skin_conductance": skin}, Window(50, 60))
    assert (found["eda_seconds"], found["eda_tonic_us"]) == (10, None)


def test_signals_are_collected_from_a_session_s_messages() -> None:
    collected = CollectedSignals(START)
    for packet in recording():
        collected.add(packet.message)
    assert collected.subjects == [], "a heart rate alone has no variability"


def test_without_neurokit_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("affectline.common.extras.find_spec", lambda _: None)
    with pytest.raises(AffectlineError, match=r"pip install 'affectline\[offline\]'"):
        offline_features({})
