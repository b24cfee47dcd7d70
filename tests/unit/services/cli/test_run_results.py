"""The table at the end of a run, and what stays of one that analysed nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from affectline.services.cli.run_results import print_result, remove_if_empty, report_sources

STREAM: dict[str, Any] = {
    "frames": 120,
    "frames_with_face": 100,
    "faces": 110,
    "tracks": 2,
    "skipped": {"behind": 3},
    "lost": 1,
    "latency_ms": {"p50": 12.34, "p95": 20.0, "p99": None},
    "share_of_frames": {"happy": 0.5, "neutral": 0.5},
    "mean_probability": {"happy": 0.4, "neutral": 0.3},
    "valence": 0.25,
    "arousal": None,
    "end": "end",
}


def result(folder: Path) -> dict[str, Any]:
    return {
        "streams": {"drive": STREAM},
        "share_of_frames": {"happy": 0.5, "neutral": 0.5},
        "frames": 120,
        "seconds": 4.0,
        "restarts": {"detector/drive": 2},
        "files": [str(folder / "emotions.csv")],
    }


def test_the_table_has_what_happened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    print_result(result(tmp_path))
    out = capsys.readouterr().out
    for text in (
        "120", "4 (3 behind, 1 lost)", "12.3 ms", "share of frames, mean probability",
        "50.0%, 40.0%", "mean valence, -1 to 1", "+0.25", "4.0 s, 30 frames/s from start to end",
        "detector/drive was restarted 2 time(s)", "emotions.csv",
    ):  # fmt: skip
        assert text in out


def test_a_film_without_a_face_has_no_expressions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unseen = STREAM | {"frames_with_face": 0, "share_of_frames": {"happy": 0, "neutral": 0}}
    told = result(tmp_path)
    told["streams"] = {"sky": unseen}
    print_result(told)
    assert "happy" not in capsys.readouterr().out
    told["streams"] = {"sky": unseen, "drive": STREAM}
    print_result(told)
    out = capsys.readouterr().out
    assert "50.0%, 40.0%" in out
    assert "0.0%, 40.0%" not in out.replace("50.0%", "")


@pytest.mark.parametrize("names", [("a_name_of_a_stream_that_is_very_long", "b"), tuple("abc")])
def test_at_80_columns_nothing_is_cut_off(
    names: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_result(result(tmp_path) | {"streams": dict.fromkeys(names, STREAM)})
    table = capsys.readouterr().out.partition("from start to end")[0]
    assert "\N{HORIZONTAL ELLIPSIS}" not in table
    assert table.count("50.0%, 40.0%") == len(names)
    assert max(len(line) for line in table.splitlines()) <= 80


def test_a_run_without_time_has_no_speed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_result(result(tmp_path) | {"seconds": 0})
    assert "0.0 s, 0 frames/s" in capsys.readouterr().out


@pytest.mark.parametrize(("frames", "remains"), [(0, False), (1, True)])
def test_a_session_without_a_frame_is_removed(frames: int, remains: bool, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "session.json").write_text(json.dumps({"streams": {"drive": {"frames": frames}}}))
    (folder / "emotions.csv").write_text("stream\n")
    remove_if_empty(folder)
    assert folder.exists() is remains


def test_what_else_is_in_the_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "session.json").write_text(json.dumps({"streams": {}}))
    (tmp_path / "notes.txt").write_text("mine")
    remove_if_empty(tmp_path)
    assert (tmp_path / "notes.txt").exists()
    remove_if_empty(tmp_path / "gone")


@pytest.mark.parametrize(("is_replay", "named"), [(True, "drive:"), (False, "--source")])
def test_only_those_who_named_a_source_read_of_one(
    is_replay: bool, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = STREAM | {"detail": "it was stopped"}
    assert not report_sources({"drive": stream}, is_replay=is_replay)
    assert capsys.readouterr().err == f"affectline: {named} it was stopped\n"
