"""Markers put right afterwards are what everybody reads from then on."""

import json
from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.common.wire.messages import Marker, Packet
from affectline.services.sessions.edits import (
    EditedMarker,
    MarkerEdit,
    SessionEdits,
    read_edits,
    write_edits,
)
from affectline.services.sessions.marker_edits import ADDED, recorded_of, with_edited_markers
from affectline.services.sessions.recording import open_recording
from affectline.services.sessions.timeseries import read_series
from tests.recordings import SECOND, START, recording

BRAKING = Marker(session="s", at=START + 30 * SECOND, label="<hard> braking", extra={"km/h": 63.5})


def session(folder: Path) -> Path:
    folder.mkdir(parents=True)
    writer = SessionWriter(folder / "session.mcap", {"session_start": START})
    for packet in recording():
        at = packet.message.event_time or START
        writer.add(type(packet.message).__name__, codec.encode(packet), at, at)
    writer.finish()
    return folder


def edited() -> SessionEdits:
    """One moved and renamed, one added."""
    moved = MarkerEdit(
        recorded=recorded_of(BRAKING), now=EditedMarker(time_s=31.5, label="braking")
    )
    added = MarkerEdit(now=EditedMarker(time_s=2.5, label="start"))
    return SessionEdits().with_marker(moved).with_marker(added)


def markers(folder: Path) -> list[tuple[float, str]]:
    packets = open_recording(folder).read()
    found = [one.message for one in packets if isinstance(one.message, Marker)]
    return [((one.at - START) / SECOND, one.label) for one in found]


def test_all_readers_see_them_at_their_places(tmp_path: Path) -> None:
    folder = session(tmp_path / "drive")
    assert markers(folder) == [(30.0, "<hard> braking")]
    write_edits(folder, edited())
    assert markers(folder) == [(2.5, "start"), (31.5, "braking")]
    series = read_series(open_recording(folder).read(), START)
    assert [one.label for one in series.markers] == ["start", "braking"]
    assert series.markers[1].extra == {"km/h": 63.5}, "what else it says stays"
    assert series.markers[0].source == ADDED
    write_edits(folder, SessionEdits().with_marker(MarkerEdit(recorded=recorded_of(BRAKING))))
    assert markers(folder) == []
    write_edits(folder, SessionEdits())
    assert markers(folder) == [(30.0, "<hard> braking")], "the recording is as it was"


def test_each_comes_where_it_belongs_among_the_others() -> None:
    packets = list(with_edited_markers(recording(), edited(), START))
    times = [(p.message.event_time or 0, isinstance(p.message, Marker)) for p in packets]
    at = [i for i, (_, is_marker) in enumerate(times) if is_marker]
    assert len(at) == 2
    for place in at:
        assert all(time <= times[place][0] for time, _ in times[:place])


def test_where_no_time_line_is_known_nothing_is_put_on_it() -> None:
    packets = [Packet(BRAKING)]
    assert list(with_edited_markers(packets, edited(), None)) == packets


def test_what_was_done_is_counted_and_taken_back() -> None:
    edits = edited()
    assert edits.version == 2
    assert edits.marker_changes == {"added": 1, "changed": 1, "deleted": 0}
    for one in edits.markers:
        edits = edits.with_marker(None, one)
    assert edits == SessionEdits()
    assert edits.version == 1, "an earlier version of Affectline can read it"


def test_a_file_that_says_what_cannot_be_is_refused(tmp_path: Path) -> None:
    write_edits(tmp_path, edited())
    assert read_edits(tmp_path) == edited()
    path = tmp_path / "edits.json"
    content = json.loads(path.read_text())
    content["markers"] = [{"recorded": None, "now": None}]
    path.write_text(json.dumps(content))
    with pytest.raises(AffectlineError, match="cannot be read"):
        read_edits(tmp_path)
