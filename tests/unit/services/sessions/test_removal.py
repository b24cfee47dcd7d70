"""Sessions are removed as a whole or not at all, only ours, and only those that nobody uses."""

import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from affectline.common.errors import AffectlineError
from affectline.common.recording.writer import SessionWriter
from affectline.common.settings.recording import RetentionSettings
from affectline.common.wire import codec
from affectline.services.cli.main import app
from affectline.services.sessions.catalog import find
from affectline.services.sessions.columns import SAMPLES
from affectline.services.sessions.removal import (
    HIDDEN,
    LOG,
    SessionRemover,
    apply_retention,
    find_subjects,
    hash_name,
    is_session,
    parse_age,
)
from tests.samples import PACKETS

DAY_S = 86_400.0
SUBJECT = PACKETS["Samples"].message.topic.split("/")[1]
"""Who is measured in the recordings that `make` writes."""


def make(folder: Path, name: str, *, age_days: float = 40, subjects: tuple[str, ...] = ()) -> Path:
    """A session with everything in it."""
    session = folder / name
    (session / "snapshots").mkdir(parents=True)
    writer = SessionWriter(session / "session.mcap", {"privacy": "everything"})
    writer.add("Samples", codec.encode(PACKETS["Samples"]), 5, 5)
    writer.finish()
    content: dict[str, Any] = {"streams": {}, "checkpoint": {}, "begun": "2026-11-28T10:00:00"}
    (session / "session.json").write_text(json.dumps(content))
    rows = [",".join(SAMPLES.header)]
    rows += [",".join(who if c == "subject" else "" for c in SAMPLES.header) for who in subjects]
    (session / "samples.csv").write_text("\n".join(rows))
    for file in ("emotions.csv", "drive.mp4", "report.html", "snapshots/1.jpg"):
        (session / file).write_bytes(bytes(1000))
    set_age(session, age_days)
    return session


def set_age(session: Path, age_days: float) -> None:
    then = time.time() - age_days * DAY_S
    for file in session.rglob("*"):
        os.utime(file, (then, then), follow_symlinks=False)


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != LOG)


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["sessions", *arguments])
    if isinstance(result.exception, AffectlineError):
        raise result.exception
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def test_old_sessions_go_and_young_ones_stay(tmp_path: Path) -> None:
    make(tmp_path, "old")
    make(tmp_path, "young", age_days=29)
    listed = run("prune", str(tmp_path), "--older-than", "30d", "--dry-run")
    assert "old" in listed
    assert "young" not in listed
    assert names(tmp_path) == ["old", "young"]
    run("prune", str(tmp_path), "--older-than", "30d")
    assert names(tmp_path) == ["young"]


def test_tables_stay_where_they_are_wanted(tmp_path: Path) -> None:
    session = make(tmp_path, "old")
    (session / "export").mkdir()
    (session / "export" / "emotions.csv").write_text("a copy")
    set_age(session, 40)
    (found,) = json.loads(
        run("prune", str(tmp_path), "--older-than", "4w", "--keep-tables", "--dry-run", "--json")
    )["sessions"]
    assert (found["files"], found["keeps_tables"]) == (5, True)
    run("prune", str(tmp_path), "--older-than", "4w", "--keep-tables")
    assert names(session) == ["emotions.csv", "samples.csv", "session.json"]
    again = run("prune", str(tmp_path), "--older-than", "4w", "--keep-tables")
    assert again.startswith("sessions removed: 0 of 0,")
    assert len(log(tmp_path)) == 1


def test_a_recording_without_tables_goes_as_a_whole(tmp_path: Path) -> None:
    session = make(tmp_path, "recorded")
    for file in ("session.json", "samples.csv", "emotions.csv"):
        (session / file).unlink()
    run("prune", str(tmp_path), "--older-than", "1d", "--keep-tables")
    assert names(tmp_path) == []


def test_the_log_tells_what_went_and_nothing_of_whom(tmp_path: Path) -> None:
    make(tmp_path, "anna-at-home", subjects=("anna",))
    run("delete", "--subject", "anna", "--folder", str(tmp_path), "--yes")
    (line,) = log(tmp_path)
    assert line["session"] == hashlib.sha256(b"anna-at-home").hexdigest()[:16]
    assert (line["files"], line["kept"], line["why"]) == (7, "nothing", "person")
    assert line["bytes"] > 4000
    assert "anna" not in (tmp_path / LOG).read_text()
    assert (tmp_path / LOG).stat().st_mode & 0o777 == 0o600
    make(tmp_path, "b")
    run("delete", "b", "--folder", str(tmp_path), "--yes")
    assert [one["why"] for one in log(tmp_path)] == ["person", "command"], "lines are only added"


