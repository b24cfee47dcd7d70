from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from affectline.common.errors import AffectlineError
from affectline.services.biometrics.driver import BUTTON, Reading
from affectline.services.biometrics.drivers.e4 import E4Driver
from affectline.services.biometrics.validation import time_of
from tests.conftest import SHARED
from tests.unit.services.biometrics.fakes import START, FakeTime, play, settings

S = 1_000_000_000
ODD = ["0", "4", "1e9", "1e30", "nan", "inf", "-1", "x", ",", ";"]
BEGIN = 1_644_227_574


@pytest.fixture(scope="session")
def s02() -> Path:
    folder = SHARED / "biometrics" / "stress_predict" / "S02"
    if not folder.exists():
        pytest.skip("../shared/data/biometrics is not here")
    return folder


def read(folder: Path, **more: object) -> tuple[E4Driver, dict[str, list[Reading]]]:
    driver = E4Driver(settings("e4", folder=folder, speed="max", **more), FakeTime().clock)
    signals: dict[str, list[Reading]] = {}
    for reading in play(driver):
        signals.setdefault(reading.signal, []).append(reading)
    return driver, signals


def values(readings: list[Reading]) -> list[float]:
    return [value for reading in readings for value in reading.values]


def test_a_real_export_is_read_whole(s02: Path) -> None:
    driver, signals = read(s02, keep_times=True)
    assert set(signals) == {"skin_conductance", "heart_rate", "rr_interval", BUTTON}
    presses = [time_of(r, i) / S for r in signals[BUTTON] for i in range(len(r.values))]
    assert presses == np.loadtxt(s02 / "tags.csv").tolist()
    skin, rate, beats = (signals[k] for k in ("skin_conductance", "heart_rate", "rr_interval"))
    assert len(values(skin)) == 14264 - 2
    assert len(values(rate)) == 3557 - 2
    assert len(values(beats)) == 361 - 1
    assert skin[0].at == BEGIN * S
    assert rate[0].at == (BEGIN + 10) * S
    assert beats[0].at == (BEGIN + 604) * S
    assert values(beats)[:2] == [687.5, 937.5]
    assert values(rate)[-1] == 63.38
    assert (skin[0].rate, skin[0].unit, beats[0].rate) == (4.0, "uS", None)
    assert driver.device == "Empatica E4 export S02"
    assert not +driver.counters


def test_presses_outside_of_the_session_are_counted(tmp_path: Path) -> None:
    (tmp_path / "HR.csv").write_text(f"{BEGIN}\n1\n" + "60\n" * 10)
    (tmp_path / "tags.csv").write_text(f"{BEGIN + 3}.5\n{BEGIN - 99}\nlater\n\n")
    driver, signals = read(tmp_path, keep_times=True)
    assert [r.at for r in signals[BUTTON]] == [BEGIN * S + 3_500_000_000]
    assert driver.counters["invalid"] == 2


def test_without_recorded_times_the_first_sample_is_now(s02: Path) -> None:
    _, signals = read(s02)
    assert signals["skin_conductance"][0].at == START
    assert signals["heart_rate"][0].at == START + 10 * S


def test_all_sensors_of_the_watch(tmp_path: Path) -> None:
    (tmp_path / "ACC.csv").write_text("100.0, 100.0, 100.0\n32.0, 32.0, 32.0\n64,-32,0\n0,0,16\n")
    (tmp_path / "TEMP.csv").write_text("100.0\n4.0\n31.5\n31.6\n")
    (tmp_path / "BVP.csv").write_text("100.0\n64.0\n-1.5\n\n2.5\n")
    (tmp_path / "EDA.csv").write_text("")
    driver, signals = read(tmp_path)
    found = {signal: (values(readings), readings[0].unit) for signal, readings in signals.items()}
    assert found["acceleration_x"] == ([1.0, 0.0], "g")
    assert found["acceleration_y"] == ([-0.5, 0.0], "g")
    assert found["acceleration_z"] == ([0.0, 0.25], "g")
    assert found["temperature"] == ([31.5, 31.6], "Cel")
    assert [v for v in found["ppg"][0] if v == v] == [-1.5, 2.5]
    assert "skin_conductance" not in found
    assert driver.counters["invalid"] == 1


