"""Level and responses of skin conductance, against neurokit2 and on a real wrist."""

import math

import numpy as np
import pytest

from affectline.services.fusion.electrodermal import ResponseDetector, TonicLevel, is_valid
from tests.conftest import SHARED
from tests.unit.services.fusion.test_heart_rate import neurokit


def detect(values: np.ndarray, rate: float) -> ResponseDetector:
    responses = ResponseDetector()
    for i, value in enumerate(values):
        responses.add(i / rate, float(value))
    return responses


def bump(t: np.ndarray, onset_s: float, amplitude: float) -> np.ndarray:
    """A response as in life: up within two seconds, half gone four seconds later."""
    since = t - onset_s
    up = np.clip(since / 2, 0, 1)
    down = np.where(since > 2, np.exp(-(since - 2) * math.log(2) / 4), 1)
    return amplitude * up * down


def test_onset_amplitude_and_recovery() -> None:
    t = np.arange(0, 60, 1 / 16)
    found = detect(3 + bump(t, 10, 0.5) + bump(t, 35, 0.2), 16).responses
    assert [r.onset_s for r in found] == pytest.approx([10, 35], abs=0.4)
    assert [r.peak_s for r in found] == pytest.approx([12, 37], abs=0.4)
    assert [r.amplitude_us for r in found] == pytest.approx([0.5, 0.2], rel=0.1)
    recoveries = [r.half_recovery_s for r in found]
    assert recoveries == pytest.approx([16, 41], abs=0.7)


@pytest.mark.parametrize("rate", [1, 2, 4, 8, 32])
def test_a_peak_has_its_time_at_every_rate(rate: int) -> None:
    t = np.arange(0, 60, 1 / rate)
    since = np.maximum(t - 20, 0)
    wave = np.exp(-since / 4) - np.exp(-since / 0.75)
    (found,) = detect(3 + wave, rate).responses
    assert found.peak_s == pytest.approx(t[wave.argmax()], abs=0.5 / rate + 0.1)


@pytest.mark.parametrize("count", [3, 6, 10])
def test_responses_match_neurokit(count: int) -> None:
    nk, rate = neurokit(), 32
    signal = 2 + nk.eda_simulate(
        duration=100, sampling_rate=rate, scr_number=count, noise=0, drift=-0.002, random_state=3
    )
    phasic = nk.eda_phasic(signal, sampling_rate=rate)["EDA_Phasic"].to_numpy()
    _, expected = nk.eda_peaks(phasic, sampling_rate=rate)
    found = detect(signal, rate).responses
    assert len(found) == len(expected["SCR_Peaks"]) == count
    ours = np.array([r.peak_s for r in found])
    assert ours == pytest.approx(expected["SCR_Peaks"] / rate, abs=0.5)
    onsets = np.array([r.onset_s for r in found])
    assert onsets == pytest.approx(expected["SCR_Onsets"] / rate, abs=0.6)


def test_a_slow_rise_is_not_a_response() -> None:
    t = np.arange(0, 120, 0.25)
    assert not detect(2 + 0.003 * t, 4).responses
    assert detect(2 + 0.003 * t, 4).rate(120.0) == 0


def test_rate_counts_the_last_minute() -> None:
    t = np.arange(0, 100, 1 / 16)
    signal = sum((bump(t, at, 0.3) for at in (5, 20, 50, 65, 80)), start=np.full(len(t), 3.0))
    assert detect(signal, 16).rate(100.0) == 3


def test_implausible_conductances_are_ignored() -> None:
    assert not is_valid(0.0)
    assert not is_valid(80.0)
    assert not is_valid(math.nan)
    level = TonicLevel()
    for second in range(30):
        for i in range(4):
            level.add(second + i / 4, 0.0 if i == 0 else 4.0)
        level.close_second()
    assert level.level == pytest.approx(math.log(4))
    assert level.invalid == 30
    assert TonicLevel().close_second() is None


def test_level_of_a_real_wrist() -> None:
    path = SHARED / "biometrics" / "stress_predict" / "S05" / "EDA.csv"
    if not path.exists():
        pytest.skip("../shared/data/biometrics/stress_predict is not here")
    values = np.loadtxt(path, max_rows=2402)[2:]
    level, levels = TonicLevel(), []
    for i, value in enumerate(values):
        level.add(i / 4, float(value))
        if i % 4 == 3 and (now := level.close_second()) is not None:
            levels.append(math.exp(now))
    assert len(levels) > 590
    valid = values[values > 0.05]
    assert np.median(levels) == pytest.approx(np.median(valid), rel=0.05)
    assert valid.min() <= min(levels)
    assert max(levels) <= valid.max()
    # neurokit2's tonic part follows the same course
    tonic = neurokit().eda_phasic(values, sampling_rate=4)["EDA_Tonic"].to_numpy()
    ours = np.array(levels[60:590])
    assert np.corrcoef(ours, tonic[240 : 240 + 4 * len(ours) : 4])[0, 1] > 0.9
