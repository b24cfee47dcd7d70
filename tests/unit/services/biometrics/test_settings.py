from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.settings.biometrics import SIGNALS, BiometricsSettings, Column, read_columns
from affectline.common.settings.pipeline import PipelineSettings, load
from affectline.common.wire.health import Health
from affectline.services.biometrics.drivers.brainflow import read_parameters
from affectline.services.biometrics.drivers.synthetic import SyntheticSettings, read_stress
from affectline.services.cli.biometrics import choose_sensor

PIPELINE = PipelineSettings()
choose: Callable[..., Any] = choose_sensor  # returns the model of the driver
TABLE = {"file": "x.csv", "columns": {"hr": {"signal": "heart_rate", "unit": "/min"}}}


@pytest.mark.parametrize("signal", SIGNALS)
def test_every_unit_comes_down_to_that_of_its_signal(signal: str) -> None:
    known = SIGNALS[signal]
    for unit in (known.unit, *known.others):
        column = Column(signal=signal, unit=unit)
        assert column.wire_unit == known.unit
        assert column.scale == known.others.get(unit, (1.0, 0.0))


@pytest.mark.parametrize(
    "column", ["heart_rate", "heart_rate:/min", "heart_rate: bpm", {"signal": "heart_rate"},
               {"signal": "heart_rate", "unit": None}],
)  # fmt: skip
def test_the_unit_may_be_left_out_in_a_settings_file_too(column: object, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    sensor = {"driver": "csv", "file": "x.csv", "columns": {"hr": column}}
    path.write_text(yaml.safe_dump({"biometrics": [sensor]}))
    (read,) = load(path).biometrics
    found = read.columns["hr"]  # type: ignore[attr-defined]
    assert (found.signal, found.wire_unit) == ("heart_rate", "/min")


def test_a_signal_without_a_unit_of_its_own_needs_one(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    sensor = {"driver": "csv", "file": "x.csv", "columns": {"j": {"signal": "joy"}}}
    path.write_text(yaml.safe_dump({"biometrics": [sensor]}))
    with pytest.raises(AffectlineError, match=r"joy has no unit of its own.*docs/biometrics\.md"):
        load(path)


def test_temperatures() -> None:
    factor, summand = Column(signal="temperature", unit="[degF]").scale
    assert 98.6 * factor + summand == pytest.approx(37.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"driver": "e4"}, "folder\n.*the driver e4 needs it"),
        ({"driver": "csv", "file": "x"}, "columns\n.*the driver csv needs it"),
        ({"driver": "csv", "columns": TABLE["columns"]}, "file\n.*the driver csv needs it"),
        ({"driver": "csv", "file": "x", "columns": {}}, "needs at least one column"),
        ({"driver": "csv", **TABLE, "loop": True, "keep_times": True}, "exclude each other"),
        ({"driver": "csv", **TABLE, "rate": 4, "keep_times": True}, "needs a column of times"),
        (
            {"driver": "csv", **TABLE, "start": "2026-01-01T00:00Z", "keep_times": True},
            "start and keep_times exclude each other",
        ),
        ({"driver": "csv", **TABLE, "start": "2026-01-01T00:00"}, "timezone"),
        ({"driver": "csv", **TABLE, "time_zone": "Mars/Base"}, "Mars/Base: not a known time zone"),
        ({"driver": "csv", **TABLE, "time_zone": "../etc/passwd"}, "not a known time zone"),
        ({"driver": "synthetic", "stress": (40, 20)}, "from and to in seconds"),
        ({"driver": "radio"}, "no driver 'radio': there are 'ble', .*'lsl'"),
        ({"subject": "anna"}, "driver\n.*should be one of 'ble'"),
        ({"driver": 3}, "should be one of 'ble'"),
        ({"driver": "e4", "folder": "x", "speed": "fast"}, "max"),
        ({"driver": "ble", "file": "x.csv"}, "ble has no such setting; it has .*name, address"),
        ({"driver": "ble", "colour": "red"}, "colour"),
        (
            {"driver": "lsl", "columns": {"a": {"signal": "skin_conductance", "unit": "mV"}}},
            "skin_conductance cannot be in 'mV': its units are uS",
        ),
        (
            {"driver": "lsl", "columns": {c: {"signal": "joy", "unit": "1"} for c in "ab"}},
            "same signal",
        ),
    ],
)
def test_wrong_settings_say_what_is_wrong(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        BiometricsSettings.model_validate(given)


def test_the_name_on_the_bus_can_be_one() -> None:
    settings = SyntheticSettings(subject="x" * 64)
    assert settings.service == f"biometrics/{'x' * 64}/synthetic"
    assert Health.example().model_validate(
        Health.example().model_dump() | {"service": settings.service}
    )
    assert settings.service != SyntheticSettings(subject="x" * 63).service


def test_options_become_settings() -> None:
    given = {"driver": "csv", "file": "x.csv", "columns": ["hr=heart_rate:bpm"]}
    assert choose(given | {"speed": "4"}, PIPELINE).speed == 4.0
    assert choose(given | {"speed": "max"}, PIPELINE).columns["hr"].unit == "bpm"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "--driver is missing"),
        ({"driver": "e4"}, "--folder: the driver e4 needs it"),
        ({"driver": "e4", "folder": ".", "speed": "slow"}, "--speed: .*got 'slow'"),
        ({"driver": "csv", "time_unit": "h"}, "--time-unit: .*got 'h'"),
        ({"driver": "ble", "subject": "a/b"}, "--subject: .*got 'a/b'"),
    ],
)
def test_options_that_do_not_fit_are_one_clear_error(given: dict[str, Any], words: str) -> None:
    with pytest.raises(AffectlineError, match=words):
        choose(given, PIPELINE)


class WithSensors:
    """Settings of a pipeline that name sensors."""

    biometrics = (
        BiometricsSettings.model_validate({"driver": "ble", "subject": "anna", "address": "AA"}),
        BiometricsSettings.model_validate({"driver": "synthetic", "subject": "ben", "seed": 5}),
    )


def test_a_config_names_sensors_and_options_choose_one() -> None:
    config: Any = WithSensors()
    assert choose({"subject": "ben", "seed": 6}, config).seed == 6
    assert choose({"driver": "ble"}, config).address == "AA"
    assert choose({"driver": "lsl"}, config).subject == "person"
    with pytest.raises(AffectlineError, match=r"several sensors: biometrics/anna/ble, biometrics"):
        choose({}, config)


def test_columns_parameters_and_stress_on_the_command_line() -> None:
    assert read_columns(["a=b=rr_interval:s", "1:8=eeg:uV", "hr=heart_rate"]) == {
        "a=b": {"signal": "rr_interval", "unit": "s"},
        "1:8": {"signal": "eeg", "unit": "uV"},
        "hr": {"signal": "heart_rate", "unit": "/min"},
    }
    assert read_parameters(["serial_port=/dev/x=1"]) == {"serial_port": "/dev/x=1"}
    assert read_stress("20-40.5") == (20.0, 40.5)
    for read, text in ((read_columns, ["x=mood"]), (read_parameters, ["x"])):
        with pytest.raises(ValueError, match=r"x.*: not "):
            read(text)
    with pytest.raises(ValueError, match="now: not FROM-TO"):
        read_stress("now")
    with pytest.raises(AffectlineError, match="--stress: now: not FROM-TO"):
        choose({"driver": "synthetic", "stress": "now"}, PIPELINE)
    for read in (read_columns, read_parameters, read_stress):
        assert read({"a": 1}) == {"a": 1}  # left to the settings model
