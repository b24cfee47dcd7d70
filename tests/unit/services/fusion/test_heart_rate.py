"""Heart rate and RMSSD, with artefacts, against neurokit2 and on a real drive."""

import lzma
import random
import warnings
from itertools import islice
from typing import Any

import numpy as np
import pytest

from affectline.services.fusion.beat_detection import ECG, PPG, BeatDetector, WaveformKind
from affectline.services.fusion.heart_rate import RateSource, RRSource, WaveformSource
from tests.conftest import SHARED


def neurokit() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import neurokit2

    return neurokit2


def intervals(count: int = 120, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [820 + chance.gauss(0, 30) for _ in range(count)]


def feed(beats: RRSource, values: list[float]) -> float:
    at_s = 0.0
    for value in values:
        at_s += value / 1000
        beats.add(at_s, value)
    return at_s


def test_rate_and_rmssd_match_neurokit() -> None:
    beats, values = RRSource(), intervals()
    end_s = feed(beats, values)
    ends_s = np.cumsum(values) / 1000
    recent = [v for v, t in zip(values, ends_s, strict=True) if t > end_s - 60]
    peaks = np.cumsum([0, *recent]).round().astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = neurokit().hrv_time(peaks, sampling_rate=1000)
    assert beats.rmssd(end_s) == pytest.approx(expected["HRV_RMSSD"].iloc[0], rel=0.01)
    assert beats.rate(end_s) == pytest.approx(60_000 / np.mean(values), rel=0.005)


def test_artefacts_among_beats_are_rejected() -> None:
    clean, dirty = RRSource(), RRSource()
    values = intervals()
    end_s = feed(clean, values)
    at_s = 0.0
    for i, value in enumerate(values):
        at_s += value / 1000
        if i % 10 == 9:
            assert not dirty.add(at_s, 226.0)  # 265 beats a minute
            assert not dirty.add(at_s, 1700.0)  # a beat missed
        dirty.add(at_s, value)
    assert dirty.rate(end_s) == clean.rate(end_s)
    assert dirty.rejected == 24
    rmssd, expected = dirty.rmssd(end_s), clean.rmssd(end_s)
    assert rmssd is not None
    assert expected is not None
    assert rmssd == pytest.approx(expected, rel=0.15)


def test_a_true_change_of_heart_rate_is_accepted_after_a_few_beats() -> None:
    beats = RRSource()
    end_s = feed(beats, [1000.0] * 30)
    for i in range(1, 41):
        beats.add(end_s + i * 0.5, 500.0)
    assert beats.current_rate(end_s + 20) == pytest.approx(120)
    assert beats.rejected == 7


def test_too_few_beats_give_no_rate() -> None:
    beats = RRSource()
    end_s = feed(beats, [800.0] * 5)
    assert beats.rate(end_s) is None
    assert beats.rmssd(end_s) is None
    feed(beats, [800.0] * 5)
    assert beats.rate(end_s + 500) is None


def test_spikes_and_drop_outs_of_a_series_have_no_effect() -> None:
    rates = RateSource()
    for second in range(60):
        value = {20: 0.0, 21: 0.0, 40: 265.0, 41: 205.0}.get(second, 70.0)
        rates.add(float(second), value)
        now = rates.rate(float(second))
        assert now == 70.0
    assert rates.rejected == 3
    assert 0.9 < rates.coverage(60.0) < 1


@pytest.mark.parametrize("rate_bpm", [58, 75, 110])
@pytest.mark.parametrize(("kind", "sampling"), [(PPG, 64), (ECG, 128)])
def test_beats_of_a_wave_match_neurokit(rate_bpm: int, kind: WaveformKind, sampling: int) -> None:
    nk = neurokit()
    if kind is PPG:
        wave = nk.ppg_simulate(
            duration=40, sampling_rate=sampling, heart_rate=rate_bpm, random_state=1
        )
        expected = nk.ppg_findpeaks(wave, sampling_rate=sampling)["PPG_Peaks"] / sampling
    else:
        wave = nk.ecg_simulate(
            duration=40, sampling_rate=sampling, heart_rate=rate_bpm, random_state=1
        )
        cleaned = nk.ecg_clean(wave, sampling_rate=sampling)
        found = nk.ecg_findpeaks(cleaned, sampling_rate=sampling)["ECG_R_Peaks"]
        expected = np.asarray(found) / sampling
    finder = BeatDetector(kind, sampling)
    beats = [t for i, v in enumerate(wave) for t in finder.add(i / sampling, float(v))]
    inner = [t for t in expected if 1 < t < 38]
    assert len(inner) > 30
    for at_s in inner:
        assert min(abs(at_s - t) for t in beats) < 0.06
    assert len(beats) <= len(expected) + 1
    heart = WaveformSource(BeatDetector(kind, sampling))
    for i, value in enumerate(wave):
        heart.add(i / sampling, float(value))
    assert heart.rate(40.0) == pytest.approx(60 / np.diff(expected).mean(), rel=0.01)


def test_noise_of_a_pulse_wave_hardly_shows_in_the_variability() -> None:
    chance = np.random.default_rng(1)
    beats = np.cumsum(60 / 110 * (1 + 0.05 * np.sin(np.arange(300) / 2)))
    at = np.arange(0, 120, 1 / 50)
    wave = sum(
        height * np.exp(-(((at[:, None] - beats - delay) / width) ** 2) / 2).sum(axis=1)
        for height, delay, width in ((1, 0.18, 0.09), (0.4, 0.45, 0.12))
    )
    heart = WaveformSource(BeatDetector(PPG, 50))
    for at_s, value in zip(at, wave + chance.normal(0, 0.02, len(at)), strict=True):
        heart.add(float(at_s), float(value))
    inside = np.diff(beats[(beats > 59) & (beats < 119)]) * 1000
    expected = np.sqrt(np.mean(np.diff(inside) ** 2))
    assert heart.rmssd(120) == pytest.approx(expected, abs=4)


def test_a_flat_or_broken_wave_has_no_beats() -> None:
    finder = BeatDetector(PPG, 64)
    assert not [t for i in range(640) for t in finder.add(i / 64, 0.5)]
    assert not [t for i in range(640) for t in finder.add(20 + i / 64, float("nan"))]


def test_real_drop_outs_are_rejected() -> None:
    path = SHARED / "biometrics" / "drivedb" / "drive05.csv.xz"
    if not path.exists():
        pytest.skip("../shared/data/biometrics/drivedb is not here")
    rates, raw, kept = RateSource(), [], []
    with lzma.open(path, "rt") as file:
        for line in islice(file, 1 + 17_000, 1 + 34_000):
            columns = line.split(",")
            at_s, value = float(columns[0]), float(columns[5])
            rates.add(at_s, value)
            raw.append(value)
            rate = rates.rate(at_s)
            if rate is not None:
                kept.append(rate)
    assert min(raw) == 0
    assert max(raw) > 200
    assert 55 < min(kept) < max(kept) < 110
    assert rates.rejected > 1000
