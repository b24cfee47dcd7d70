"""Markers and annotations as the page of a replay changes them."""

from typing import Any

import pytest

from affectline.common.errors import AffectlineError

pytest.importorskip("nicegui", reason="the dashboard needs NiceGUI (the dashboard extra)")
from affectline.common.wire.messages import Marker
from affectline.services.dashboard.replay_marks import (
    format_session_time,
    list_annotations,
    list_markers,
    make_act,
    parse_clock,
)
from affectline.services.sessions.edits import SessionEdits

START = 1_795_445_587_000_000_000
RECORDED = (
    Marker(session="s", at=START + 2_000_000_001, label="start", source="page"),
    Marker(session="s", at=START + 9_000_000_000, label="braking", extra={"km/h": 63.5}),
)


def do(edits: SessionEdits, **asked: Any) -> tuple[SessionEdits, SessionEdits]:
    """What is said after an act, and after it was undone."""
    act = make_act(asked, RECORDED, edits, START)
    done = act.change(edits)
    return done, act.undo(done)


def markers(edits: SessionEdits) -> list[tuple[float, str]]:
    rows = list_markers(RECORDED, edits, START)
    return [(round(row.now.time_s, 3), row.now.label) for row in rows]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1:02.5", 62.5),
        (" 62.5 ", 62.5),
        ("1m2.5s", 62.5),
        ("0", 0),
        ("1:00:01", 3601),
        ("-0:01", -1),
        ("\N{MINUS SIGN}0:01:01.2", -61.2),
        ("-1.5", -1.5),
        ("-0", 0),
    ],
)
def test_times_as_a_player_shows_them(text: str, seconds: float) -> None:
    assert parse_clock(text, "From") == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "1:2:3:4", "-", "--1", "1-", "1:", ":30", "nan", "1e9", "x" * 99]
)
def test_what_is_no_time_is_named(text: str) -> None:
    with pytest.raises(AffectlineError, match=r"^To .*: not a time: 1:02\.5 or 62\.5") as caught:
        parse_clock(text, "To")
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00:00.0"),
        (62.54, "0:01:02.5"),
        (59.96, "0:01:00.0"),
        (3661, "1:01:01.0"),
        (-1.5, "\N{MINUS SIGN}0:00:01.5"),
    ],
)
def test_times_are_written_with_hours(seconds: float, text: str) -> None:
    assert format_session_time(seconds) == text


def test_a_marker_is_added_and_undone() -> None:
    done, undone = do(SessionEdits(), of="marker", do="add", at=4.25, label=" lane change ")
    assert markers(done) == [(2.0, "start"), (4.25, "lane change"), (9.0, "braking")]
    assert undone == SessionEdits()
    again = make_act(
        {"of": "marker", "do": "add", "at": 4.25, "label": "lane change"}, RECORDED, done, START
    )
    assert again.change(done) == done, "the same one stands once"
    assert again.told_if_unchanged.endswith(
        "lane change\N{RIGHT DOUBLE QUOTATION MARK} is already there."
    )


def test_a_recorded_marker_keeps_what_it_was() -> None:
    moved, undone = do(SessionEdits(), of="marker", do="change", key="r1", at="0:12.5")
    assert markers(moved) == [(2.0, "start"), (12.5, "braking")]
    assert undone == SessionEdits()
    (edit,) = moved.markers
    assert edit.recorded
    assert (edit.recorded.at, edit.recorded.extra) == (RECORDED[1].at, {"km/h": 63.5})
    row = list_markers(RECORDED, moved, START)[1].to_dict()
    assert row["was"] == "recorded as 'braking' at 0:00:09.0"
    renamed, before = do(moved, of="marker", do="change", key="r1", label="hard braking")
    assert markers(renamed) == [(2.0, "start"), (12.5, "hard braking")]
    assert before == moved
    assert len(renamed.markers) == 1
    back, _ = do(renamed, of="marker", do="change", key="r1", label="braking", at=9.0)
    assert back == SessionEdits(), "as it was recorded"


def test_markers_are_deleted_and_come_back() -> None:
    deleted, undone = do(SessionEdits(), of="marker", do="delete", key="r0")
    assert markers(deleted) == [(9.0, "braking")]
    assert undone == SessionEdits()
    assert deleted.marker_changes == {"added": 0, "changed": 0, "deleted": 1}
    added, _ = do(deleted, of="marker", do="add", at=1, label="x")
    key = list_markers(RECORDED, added, START)[0].key
    moved, _ = do(added, of="marker", do="change", key=key, at=3.0)
    assert markers(moved) == [(3.0, "x"), (9.0, "braking")]
    key = list_markers(RECORDED, moved, START)[0].key
    gone, back = do(moved, of="marker", do="delete", key=key)
    assert gone == deleted
    assert back == moved


def test_two_of_them_never_become_one_which_could_not_be_undone() -> None:
    one, _ = do(SessionEdits(), of="marker", do="add", at=1, label="x")
    both, _ = do(one, of="marker", do="add", at=2, label="x")
    key = list_markers(RECORDED, both, START)[0].key
    assert do(both, of="marker", do="change", key=key, at=2)[0] == both
    assert do(both, of="marker", do="change", key=key, at=1)[0] == both, "as it is"
    one, _ = do(SessionEdits(), of="annotation", do="add", at=1, end=2, label="x")
    assert do(one, of="annotation", do="add", at=1, end=2, label="x")[0] == one
    both, _ = do(one, of="annotation", do="add", at=1, end=3, label="x")
    key = list_annotations(both)[0]["key"]
    assert do(both, of="annotation", do="change", key=key, end=3)[0] == both


def test_annotations_are_added_changed_and_deleted() -> None:
    added, undone = do(
        SessionEdits(), of="annotation", do="add", at=1, end="0:02", label="calm", excluded=True
    )
    assert undone == SessionEdits()
    (row,) = list_annotations(added)
    assert (row["at"], row["end"], row["label"], row["excluded"]) == (1, 2, "calm", True)
    changed, before = do(added, of="annotation", do="change", key=row["key"], end=3.5)
    assert before == added
    (one,) = changed.annotations
    assert (one.begin_s, one.end_s, one.is_excluded) == (1, 3.5, True)
    key = list_annotations(changed)[0]["key"]
    gone, back = do(changed, of="annotation", do="delete", key=key)
    assert gone == SessionEdits()
    assert back == changed


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"of": "annotation", "do": "add", "at": 2, "end": 1, "label": "x"}, "From before To"),
        ({"of": "annotation", "do": "add", "at": 2, "label": "x"}, "no time was given"),
        ({"of": "annotation", "do": "add", "at": 1, "end": 2, "label": " "}, "a label is needed"),
        ({"of": "annotation", "do": "delete", "key": "nothing"}, "no longer exists"),
        ({"of": "marker", "do": "delete", "key": "r9"}, "no longer exists"),
        ({"of": "marker", "do": "change", "key": "r0", "at": "soon"}, "^Time 'soon': not a time"),
        ({"of": "marker", "do": "change", "key": "r0", "label": "x" * 2000}, "2000 characters"),
        (
            {"of": "marker", "do": "add", "at": 1e12, "label": "x"},
            "than a week from the session's start: 1:02.5",
        ),
        ({"of": "annotation", "do": "add", "at": -1e12, "end": 1, "label": "x"}, "than a week"),
        ({"of": "marker", "do": "add", "at": [], "label": "x"}, "no time was given"),
    ],
)
def test_what_cannot_be_done_is_said(asked: dict[str, Any], problem: str) -> None:
    with pytest.raises(AffectlineError, match=problem):
        make_act(asked, RECORDED, SessionEdits(), START)
