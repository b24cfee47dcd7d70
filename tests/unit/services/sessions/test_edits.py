"""What is said of a session stands beside it, and nothing else changes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from affectline.common.errors import AffectlineError
from affectline.services.sessions.edits import (
    FILE,
    Annotation,
    SessionEdits,
    TrackEdit,
    read_edits,
    write_edits,
)

NUMBERS = st.integers(1, 6)


def test_annotations_are_in_order_and_stand_once(tmp_path: Path) -> None:
    late = Annotation(begin_s=30, end_s=40, label="talks")
    early = Annotation(begin_s=3, end_s=6, label="phone", is_excluded=True)
    edits = SessionEdits().annotated(late).annotated(early).annotated(late)
    assert edits.annotations == (early, late)
    assert edits.excluded == ((3, 6),)
    write_edits(tmp_path, edits)
    assert read_edits(tmp_path) == edits
    assert read_edits(tmp_path).without(1).annotations == (late,)


def test_a_part_has_a_duration() -> None:
    with pytest.raises(ValidationError, match="it ends at 3 s but begins at 5 s"):
        Annotation(begin_s=5, end_s=3, label="x")


def test_merges_are_followed_to_their_end_and_names_with_them() -> None:
    edits = SessionEdits()
    for track, into in ((3, 2), (2, 1)):
        edits = edits.with_track(TrackEdit(stream="front", track=track, merged_into=into))
    edits = edits.with_track(TrackEdit(stream="front", track=1, name="driver"))
    assert [edits.track_of("front", track) for track in (1, 2, 3, 4)] == [1, 1, 1, 4]
    assert edits.name_of("front", 3) == "driver"
    assert edits.name_of("side", 1) is None
    undone = edits.with_track(TrackEdit(stream="front", track=2))
    assert undone.track_of("front", 3) == 2


@given(st.lists(st.tuples(NUMBERS, NUMBERS)))
def test_whatever_is_merged_into_whatever_a_face_is_found(pairs: list[tuple[int, int]]) -> None:
    edits = SessionEdits()
    for track, into in pairs:
        edits = edits.with_track(TrackEdit(stream="s", track=track, merged_into=into))
    for track in range(1, 7):
        assert 1 <= edits.track_of("s", track) <= 6


def test_a_file_that_cannot_be_read_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    with pytest.raises(AffectlineError, match=r"edits\.json: cannot be read"):
        read_edits(tmp_path)
    assert (tmp_path / FILE).read_text() == "{"
