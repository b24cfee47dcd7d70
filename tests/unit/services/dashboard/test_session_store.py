"""No name leads out of the sessions folder."""

import os
import time
from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.services.dashboard.session_store import SessionStore
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
