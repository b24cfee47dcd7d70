"""What was recorded before events had times of their own is read, and said to be so."""

import json
from pathlib import Path

import pytest

from affectline.services.sessions.catalog import describe, find, print_check, print_info, verify
from affectline.services.sessions.recording import open_recording
from affectline.services.sessions.timeseries import read_series
from tests.old_recordings import ANALYSED_MS, FRAMES, MS, START, write_old_recording


def test_info_says_which_clock_it_goes_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described = describe(write_old_recording(tmp_path / "old"))
    assert described["times"].startswith("clock of arrival (recorded before")
    assert described["session_start"] is None
    assert (described["zero"], described["first_s"]) == (START + MS, 0)
    assert described["seconds"] == described["last_s"] == pytest.approx(1.228)
    assert json.loads(json.dumps(described)) == described
    print_info(described)
    assert "clock of arrival" in capsys.readouterr().out
    (row,) = find(tmp_path)
    assert row["seconds"] == described["seconds"]


def test_what_it_lacks_is_told_and_is_no_fault_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = verify(write_old_recording(tmp_path / "whole"))
    assert (whole["sound"], whole["missing"], whole["warnings"]) == (True, 0, [])
    lacking = verify(write_old_recording(tmp_path / "lacking", lacking=range(10, 13)))
    assert (lacking["sound"], lacking["missing"], lacking["unexplained"]) == (True, 6, 6)
    print_check(lacking)
    said = capsys.readouterr().out
    assert (
        "3 frames of old are missing (seq 10 to 12): the reason is unknown (an older recorder"
        in said
    )
    assert describe(tmp_path / "lacking")["missing"] == 6
    rows = {Path(row["session"]).name: row for row in find(tmp_path)}
    assert rows["lacking"]["missing"] is None, "a list reads no messages"


def test_its_messages_are_those_of_today(tmp_path: Path) -> None:
    recording = open_recording(write_old_recording(tmp_path / "old"))
    series = read_series(recording.read())
    happy = series.emotions["old"]["happy"]
    assert (happy.times[1] - happy.times[0]) == ANALYSED_MS * MS
    assert len(happy.times) == FRAMES
    assert happy.values[0] == pytest.approx(0.9)
    assert [marker.at for marker in series.markers] == [START + 600 * MS]
