"""Options override settings; what cannot be parsed is refused with an example."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.runtime.endpoints import outlet_at
from affectline.common.settings.hub import NO_IPV6, HubSettings, parse_hub
from affectline.common.settings.pipeline import ClassifierSettings, PipelineSettings
from affectline.common.settings.recording import Privacy, RecordingSettings
from affectline.services.cli.mark import parse_fields
from affectline.services.cli.options import (
    read_settings,
    with_bind,
    with_calibration,
    with_overrides,
    with_recording_overrides,
)
from tests.calibrations import OFF, calibration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lab", ("lab", 7000)),
        ("lab:6000", ("lab", 6000)),
        ("tcp://10.0.0.2:6000", ("10.0.0.2", 6000)),
        ("6000", ("127.0.0.1", 6000)),
    ],
)
def test_a_hub_is_a_host_and_perhaps_a_port(text: str, expected: tuple[str, int]) -> None:
    hub = parse_hub(text, HubSettings(port=7000))
    assert (hub.host, hub.port) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6000", ("127.0.0.1", 6000)),
        ("0.0.0.0", ("0.0.0.0", 7000)),
        ("0.0.0.0:6000", ("0.0.0.0", 6000)),
        ("tcp://lab:6000", ("lab", 6000)),
    ],
)
def test_a_hub_listens_at_a_host_a_port_or_both(text: str, expected: tuple[str, int]) -> None:
    hub = with_bind(HubSettings(port=7000), text)
    assert (hub.host, hub.port) == expected
    assert with_bind(HubSettings(port=7000), None, 6000).port == 6000, "as it was spelled"


@pytest.mark.parametrize("text", ["", ":", "lab:http", "lab:0", "65530", "lab:99999", "1:2:3"])
def test_where_no_hub_can_listen_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(AffectlineError, match=r"--bind .*: (for example|the hub needs seven)"):
        with_bind(HubSettings(), text)


@pytest.mark.parametrize("text", ["", ":5555", "lab:http", "lab:0", "lab:65530"])
def test_what_is_no_hub_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(AffectlineError, match=r"--hub .*for example --hub 192"):
        parse_hub(text, HubSettings())


def test_only_given_options_override_settings() -> None:
    hub = HubSettings(host="lab", port=6000)
    assert with_overrides(hub, host=None, port=None) == hub
    assert with_overrides(hub, port=7000) == HubSettings(host="lab", port=7000)


def test_settings_are_the_file_s_with_the_hub_of_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("pace: fast\nhub: {host: lab, port: 6000}\n")
    assert read_settings(None) == PipelineSettings()
    assert read_settings(file).pace == "fast"
    assert read_settings(file, "other").hub == HubSettings(host="other", port=6000)


@pytest.mark.parametrize(
    ("record", "privacy", "report", "expected"),
    [
        (False, None, False, RecordingSettings()),
        (True, None, False, RecordingSettings(record=True)),
        (False, "blurred", False, RecordingSettings(record=True, privacy="blurred")),
        (False, None, True, RecordingSettings(record=True, report=True)),
    ],
)
def test_privacy_and_report_imply_a_recording(
    record: bool, privacy: Privacy | None, report: bool, expected: RecordingSettings
) -> None:
    overridden = with_recording_overrides(
        RecordingSettings(), record=record, privacy=privacy, report=report
    )
    assert overridden == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("speed=63.5", 63.5),
        ("road=wet", "wet"),
        ("who=[1, 2]", [1, 2]),
        ("on=true", True),
        ("odd=NaN", "NaN"),
        ("huge=1e999", "1e999"),
        ("equation=a=b", "a=b"),
        ("empty=", ""),
    ],
)
def test_a_field_is_json_or_text(text: str, value: Any) -> None:
    assert list(parse_fields([text]).values()) == [value]


@pytest.mark.parametrize("text", ["speed", "=3", ""])
def test_a_field_needs_a_name(text: str) -> None:
    with pytest.raises(AffectlineError, match="not NAME=VALUE"):
        parse_fields([text])


@pytest.mark.parametrize(
    ("host", "security", "variable", "access"),
    [
        ("127.0.0.1", "auto", "", "guests"), ("localhost", "off", "", "guests"),
        ("127.0.0.1", "required", "", "keys"),
        ("127.0.0.1", "auto", "required", "keys"), ("0.0.0.0", "auto", "", "keys"),
        ("lab", "auto", "", "keys"), ("lab", "off", "", "everything"),
        ("lab", "auto", "off", "everything"), ("lab", "required", "off", "keys"),
    ],
)  # fmt: skip
def test_keys_are_asked_for_beyond_this_machine(
    host: str, security: str, variable: str, access: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFFECTLINE_SECURITY", variable)
    settings = HubSettings.model_validate({"host": host, "security": security})
    assert settings.network_access == access


def test_a_mode_that_there_is_not_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECTLINE_SECURITY", "on")
    with pytest.raises(AffectlineError, match="no such mode"):
        assert HubSettings().network_access


def test_off_is_read_as_yaml_has_it() -> None:
    assert HubSettings.model_validate({"security": False}).security == "off"


def test_a_calibration_has_to_fit_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ClassifierSettings()
    assert with_calibration(settings, None) is settings
    path = tmp_path / "calibration.json"
    path.write_text(calibration().model_dump_json())
    assert with_calibration(settings, tmp_path, "07").calibration == calibration()
    assert not capsys.readouterr().err
    with pytest.raises(AffectlineError, match="participant 08: the calibration is of 07"):
        with_calibration(settings, path, "08")
    votes = ClassifierSettings(answer="votes")
    with pytest.raises(AffectlineError, match="with --answer consensus, not votes"):
        with_calibration(votes, path)
    of_file = ClassifierSettings(calibration=calibration(model="other@1"))
    with pytest.raises(AffectlineError, match="made with the model other@1"):
        with_calibration(of_file, None)
    path.write_text(calibration(shift=OFF).model_dump_json())
    with_calibration(settings, path)
    assert "the calibration is off: it did not help" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["[::1]:17555", "::1", "tcp://[fe80::1]:17555", "[::1]"])
def test_an_ipv6_address_of_a_hub_is_refused_in_one_sentence(address: str) -> None:
    """They were accepted here and there, and could not be reached."""
    with pytest.raises(AffectlineError, match=f"--hub .*: {NO_IPV6}"):
        parse_hub(address)
    with pytest.raises(AffectlineError, match=f"--bind .*: {NO_IPV6}"):
        with_bind(HubSettings(), address)
    with pytest.raises(AffectlineError, match=f"--address .*: {NO_IPV6}"):
        outlet_at("tcp://[::1]:17556")
    with pytest.raises(ValidationError, match=NO_IPV6):
        HubSettings(host="::1")
