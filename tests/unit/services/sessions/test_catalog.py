"""Lists of sessions, and what odd files among them look like."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.services.sessions.catalog import (
    describe,
    find,
    print_check,
    print_info,
    print_list,
    verify,
)
from tests.samples import PACKETS

GOOD: dict[str, Any] = {"begun": "2026-11-25T10:11:12+0000", "streams": {"s": {"frames": 3}}}


def session(folder: Path, content: Any) -> None:
    folder.mkdir()
    (folder / "session.json").write_text(json.dumps(content))


def recording(folder: Path, about: dict[str, Any], damage: bytes = b"") -> None:
    folder.mkdir()
    writer = SessionWriter(folder / "session.mcap", about)
    for i in range(3):
        writer.add("Marker", codec.encode(PACKETS["Marker"]), 10**9 * (i + 1), i)
    writer.finish()
    with (folder / "session.mcap").open("ab") as file:
        file.write(damage)


@pytest.mark.parametrize(
    "odd",
    [
        None, 7, [], {}, {"begun": "x"}, GOOD | {"streams": ["s"]}, GOOD | {"streams": {"s": 1}},
        GOOD | {"streams": {"s": {"frames": "many"}}}, {"streams": GOOD["streams"]},
    ],
)  # fmt: skip
def test_a_session_that_says_odd_things_stops_no_list(
    odd: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session(tmp_path / "a", odd)
    session(tmp_path / "b", GOOD)
    first, second = find(tmp_path)
    assert (first["streams"], first["problem"]) == ([], "no readable session.json")
    assert (second["streams"], second["frames"], second["problem"]) == (["s"], 3, "")
    print_list(tmp_path, [first, second])
    assert "2026-11-25 10:11" in capsys.readouterr().out


def test_sessions_are_listed_by_when_they_began_wherever_that_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, begun in (
        ("a", "2026-11-25T23:30:00+1300"),  # 10:30 in UTC
        ("b", "2026-11-25T10:11:12+0000"),
        ("c", "2026-11-25T06:00:00-0500"),  # 11:00 in UTC
        ("d", "some day"),
    ):
        session(tmp_path / name, GOOD | {"begun": begun})
    found = list(find(tmp_path))
    assert [Path(row["session"]).name for row in found] == ["d", "b", "a", "c"]
    monkeypatch.setenv("TZ", "UTC-2")  # two hours east of UTC
    time.tzset()
    try:
        print_list(tmp_path, found)
    finally:
        monkeypatch.undo()
        time.tzset()
    printed = capsys.readouterr().out
    assert re.findall(r"some day|11-25 \d\d:\d\d", printed) == [
        "some day", "11-25 12:11", "11-25 12:30", "11-25 13:00",
    ]  # fmt: skip


def test_numbers_where_words_should_be_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session(tmp_path / "a", GOOD | {"begun": 5})
    recording(tmp_path / "b", {"privacy": ["features"], "model": 5})
    print_list(tmp_path, list(find(tmp_path)))
    assert "['features']" in capsys.readouterr().out
    print_info(describe(tmp_path / "b"))
    assert "marker/s1" in capsys.readouterr().out


def test_names_are_shown_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("drive [red]", "drive [", "drive :smile:"):
        recording(tmp_path / name, {"privacy": "everything"}, damage=b"more")
        print_info(describe(tmp_path / name))
        print_check(verify(tmp_path / name))
        said = capsys.readouterr().out
        assert said.count(name) == 2
        assert "incomplete" in said
    print_list(tmp_path, list(find(tmp_path)))
    said = capsys.readouterr().out
    assert "drive [red]" in said
    assert "drive :smile:" in said
    assert said.count("not finished") == 3


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_list_keeps_names_times_and_numbers_whole(
    width: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    name = "20261130-121606-expressive_woman"
    session(tmp_path / name, GOOD | {"seconds": 19.6, "streams": {"woman": {"frames": 3}}})
    recording(tmp_path / "drive", {"privacy": "everything"}, damage=b"more")
    print_list(tmp_path, list(find(tmp_path)))
    said = capsys.readouterr().out
    assert max(len(line) for line in said.splitlines()) <= width
    shown = [name, "0:00:19.6", "drive", *(["2026-11-25 10:11"] if width >= 80 else [])]
    for text in shown:
        assert f" {text} " in said
    assert ("woman " in said.replace(name, "")) == ("B " in said) == (width == 140)


def test_a_name_is_folded_where_nothing_else_can_make_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    session(tmp_path / ("a" * 50), GOOD | {"seconds": 19.6})
    print_list(tmp_path, list(find(tmp_path)))
    said = capsys.readouterr().out
    assert said.count("a") == 50
    assert "0:00:19.6" in said


def test_what_stands_in_the_place_of_a_recording_is_a_problem_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a" / "session.mcap").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "session.mcap").write_bytes(bytes(50))
    (tmp_path / "c" / "session.json").mkdir(parents=True)
    problems = [found["problem"] for found in find(tmp_path)]
    assert [bool(problem) for problem in problems] == [True, True, True]
