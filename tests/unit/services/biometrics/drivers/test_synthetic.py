import numpy as np
import numpy.typing as npt
import pytest

from affectline.services.biometrics.driver import Reading, Timing
from affectline.services.biometrics.drivers.synthetic import SyntheticDriver
from affectline.services.biometrics.validation import rate_plausibility, time_of
from tests.unit.services.biometrics.fakes import START, FakeTime, play, settings

S = 1_000_000_000


def live(**more: object) -> dict[str, list[tuple[float, float]]]:
    """Seconds and values of each signal."""
    chosen = settings("synthetic", **({"speed": "max", "duration": 120} | more))
    signals: dict[str, list[tuple[float, float]]] = {}
    for reading in play(SyntheticDriver(chosen, FakeTime().clock)):
        assert rate_plausibility(reading) == reading  # plausible
        for i, value in enumerate(reading.values):
            at = (time_of(reading, i) - START) / S
            signals.setdefault(reading.signal, []).append((at, value))
    return signals


def between(
    samples: list[tuple[float, float]], start: float, stop: float
) -> npt.NDArray[np.float64]:
    return np.array([value for at, value in samples if start <= at < stop])


def test_a_seed_makes_the_same_person() -> None:
    assert live(seed=7) == live(seed=7)
    assert live(seed=7) != live(seed=8)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_signals_are_consistent_and_plausible(seed: int) -> None:
    signals = live(seed=seed)
    beats, rates = signals["rr_interval"], signals["heart_rate"]
    steps = np.diff([at for at, _ in beats]) * 1000
    assert np.abs(steps - between(beats, 0, 1e9)[1:]).max() < 2  # an interval ends with its beat
    assert abs(60_000 / between(beats, 10, 120).mean() - between(rates, 10, 120).mean()) < 1
    assert 55 < between(rates, 10, 120).mean() < 75
    assert 10 < between(beats, 10, 120).std() < 60  # breathing shows in the intervals
    skin = signals["skin_conductance"]
    assert len(skin) == 480
    assert np.allclose(np.diff([at for at, _ in skin]), 0.25)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_stress_shows_in_heart_and_skin(seed: int) -> None:
    signals = live(seed=seed, stress=(40, 80))
    calm, stressed = (
        {name: between(samples, *span) for name, samples in signals.items()}
        for span in ((10, 40), (55, 80))
    )
    assert stressed["heart_rate"].mean() > calm["heart_rate"].mean() + 15
    assert stressed["skin_conductance"].mean() > calm["skin_conductance"].mean() + 1
    assert stressed["rr_interval"].std() < calm["rr_interval"].std()
    after = between(signals["heart_rate"], 110, 120)
    assert after.mean() < stressed["heart_rate"].mean() - 15


def test_it_lives_at_the_pace_of_the_clock() -> None:
    time = FakeTime()
    driver = SyntheticDriver(settings("synthetic"), time.clock)
    driver.open()
    found: list[Reading] = []
    while time.seconds < 10:
        found += driver.read()
    skin = [r for r in found if r.signal == "skin_conductance"]
    assert len(skin) == 40
    assert driver.synthetic


def test_in_a_run_it_begins_with_the_session_and_is_the_same_at_every_pace() -> None:
    found = []
    for speed in ("max", 1.0, 8.0):
        time = FakeTime()
        driver = SyntheticDriver(settings("synthetic"), time.clock)
        driver.timing = Timing(
            session_start=START - S,
            ends_at=START + 9 * S,
            speed=speed,
            is_aligned=True,
        )
        found.append(play(driver))
        assert driver.complete_until == START + 9 * S
        assert time.seconds < (0.01 if speed == "max" else 10 / float(speed) + 0.2)
    assert found[0] == found[1] == found[2]
    assert found[0][0].at == START - S


def test_beside_something_live_it_goes_by_the_clock() -> None:
    time = FakeTime()
    driver = SyntheticDriver(settings("synthetic"), time.clock)
    driver.timing = Timing(session_start=START - 2 * S, follows_clock=True)
    driver.open()
    assert len([r for r in driver.read() if r.signal == "skin_conductance"]) == 8
