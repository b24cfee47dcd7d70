import sys
from pathlib import Path
from typing import Any

import fastavro
import pytest

from affectline.common.errors import AffectlineError
from affectline.services.biometrics.driver import BUTTON, Reading
from affectline.services.biometrics.drivers.embraceplus import EmbracePlusDriver
from affectline.services.biometrics.validation import time_of
from tests.unit.services.biometrics.fakes import START, FakeTime, play, settings

S = 1_000_000_000
BEGIN_US = 1_675_987_200_000_000  # 2023-02-10T00:00:00Z


def _series(name: str, kind: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": {
            "type": "record",
            "name": name.capitalize(),
            "fields": [
                {"name": "timestampStart", "type": "long"},
                {"name": "samplingFrequency", "type": "float"},
                {"name": "values", "type": {"type": "array", "items": kind}},
            ],
        },
    }


def _list(name: str, field: str) -> dict[str, Any]:
    fields = [{"name": field, "type": {"type": "array", "items": "long"}}]
    record = {"type": "record", "name": name[0].upper() + name[1:], "fields": fields}
    return {"name": name, "type": record}


def schema(params: tuple[str, ...]) -> dict[str, Any]:
    """Empatica's schema: 6.4 has limits for the accelerometer, 6.5 has a factor."""
    kind = "float" if params == ("conversionFactor",) else "int"
    imu = {
        "type": "record",
        "name": "ImuParams",
        "fields": [{"name": name, "type": kind} for name in params],
    }
    acceleration = {
        "type": "record",
        "name": "Accelerometer",
        "fields": [
            {"name": "timestampStart", "type": "long"},
            {"name": "samplingFrequency", "type": "float"},
            {"name": "imuParams", "type": imu},
            *({"name": axis, "type": {"type": "array", "items": "int"}} for axis in "xyz"),
        ],
    }
    raw = {
        "type": "record",
        "name": "RawData",
        "fields": [
            {"name": "accelerometer", "type": acceleration},
            _series("eda", "float"),
            _series("temperature", "float"),
            _list("tags", "tagsTimeMicros"),
            _series("bvp", "float"),
            _list("systolicPeaks", "peaksTimeNanos"),
            _series("steps", "int"),
        ],
    }
    return {
        "type": "record",
        "name": "Session",
        "namespace": "empatica.format.avro",
        "doc": "Session file for Empatica devices.",
        "fields": [
            {"name": "timezone", "type": "int"},
            {"name": "deviceSn", "type": "string"},
            {"name": "rawData", "type": raw},
        ],
    }


LIMITS = {"physicalMin": -16, "physicalMax": 16, "digitalMin": -32768, "digitalMax": 32767}


def write(path: Path, at_us: int = BEGIN_US, **more: Any) -> Path:
    """A file of two seconds."""
    params = more.pop("params", LIMITS)
    nothing = {"timestampStart": 0, "samplingFrequency": 0.0, "values": []}
    raw: dict[str, Any] = {
        "accelerometer": {
            "timestampStart": at_us, "samplingFrequency": 64.0, "imuParams": params,
            "x": [0] * 128, "y": [2048] * 128, "z": [-2048] * 128,
        },
        "eda": {
            "timestampStart": at_us, "samplingFrequency": 4.0,
            "values": [0.5 + i / 8 for i in range(8)],
        },
        "temperature": {
            "timestampStart": at_us + 250_000, "samplingFrequency": 1.0, "values": [33.5, 33.75],
        },
        "bvp": {"timestampStart": at_us, "samplingFrequency": 64.0, "values": [1.5] * 128},
        "systolicPeaks": {"peaksTimeNanos": [at_us * 1000 + i * 800_000_000 for i in (0, 1, 2)]},
        "tags": {"tagsTimeMicros": []},
        "steps": nothing,
    } | more  # fmt: skip
    record = {"timezone": 3600, "deviceSn": "3YK3K1527W", "rawData": raw}
    with path.open("wb") as file:
        fastavro.writer(file, schema(tuple(params)), [record])
    return path


def read(folder: Path, **more: object) -> dict[str, list[Reading]]:
    given = settings("embraceplus", folder=folder, speed="max", **more)
    signals: dict[str, list[Reading]] = {}
    for reading in play(EmbracePlusDriver(given, FakeTime().clock)):
        signals.setdefault(reading.signal, []).append(reading)
    return signals


def values(readings: list[Reading]) -> list[float]:
    return [value for reading in readings for value in reading.values]


def times(readings: list[Reading]) -> list[int]:
    return [time_of(reading, i) for reading in readings for i in range(len(reading.values))]


