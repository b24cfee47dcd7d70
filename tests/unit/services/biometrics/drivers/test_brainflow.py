from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectline.common.errors import AffectlineError
from affectline.common.settings.biometrics import Column
from affectline.services.biometrics.driver import DeviceGone
from affectline.services.biometrics.drivers.brainflow import (
    BoardRow,
    BrainFlowDriver,
    RegularClock,
    choose_rows,
)
from tests.unit.services.biometrics.fakes import FakeTime, settings

S = 1_000_000_000
PRESETS: dict[int, dict[str, Any]] = {
    0: {"ecg_channels": [1, 2], "accel_channels": [3, 4, 5], "num_rows": 8, "eeg_channels": [1]},
    1: {"ecg_channels": [7], "eda_channels": [2], "num_rows": 4},
}
EEG = Column(signal="eeg", unit="uV")


def test_the_first_row_of_each_kind_is_taken() -> None:
    rows = {row.column.signal: (row.preset, row.number) for row in choose_rows(PRESETS, {})}
    assert rows == {
        "ecg": (0, 1),
        "acceleration_x": (0, 3),
        "acceleration_y": (0, 4),
        "acceleration_z": (0, 5),
        "skin_conductance": (1, 2),
    }


def test_rows_are_chosen_by_number() -> None:
    assert choose_rows(PRESETS, {"7": EEG}) == [BoardRow(0, 7, EEG)]
    assert choose_rows(PRESETS, {"1:3": EEG}) == [BoardRow(1, 3, EEG)]


@pytest.mark.parametrize("key", ["8", "2:0", "1:4", "x", "-1", ""])
def test_a_row_that_is_not_there_is_one_clear_error(key: str) -> None:
    with pytest.raises(AffectlineError, match="it has 0:0 to 0:7, 1:0 to 1:3"):
        choose_rows(PRESETS, {key: EEG})


def test_a_board_without_anything_of_the_body_wants_a_choice() -> None:
    with pytest.raises(AffectlineError, match="choose rows by number"):
        choose_rows({0: {"eeg_channels": [1], "num_rows": 2}}, {})


@pytest.mark.parametrize("board", ["synthetic", "SYNTHETIC_BOARD", -1, "-1"])
def test_boards_have_names_and_numbers(board: str | int) -> None:
    assert BrainFlowDriver(settings("brainflow", board=board), FakeTime().clock).synthetic


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"board": "toaster"}, "--board toaster: BrainFlow knows no such board.*synthetic"),
        ({"board": 9999}, "--board 9999"),
        ({"board": "playback_file"}, "does not name the board that measured"),
        ({"board": "streaming", "parameters": {"master_board": -50}}, "--board -50"),
        ({"parameters": {"port": 1}}, "--parameter port=1: not a parameter.*serial_port"),
        ({"parameters": {"ip_port": "a"}}, "--parameter ip_port=a"),
    ],
)
def test_a_wrong_board_is_one_clear_error(more: dict[str, Any], words: str) -> None:
    with pytest.raises(AffectlineError, match=words):
        BrainFlowDriver(settings("brainflow", **more), FakeTime().clock)


def test_bursts_become_even() -> None:
    clock, random = RegularClock(250.0), np.random.default_rng(1)
    late = random.uniform(0, 0.04, 400)  # each batch of 25 samples is up to 40 ms late
    starts = [
        clock.timestamp(round((1000 + 0.1 * i + 0.096 + late[i]) * S), 25) for i in range(len(late))
    ]
    steps = np.diff(starts[50:]) / S
    assert np.abs(steps - 0.1).max() < 0.001
    error = np.array(starts[200:]) / S - (1000 + 0.1 * np.arange(200, 400))
    assert 0 < error.mean() < 0.04


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(1, 500)), min_size=1))
def test_a_batch_that_is_a_little_early_never_overlaps(batches: list[tuple[int, int]]) -> None:
    clock, last = RegularClock(100.0), None
    for stamp, count in batches:
        jumped = last is None or abs(stamp - count * S // 100 - last) > S // 2
        at = clock.timestamp(stamp, count)
        if not jumped and last is not None:
            assert at >= last - 1
        last = at + (count - 1) * S // 100


@pytest.mark.parametrize("stamp", [np.nan, np.inf, -np.inf, 1e300])
def test_a_time_that_is_none_costs_its_batch_alone(stamp: float) -> None:
    driver = BrainFlowDriver(settings("brainflow"), FakeTime().clock)
    driver.open()
    try:
        info = driver._presets[0]
        data = np.zeros((info["num_rows"], 3))
        data[info["timestamp_channel"]] = stamp
        assert driver._readings(0, data) == []
        assert driver.counters["invalid"] == 3
        with pytest.raises(DeviceGone, match="gave 2 rows, not 32"):
            driver._readings(0, data[:2])
    finally:
        driver.close()
