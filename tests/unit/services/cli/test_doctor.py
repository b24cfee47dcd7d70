"""The checks of ``affectline doctor``."""

from pathlib import Path

import pytest

from affectline.common.settings.hub import HubSettings
from affectline.services.cli import doctor
from affectline.services.cli.doctor import CheckResult, print_results, run_checks


@pytest.mark.parametrize(
    ("found", "bounds", "expected"),
    [
        ("4.10", "<5,>=4.10", True),
        ("5.0", "<5,>=4.10", False),
        ("4.9.2", "<5,>=4.10", False),
        ("1.1.11", "==1.1.11", True),
        ("1.2", "==1.1.11", False),
        ("3", "", True),
    ],
)
def test_versions_are_compared_as_numbers(found: str, bounds: str, expected: bool) -> None:
    assert doctor._satisfies(found, bounds) is expected


def test_a_missing_model_is_a_failure_with_a_fix(tmp_path: Path) -> None:
    result = doctor._check_model(tmp_path / "gone")
    assert (result.check, result.state) == ("model", "failure")
    assert result.fix


def test_a_missing_network_is_a_failure_with_a_fix(tmp_path: Path) -> None:
    found = doctor._check_networks()
    assert found.state == "ok"
    assert "iris, covered-face: checksums match" in found.detail
    result = doctor._check_networks(tmp_path)
    assert (result.check, result.state) == ("networks", "failure")
    assert result.fix == "reinstall Affectline"


def test_taken_ports_are_a_failure_with_a_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "taken_ports", lambda _: ["5555 (publishers)"])
    result = doctor._check_ports(HubSettings())
    assert result.state == "failure"
    assert "5555 (publishers)" in result.detail
    assert "--bind" in result.fix


def test_whatever_is_wrong_has_a_fix(tmp_path: Path) -> None:
    results = list(run_checks(HubSettings(port=45000), tmp_path))
    names = [
        "python", "packages", "plug-ins", "opencv", "pyav", "model", "networks", "ports",
        "sample clip", "display", "camera",
    ]  # fmt: skip
    assert list(dict.fromkeys(result.check for result in results)) == names
    assert all(result.fix for result in results if result.state == "failure")


def test_results_are_printed_as_a_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    print_results([CheckResult("camera", "warning", "no camera", "plug one in")])
    out = capsys.readouterr().out
    for text in ("camera", "warning", "no camera", "plug one in"):
        assert text in out