def test_intervals_of_a_clock_set_back_and_unreadable_rows(tmp_path: Path) -> None:
    rows = "100.0, IBI\n10.0,0.8\nten,0.9\n11.0\n5.0,0.7\n6.0,0.75\n"
    (tmp_path / "IBI.csv").write_text(rows)
    driver, signals = read(tmp_path, keep_times=True)
    times = [time_of(r, i) for r in signals["rr_interval"] for i in range(len(r.values))]
    assert times == [110 * S, 111 * S, 112 * S, 113 * S]
    assert [v for v in values(signals["rr_interval"]) if v == v] == [800.0, 700.0, 750.0]
    assert driver.counters == {"invalid": 2, "reanchored": 1}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "holds no measurements"),
        ({"EDA.csv": "a\nb\nc\n"}, "begins with 'a' and 'b'"),
        ({"EDA.csv": "100\n0\n1\n"}, "begins with '100' and '0'"),
        ({"EDA.csv": "1e300\n4\n1\n"}, "begins with '1e300'"),
        ({"IBI.csv": "x, IBI\n1,1\n"}, "begins with 'x'"),
        ({"EDA.csv": "\0\xff\n"}, "EDA.csv: is not text"),
    ],
)
def test_a_wrong_folder_is_one_clear_error(
    tmp_path: Path, files: dict[str, str], words: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="latin-1")
    with pytest.raises(AffectlineError, match=words):
        read(tmp_path)


def test_a_missing_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match="no such folder"):
        read(tmp_path / "none")


@property_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["EDA.csv", "ACC.csv", "IBI.csv"]),
        st.lists(st.sampled_from(ODD), max_size=30).map(lambda cells: "\n".join(cells).encode())
        | st.binary(max_size=60),
        min_size=1,
    )
)
def test_any_file_is_read_or_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    for name in ("EDA.csv", "ACC.csv", "IBI.csv"):
        (tmp_path / name).write_bytes(files.get(name, b""))
    try:
        _, signals = read(tmp_path)
    except AffectlineError:
        return
    for readings in signals.values():
        times = [time_of(r, i) for r in readings for i in range(len(r.values))]
        assert times == sorted(times)


def test_decimal_commas_are_read_or_refused(tmp_path: Path) -> None:
    (tmp_path / "EDA.csv").write_text("1644227574,000000\n4,000000\n0,62\n0,75\n")
    assert values(read(tmp_path)[1]["skin_conductance"]) == [0.62, 0.75]
    (tmp_path / "EDA.csv").write_text("1644227574\n4\n0,62\n0,75\n")
    with pytest.raises(AffectlineError, match=r"EDA\.csv: 2 of 4 rows have more cells than col"):
        read(tmp_path)
    (tmp_path / "EDA.csv").write_text("1644227574,0\n4.0\n0,62\n0.75\n")
    with pytest.raises(AffectlineError, match=r"EDA\.csv: holds 1644227574,0 and 4\.0: export"):
        read(tmp_path)


def test_semicolons_and_a_byte_order_mark_are_seen(tmp_path: Path) -> None:
    text = "\ufeff100,5; 100,5; 100,5\n32,0; 32,0; 32,0\n64;-32;0\n0;0;16\n"
    (tmp_path / "ACC.csv").write_text(text, encoding="utf-8")
    _, signals = read(tmp_path, keep_times=True)
    assert values(signals["acceleration_y"]) == [-0.5, 0.0]
    assert signals["acceleration_x"][0].at == 100_500_000_000


def test_a_row_that_is_left_out_is_a_gap_and_said(tmp_path: Path) -> None:
    rows = "".join(f"3.{i}\n" for i in range(6))
    (tmp_path / "EDA.csv").write_text(f"100\n4\n{rows}3,71\n\n3.7x\n3.9\n")
    driver, signals = read(tmp_path, keep_times=True)
    found = [v for r in signals["skin_conductance"] for v in r.values]
    assert (found[5], found[-1]) == (3.5, 3.9)
    assert len(found) == 10
    last = signals["skin_conductance"][-1]
    assert time_of(last, len(last.values) - 1) == 100 * S + 9 * S // 4
    assert driver.counters["invalid"] == 3
    assert driver.remarks == [
        "EDA.csv: 1 of 12 rows were left out: more cells than columns (line 9); "
        "1 of 12 rows were left out: blank (line 10); "
        "1 cells were left out: no number (line 11 has '3.7x')"
    ]


def test_an_export_begins_with_the_earliest_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "HR.csv").write_text(f"{BEGIN + 10}\n1\n60\n61\n")
    (tmp_path / "IBI.csv").write_text(f"{BEGIN}, IBI\n604.0,0.6875\n")
    (tmp_path / "TEMP.csv").write_text(f"{BEGIN - 50}\n4\n")
    assert E4Driver.find_start(settings("e4", folder=tmp_path)) == BEGIN * S
    _, signals = read(tmp_path)
    assert signals["heart_rate"][0].at == START + 10 * S
    assert signals["rr_interval"][0].at == START + 604 * S
    (tmp_path / "IBI.csv").write_text("")
    (tmp_path / "HR.csv").write_text("")
    with pytest.raises(AffectlineError, match="holds no measurements"):
        E4Driver.find_start(settings("e4", folder=tmp_path))