def test_all_sessions_of_a_person_go_as_a_whole_whoever_else_is_in_them(tmp_path: Path) -> None:
    make(tmp_path, "a", subjects=("anna", "ben"))
    make(tmp_path, "b", subjects=("ben",))
    make(tmp_path, "c", subjects=("anna-marie",))
    settings = make(tmp_path, "d")
    content = {"streams": {}, "checkpoint": {}, "settings": {"biometrics": [{"subject": "anna"}]}}
    (settings / "session.json").write_text(json.dumps(content))
    set_age(settings, 1)
    dry = json.loads(
        run("delete", "--subject", "anna", "--folder", str(tmp_path), "--dry-run", "--json")
    )
    assert [Path(one["session"]).name for one in dry["sessions"]] == ["a", "d"]
    assert dry["sessions"][0]["subjects"] == ["anna", "ben", SUBJECT]
    with pytest.raises(AffectlineError, match="sessions to be removed: 2, and there is nobody"):
        run("delete", "--subject", "anna", "--folder", str(tmp_path))
    run("delete", "--subject", "anna", "--folder", str(tmp_path), "--yes")
    assert names(tmp_path) == ["b", "c"]
    for more in (("--yes",), ("--dry-run", "--json")):
        says = r"--subject anna: no session in .* this .*; upper and lower case differ"
        with pytest.raises(AffectlineError, match=says):
            run("delete", "--subject", "anna", "--folder", str(tmp_path), *more)


def test_persons_are_found_in_the_recording(tmp_path: Path) -> None:
    session = make(tmp_path, "a")
    assert find_subjects(session) == (SUBJECT,)
    (session / "session.mcap").unlink()
    assert find_subjects(session) == ()
    content = {"settings": {"fusion": {"subject": "eve", "streams": {"front": "ben"}}}}
    (session / "session.json").write_text(json.dumps(content))
    assert find_subjects(session) == ("ben", "eve")


@pytest.mark.parametrize("content", [None, 7, {"settings": 7}, {"settings": {"biometrics": [3]}}])
def test_odd_settings_name_nobody(content: Any, tmp_path: Path) -> None:
    (tmp_path / "session.json").write_text(json.dumps(content))
    assert find_subjects(tmp_path) == ()


def test_a_person_who_asks_confirms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a", subjects=("anna", "ben"))
    monkeypatch.setattr("affectline.services.cli.sessions.is_attended", lambda: True)
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: (_ for _ in ()).throw(typer.Abort))
    said = run("delete", "--subject", "anna", "--folder", str(tmp_path), code=1)
    assert f"these sessions hold ben, {SUBJECT} as well" in said
    assert names(tmp_path) == ["a"]
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: True)
    run("delete", "a", "--folder", str(tmp_path))
    assert names(tmp_path) == []


def test_a_session_in_use_stays(tmp_path: Path) -> None:
    recorded = make(tmp_path, "recorded")
    writer = SessionWriter(recorded / "session.mcap", {})
    set_age(recorded, 40)
    written = make(tmp_path, "written")
    (written / "markers.csv").write_text("now")
    make(tmp_path, "busy")
    remover = SessionRemover(tmp_path, lambda: {"busy": "is being replayed"})
    found = {one.session.name: one for one in remover.find_older(DAY_S, keep_tables=False)}
    assert {name: one.in_use for name, one in found.items()} == {
        "busy": "is being replayed", "recorded": "is being recorded",
    }  # fmt: skip
    for name, reason in (
        ("busy", "is being replayed"), ("recorded", "is being recorded"),
        ("written", "is still being written"),
    ):  # fmt: skip
        with pytest.raises(AffectlineError, match=f"session {name} {reason}"):
            remover.remove(remover.find_named(name), "command")
    said = run("prune", str(tmp_path), "--older-than", "1d")
    assert "session recorded is being recorded" in said
    assert names(tmp_path) == ["recorded", "written"]
    said = run("delete", "recorded", "--folder", str(tmp_path), "--yes", code=1)
    assert "session recorded is being recorded" in said
    writer.finish()


def test_what_is_no_session_of_ours_stays(tmp_path: Path) -> None:
    outside = make(tmp_path / "elsewhere", "outside")
    folder = tmp_path / "sessions"
    (folder / "holiday").mkdir(parents=True)
    (folder / "holiday" / "session.json").write_text('{"my": "notes"}')
    (folder / "holiday" / "session.mcap").write_bytes(bytes(100))
    (folder / "holiday" / "emotions.csv").write_text("joy,fear\n")
    (folder / "a file").write_text("x")
    (folder / "in").symlink_to(outside)
    (folder / ".hidden").mkdir()
    set_age(folder, 400)
    before = names(folder)
    run("prune", str(folder), "--older-than", "1h")
    assert names(folder) == before
    assert (outside / "drive.mp4").exists()
    remover = SessionRemover(folder)
    for name, problem in (
        ("holiday", "not a session folder written by"), ("in", "no session of that name"),
        ("none", "no session of that name"), ("../elsewhere/outside", "not in the sessions folder"),
        (str(outside), "not in the sessions folder"), ("..", "not in the sessions folder"),
    ):  # fmt: skip
        with pytest.raises(AffectlineError, match=problem):
            remover.find_named(name)