def test_a_session_is_read_whole(tmp_path: Path) -> None:
    write(tmp_path / "1-1-07_1675987200.avro", tags={"tagsTimeMicros": [BEGIN_US + 1_500_000]})
    signals = read(tmp_path, keep_times=True)
    axes = {f"acceleration_{axis}" for axis in "xyz"}
    assert set(signals) == axes | {"skin_conductance", "temperature", "ppg", "rr_interval", BUTTON}
    skin, warm = signals["skin_conductance"], signals["temperature"]
    assert values(skin) == [0.5 + i / 8 for i in range(8)]
    assert times(skin) == [BEGIN_US * 1000 + i * S // 4 for i in range(8)]
    assert (skin[0].unit, skin[0].rate) == ("uS", 4.0)
    assert (values(warm), times(warm)[0]) == ([33.5, 33.75], BEGIN_US * 1000 + S // 4)
    assert values(signals["acceleration_y"]) == pytest.approx([2048 * 32 / 65535] * 128)
    assert values(signals["rr_interval"]) == [800.0, 800.0]
    assert times(signals["rr_interval"]) == [BEGIN_US * 1000 + i * 4 * S // 5 for i in (1, 2)]
    assert times(signals[BUTTON]) == [BEGIN_US * 1000 + 3 * S // 2]


def test_the_newer_scale_of_the_accelerometer(tmp_path: Path) -> None:
    path = write(tmp_path / "a.avro", params={"conversionFactor": 1 / 2048})
    assert set(values(read(path)["acceleration_z"])) == {-1.0}


def test_files_of_a_folder_are_one_session_in_order(tmp_path: Path) -> None:
    beats = [BEGIN_US * 1000 + i * 700_000_000 for i in range(4)]
    write(tmp_path / "b.avro", BEGIN_US, systolicPeaks={"peaksTimeNanos": beats[:2]})
    write(tmp_path / "a.avro", BEGIN_US + 2_000_000, systolicPeaks={"peaksTimeNanos": beats[2:]})
    signals = read(tmp_path)
    assert times(signals["ppg"]) == [START + round(i * S / 64) for i in range(256)]
    assert values(signals["rr_interval"]) == [700.0] * 3  # also across the files


def test_peaks_that_are_far_apart_are_no_interval(tmp_path: Path) -> None:
    beats = [BEGIN_US * 1000 + ms * 1_000_000 for ms in (0, 900, 30_000, 30_100, 30_950)]
    write(tmp_path / "a.avro", systolicPeaks={"peaksTimeNanos": beats})
    assert values(read(tmp_path)["rr_interval"]) == [900.0, 850.0]


def damaged(tmp_path: Path, case: str) -> Path:
    path = tmp_path / "a.avro"
    if case == "missing":
        return tmp_path / "nowhere"
    if case == "text":
        path.write_text("EDA\n4\n")
    elif case == "other":
        other = {"type": "record", "name": "Other", "fields": [{"name": "a", "type": "int"}]}
        with path.open("wb") as file:
            fastavro.writer(file, other, [{"a": 1}])
    elif case == "rate":
        eda = {"timestampStart": BEGIN_US, "samplingFrequency": 0.0, "values": [1.0]}
        write(path, eda=eda)
    elif case == "scale":
        write(path, params={"range": 16})
    elif case == "date":
        write(path, systolicPeaks={"peaksTimeNanos": [-1]})
    elif case == "nothing":
        none = {"timestampStart": 0, "samplingFrequency": 0.0, "values": []}
        still = {"timestampStart": 0, "samplingFrequency": 0.0, "imuParams": LIMITS}
        still |= {axis: [] for axis in "xyz"}
        no_peaks: dict[str, list[int]] = {"peaksTimeNanos": []}
        write(
            path, eda=none, temperature=none, bvp=none, accelerometer=still,
            systolicPeaks=no_peaks,
        )  # fmt: skip
    elif case == "cut off":
        write(path)
        path.write_bytes(path.read_bytes()[:-40])
    return tmp_path


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("missing", "nowhere: no such folder"),
        ("empty", "holds no Avro file"),
        ("text", "a.avro is not a complete Avro file"),
        ("cut off", "a.avro is not a complete Avro file"),
        ("other", "a.avro is not from an EmbracePlus: it has 1 records, and no rawData"),
        ("rate", "eda has samples, but .* samplingFrequency 0.0"),
        ("scale", "imuParams are {'range': 16}"),
        ("date", "peaksTimeNanos has the time -1"),
        ("nothing", "nothing was measured"),
    ],
)
def test_what_is_no_session_is_refused_in_one_line(tmp_path: Path, case: str, words: str) -> None:
    with pytest.raises(AffectlineError, match=words) as refused:
        read(damaged(tmp_path, case))
    assert "\n" not in str(refused.value)


def test_without_fastavro_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastavro", None)
    with pytest.raises(AffectlineError, match=r"affectline\[sensors\]"):
        EmbracePlusDriver(settings("embraceplus", folder="x"), FakeTime().clock)
