"""A noisy machine is not blamed on the program."""

from collections.abc import Iterator

import pytest

from tests.benchmarks.noise import (
    DISTURBED_CORES,
    DRIFT_PERCENT,
    STOLEN_PERCENT,
    Calibration,
    NoiseMeter,
    Reading,
    compare_readings,
    explain_noise,
    read_counters,
)
from tests.benchmarks.results import Noise


def test_other_work_is_what_this_process_did_not_start() -> None:
    first = Reading(at_s=100, busy_s=50, own_s=10, stolen_s=1, total_s=200)
    last = Reading(at_s=110, busy_s=65, own_s=20, stolen_s=3, total_s=220)
    noise = compare_readings(first, last)
    assert noise.other_cores == pytest.approx(0.5)
    assert noise.stolen_percent == pytest.approx(10)


def test_children_that_ended_before_are_not_negative_work() -> None:
    first = Reading(at_s=0, busy_s=0, own_s=0, stolen_s=0, total_s=0)
    last = Reading(at_s=10, busy_s=5, own_s=6, stolen_s=0, total_s=20)
    assert compare_readings(first, last).other_cores == 0


@pytest.mark.parametrize(
    ("noise", "words"),
    [
        (None, ""),
        (Noise(), ""),
        (Noise(other_cores=DISTURBED_CORES, stolen_percent=STOLEN_PERCENT), ""),
        (Noise(other_cores=0.5), "0.50 cores were busy with other work"),
        (Noise(stolen_percent=12), "12 % of the cores' time went to other guests"),
        (Noise(drift_percent=40), "a fixed computation took 40 % longer than at best"),
    ],
)
def test_the_reason_is_named(noise: Noise | None, words: str) -> None:
    assert explain_noise(noise) == words


def test_all_reasons_are_named() -> None:
    said = explain_noise(Noise(other_cores=1, stolen_percent=9, drift_percent=99))
    assert said.count(",") == 2


def test_parts_are_compared_with_the_fastest_calibration_of_the_run() -> None:
    times: Iterator[float] = iter([10.0, 10.0, 10.0, 13.0, 13.0, 11.0])
    meter = NoiseMeter(lambda: next(times), lambda: Reading(0, 0, 0, 0, 0))
    for name in ("quiet", "disturbed", "after"):
        with meter.part(name):
            pass
    drifts = {name: one.drift_percent for name, one in meter.noise().items()}
    assert drifts == pytest.approx({"quiet": 0, "disturbed": 30, "after": 30})
    assert drifts["disturbed"] > DRIFT_PERCENT


def test_a_part_that_fails_is_observed_as_well() -> None:
    readings = iter([Reading(1, 0, 0, 0, 2), Reading(3, 2, 0, 0, 6)])
    meter = NoiseMeter(lambda: 1.0, lambda: next(readings))
    with pytest.raises(ValueError, match="why"), meter.part("failed"):
        raise ValueError("why")
    assert meter.noise()["failed"].other_cores == pytest.approx(1)
    assert meter.seconds() == {"failed": 2}


def test_the_calibration_and_the_counters_are_read() -> None:
    assert Calibration().time_ms(turns=1) > 0
    before, after = read_counters(), read_counters()
    assert after.at_s >= before.at_s
    assert after.total_s > 0