def test_links_in_a_session_are_removed_and_what_they_lead_to_stays(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_bytes(bytes(10_000))
    folder = tmp_path / "sessions"
    session = make(folder, "a")
    (session / "linked").symlink_to(precious)
    (session / "film.mp4").symlink_to(precious / "file")
    set_age(session, 40)
    plan = SessionRemover(folder).find_named("a")
    assert plan.files == 7
    assert plan.bytes < 10_000
    run("delete", "a", "--folder", str(folder), "--yes")
    assert (precious / "file").exists()
    assert names(folder) == []


def test_a_path_names_a_session_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "sessions", "a")
    monkeypatch.chdir(tmp_path)
    run("delete", "sessions/a", "--yes")
    assert names(tmp_path / "sessions") == []


@pytest.mark.parametrize("keep_tables", [False, True])
def test_a_crash_half_way_is_finished_the_next_time(
    keep_tables: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a")
    make(tmp_path, "b")
    remover = SessionRemover(tmp_path)

    def crash(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", crash)
    first, second = remover.find_older(DAY_S, keep_tables=keep_tables)
    with pytest.raises(KeyboardInterrupt):
        remover.remove(first, "age")
    monkeypatch.undo()
    (left,) = (path for path in tmp_path.iterdir() if path.name.startswith(HIDDEN))
    assert (left / "session.mcap").exists()
    assert [Path(row["session"]).name for row in find(tmp_path)] == ["a", "b"][not keep_tables :]
    remover.remove(second, "age")
    assert not left.exists()
    assert [line["why"] for line in log(tmp_path)] == ["age", "left over", "age"]
    assert log(tmp_path)[1]["session"] == hash_name("a")


def test_a_full_disk_does_not_hinder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a")
    remover, write, tries = SessionRemover(tmp_path), os.write, []

    def write_when_there_is_room(descriptor: int, data: bytes) -> int:
        tries.append(data)
        if (tmp_path / "a").exists() or len(tries) == 1:
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", write_when_there_is_room)
    remover.remove(remover.find_named("a"), "command")
    assert len(log(tmp_path)) == 1
    assert names(tmp_path) == []


def test_what_cannot_be_removed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a")
    remover = SessionRemover(tmp_path)
    found = remover.find_named("a")
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(AffectlineError, match=r"session a cannot be deleted \(No such file"):
        remover.remove(found, "command")


@pytest.mark.parametrize(("text", "days"), [("12h", 0.5), ("30d", 30), ("2w", 14), ("1.5d", 1.5)])
def test_ages(text: str, days: float) -> None:
    assert parse_age(text) == days * DAY_S


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "0d", "nand", "infd", "30 days", "1m"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(AffectlineError, match="not an age"):
        parse_age(text)


def test_retention(tmp_path: Path) -> None:
    make(tmp_path, "old")
    make(tmp_path, "busy")
    make(tmp_path, "young", age_days=1)
    assert apply_retention(RetentionSettings(), tmp_path) == ""
    assert apply_retention(RetentionSettings(days=30), tmp_path / "none") == ""
    keeps = RetentionSettings(days=30, keep_tables=True)
    said = apply_retention(keeps, tmp_path, lambda: {"busy": "is being recorded"})
    assert said.startswith(
        "sessions older than 30 days that were removed but for their tables: 1 (0.0"
    )
    assert names(tmp_path / "old") == ["emotions.csv", "samples.csv", "session.json"]
    assert (tmp_path / "busy" / "drive.mp4").exists()
    assert "were removed: 2 (" in apply_retention(RetentionSettings(days=30), tmp_path)
    assert names(tmp_path) == ["young"]


def test_a_folder_of_sessions_is_needed(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match="no such folder"):
        run("prune", str(tmp_path / "none"), "--older-than", "1d")
    with pytest.raises(AffectlineError, match="either sessions or a person"):
        run("delete")
    assert not is_session(tmp_path)


def test_sessions_are_listed_without_a_command(tmp_path: Path) -> None:
    make(tmp_path, "a")
    assert " a " in run(str(tmp_path))
    assert json.loads(run(str(tmp_path), "--json")) == json.loads(
        run("list", str(tmp_path), "--json")
    )
    assert "prune" in run("--help")
