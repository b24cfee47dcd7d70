"""No name leads out of the sessions folder."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.recording.reader import FILE, SessionReader
from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.services.dashboard.session_store import SessionStore
from affectline.services.sessions.edits import Annotation, SessionEdits, read_edits
from affectline.services.sessions.removal import IN_USE_S
from tests.samples import PACKETS

BAD = [
    "", ".", "..", "../x", "a/b", "/etc", "a\\b", ".dashboard-token", "~", "a\0b", "a b", "x" * 65,
    "<b>", "%2e%2e", "..%2f", "a\n", "-rf", "é",
]  # fmt: skip


def make(folder: Path, name: str, *, age_s: float = 60.0) -> Path:
    """A session that was recorded a while ago."""
    place = folder / name
    place.mkdir(parents=True)
    writer = SessionWriter(place / "session.mcap", {"privacy": "features", "consent": "<i>yes</i>"})
    writer.add("Marker", codec.encode(PACKETS["Marker"]), 5, 5)
    writer.finish()
    then = time.time() - age_s
    os.utime(place / "session.mcap", (then, then))
    return place


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    store = SessionStore(tmp_path / "sessions")
    for act in (store.path, store.find, store.delete, store.generate_report):
        with pytest.raises(AffectlineError, match="not a valid session name"):
            act(name)


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    outside = make(tmp_path, "outside")
    sessions = tmp_path / "sessions"
    sessions.mkdir()
    (sessions / "in").symlink_to(outside)
    store = SessionStore(sessions)
    with pytest.raises(AffectlineError, match="not in the sessions folder"):
        store.delete("in")
    assert (outside / "session.mcap").exists()
    assert store.list_sessions() == []


def test_a_folder_that_is_itself_a_link_is_fine(tmp_path: Path) -> None:
    make(tmp_path / "disk", "a")
    (tmp_path / "sessions").symlink_to(tmp_path / "disk")
    store = SessionStore(tmp_path / "sessions")
    assert [row["name"] for row in store.list_sessions()] == ["a"]
    store.delete("a")
    assert store.list_sessions() == []


def test_sessions_are_listed_with_their_consent(tmp_path: Path) -> None:
    store = SessionStore(tmp_path)
    make(tmp_path, "one")
    (tmp_path / "no session").mkdir()
    (tmp_path / "empty").mkdir()
    (row,) = store.list_sessions()
    assert (row["name"], row["consent"], row["report"]) == ("one", "<i>yes</i>", "")
    (tmp_path / "one" / "report.html").write_text("x")
    assert store.list_sessions()[0]["report"] == "ready"
    assert SessionStore(tmp_path / "none").list_sessions() == []


def test_the_newest_session_is_first_whatever_the_time_zone(tmp_path: Path) -> None:
    for name, begun in (
        ("auckland", "2026-11-25T23:30:00+1300"),
        ("london", "2026-11-25T11:00:00+0000"),
        ("nowhere", "some day"),
        ("york", "2026-11-25T06:30:00-0500"),
    ):
        (tmp_path / name).mkdir()
        content = {"begun": begun, "streams": {"s": {"frames": 3}}}
        (tmp_path / name / "session.json").write_text(json.dumps(content))
    names = [row["name"] for row in SessionStore(tmp_path).list_sessions()]
    assert names == ["york", "london", "auckland", "nowhere"]


@pytest.mark.parametrize("name", [FILE, "edits.json", "emotions.csv"])
def test_a_report_is_current_until_the_session_changes(tmp_path: Path, name: str) -> None:
    store = SessionStore(tmp_path)
    folder = make(tmp_path, "one")
    assert not store.has_current_report("one")
    (folder / "report.html").write_text("x")
    (folder / "film.mp4").write_text("a product as well")
    assert store.has_current_report("one")
    later = (folder / "report.html").stat().st_mtime_ns + 1
    (folder / name).touch()
    os.utime(folder / name, ns=(later, later))
    assert not store.has_current_report("one")


def test_only_what_nobody_uses_is_deleted(tmp_path: Path) -> None:
    make(tmp_path, "new", age_s=IN_USE_S - 4)
    (make(tmp_path, "old") / "report.html").write_text("made just now, and nobody's loss")
    make(tmp_path, "busy")
    store = SessionStore(tmp_path, lambda: {"busy": "is being replayed"})
    with pytest.raises(AffectlineError, match="is still being written"):
        store.delete("new")
    with pytest.raises(AffectlineError, match="is being replayed"):
        store.delete("busy")
    store.delete("old")
    with pytest.raises(AffectlineError, match="there is no session old"):
        store.delete("old")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["busy", "deletions.jsonl", "new"]


def test_why_a_report_could_not_be_made_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SessionStore(tmp_path)
    folder = make(tmp_path, "a")
    (folder / FILE).write_bytes(b"nothing of the kind")
    assert store.report_problem("a") == ""
    store.generate_report("a")
    store._reports["a"]._popen.wait(60)
    problem = store.report_problem("a")
    assert problem.startswith("no report could be made: session a/session.mcap: not a recording")
    assert str(tmp_path) not in problem
    assert "not a recording" in caplog.text
    (row,) = store.list_sessions()
    assert row["problem"].endswith(problem)
    make(tmp_path, "b")
    shutil.copy(tmp_path / "b" / FILE, folder / FILE)
    store.generate_report("a")
    store._reports["a"]._popen.wait(60)
    assert store.report_state("a") == "ready"
    assert store.report_problem("a") == ""
    store.close()


def test_a_session_without_a_recording_is_not_replayed(tmp_path: Path) -> None:
    store = SessionStore(tmp_path)
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "session.json").write_text("{}")
    with pytest.raises(AffectlineError, match="session tables has no recording"):
        store.find_recorded("tables")
    with pytest.raises(AffectlineError, match="there is no session b"):
        store.find_recorded("b")
    folder = make(tmp_path, "a")
    assert store.find_recorded("a") == folder
    (folder / FILE).write_bytes(b"nothing of the kind")
    with pytest.raises(AffectlineError) as caught:
        SessionReader(folder)
    told = store.explain("a", caught.value)
    assert told == "session a/session.mcap: not a recording (it does not begin like an MCAP file)"
    told = store.explain("a", FileNotFoundError(2, "No such file or directory", str(folder)))
    assert told == "session a: cannot be read (No such file or directory)"


def test_what_is_said_of_a_session_is_in_its_file(tmp_path: Path) -> None:
    folder = make(tmp_path, "a")
    store = SessionStore(tmp_path)
    phone = Annotation(begin_s=3, end_s=4, label="phone", is_excluded=True)
    calm = Annotation(begin_s=1, end_s=2, label="calm")
    assert store.edits("a") == SessionEdits()
    assert store.edit("a", lambda edits: edits).annotations == ()
    assert not (folder / "edits.json").exists(), "nothing was said"
    store.edit("a", lambda edits: edits.annotated(phone))
    assert store.edit("a", lambda edits: edits.annotated(calm)).annotations == (calm, phone)
    assert store.edits("a") == read_edits(folder)
    assert store.edit("a", lambda edits: edits.without(1)).annotations == (phone,)


def test_an_annotation_needs_a_session_and_a_file_that_can_be_read(tmp_path: Path) -> None:
    store = SessionStore(tmp_path)
    with pytest.raises(AffectlineError, match="there is no session b"):
        store.edits("b")
    (make(tmp_path, "a") / "edits.json").write_text("{")
    with pytest.raises(AffectlineError, match=r"edits\.json: cannot be read"):
        store.edit("a", lambda edits: edits.annotated(Annotation(begin_s=1, end_s=2, label="calm")))
    assert (tmp_path / "a" / "edits.json").read_text() == "{"
