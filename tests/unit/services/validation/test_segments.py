"""Drives whose marker channel lacks spikes: where the bounds are put."""

import itertools

import numpy as np
import pytest

from affectline.services.validation.drivedb_segments import TYPICAL_S, find_marks, segment_drive
from tests.conftest import SHARED

RIGHT = np.cumsum([50, 905, 920, 480, 430, 465, 800, 910]).astype(float).tolist()
LENGTH_S = RIGHT[-1] + 60


def test_complete_marks_are_used_unchanged() -> None:
    found = segment_drive(RIGHT, LENGTH_S)
    assert found
    assert list(found.bounds) == RIGHT
    assert found.inferred == 0


@pytest.mark.parametrize("count", [1, 2])
def test_missing_marks_are_put_where_the_protocol_has_them(count: int) -> None:
    for lost in itertools.combinations(range(8), count):
        marks = [at for i, at in enumerate(RIGHT) if i not in lost]
        found = segment_drive(marks, LENGTH_S)
        assert found, lost
        assert [i for i, is_mark in enumerate(found.marked) if not is_mark] == list(lost)
        assert np.abs(np.subtract(found.bounds, RIGHT)).max() < 150, lost
        kept = [found.bounds[i] for i in range(8) if i not in lost]
        assert kept == marks


def test_rest_is_a_quarter_of_an_hour() -> None:
    found = segment_drive(RIGHT[1:-1], LENGTH_S)
    assert found
    assert found.bounds[0] == pytest.approx(RIGHT[1] - TYPICAL_S[0])
    assert found.bounds[-1] == pytest.approx(RIGHT[-2] + TYPICAL_S[-1])


@pytest.mark.parametrize(
    "marks", [[], [1000.0], [1000.0, 2000.0], [100.0, 130.0, 160.0], [10.0, 300.0, 4900.0, 4950.0]]
)
def test_marks_that_fix_nothing_are_refused(marks: list[float]) -> None:
    assert segment_drive(marks, LENGTH_S) is None


def test_an_odd_mark_among_few_is_left_out() -> None:
    marks = sorted([*RIGHT[:3], RIGHT[2] + 60, RIGHT[4], *RIGHT[5:7]])
    found = segment_drive(marks, LENGTH_S)
    assert found
    assert np.abs(np.subtract(found.bounds, RIGHT)).max() < 150


def test_real_drives_without_some_of_their_spikes() -> None:
    folder = SHARED / "biometrics" / "drivedb"
    if not folder.exists():
        pytest.skip("../shared/data/biometrics/drivedb is not here")
    from affectline.services.validation.drivedb_reader import _read_channels, read_drive

    path = folder / "drive06.csv.xz"
    whole = read_drive(path)
    length_s = len(whole.heart_rate) / whole.rate
    marks = find_marks(_read_channels(path)["marker"], whole.rate)
    assert len(marks) == 8
    for lost in itertools.combinations(range(8), 2):
        found = segment_drive([at for i, at in enumerate(marks) if i not in lost], length_s)
        assert found, lost
        assert np.abs(np.subtract(found.bounds, whole.bounds)).max() < 200, lost
