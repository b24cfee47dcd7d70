"""The rows of the session's tables."""

import pytest

from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.face_signs import FaceSigns
from affectline.services.sessions.columns import (
    EMOTIONS,
    MARKERS,
    SAMPLES,
    STATES,
    TABLES,
    emotion_rows,
    lost_row,
    marker_row,
    parse_cell,
    sample_rows,
    state_row,
)
from affectline.services.sessions.driver_columns import DRIVER_COLUMNS, driver_cells
from affectline.services.sessions.sign_columns import SIGN_COLUMNS, read_signs, sign_cells
from tests.samples import AT, EMOTION, PACKETS

START = AT - 2_500_000_000


def test_names_are_unique_and_times_come_first() -> None:
    for table in TABLES:
        assert len(set(table.header)) == len(table.header)
        assert table.header[0] == "time_s"
        assert all(column.description for column in table.columns)
    assert EMOTIONS.header[:8] == (
        "time_s", "media_time_s", "stream", "file", "epoch", "seq", "status", "reason",
    )  # fmt: skip


def test_a_face_has_its_time_and_both_distributions() -> None:
    happy, stale = (dict(zip(EMOTIONS.header, row, strict=True)) for row in rows())
    assert (happy["time_s"], happy["media_time_s"]) == (2.5, 0.291958)
    assert (happy["status"], happy["reason"]) == ("face", None)
    assert happy["confidence"] == happy["happy"] == happy["happy_frame"] == 0.9
    assert (stale["status"], stale["reason"], stale["happy"]) == ("face", "stale", None)


def test_a_face_has_its_signs() -> None:
    happy, stale = (dict(zip(EMOTIONS.header, row, strict=True)) for row in rows())
    assert (happy["yaw"], happy["pitch"], happy["roll"]) == (-12.5, 3.0, -6.0)
    assert (happy["blink_at_s"], happy["blink_duration_ms"]) == (2.1, 166.7)
    assert happy["blink_at"] == AT - 400_000_000
    assert (happy["perclos"], happy["gaze"], happy["doubts"]) == (0.021, "ahead", "speaking")
    assert (stale["eyes_unknown"], stale["yaw"], stale["doubts"]) == ("looking_down", None, None)
    names = {name for name in FaceSigns.model_fields if name != "blink"}
    assert names <= {*EMOTIONS.header}


def test_doubts_share_a_cell() -> None:
    signs = FaceSigns(doubts=("dark", "too_small"))
    cells = dict(zip((c.name for c in SIGN_COLUMNS), sign_cells(signs, START), strict=True))
    assert cells["doubts"] == "dark; too_small"
    assert FaceSigns(**read_signs(cells)) == signs
    assert read_signs(dict.fromkeys(cells)) == {}


def test_every_column_of_signs_says_its_unit_or_its_values() -> None:
    for column in (*SIGN_COLUMNS, *DRIVER_COLUMNS):
        assert column.unit or column.kind in ("text", "integer"), column.name
        if column.name.startswith(("gaze", "perclos", "mouth")) and "known" not in column.name:
            assert "not validated" in column.description, column.name


def test_a_state_has_drowsiness_and_looks_away() -> None:
    state = State.example()
    cells = dict(zip(STATES.header, state_row(state, START), strict=True))
    assert (cells["drowsiness_level"], cells["drowsiness_perclos_value"]) == (38.0, 0.08)
    assert cells["drowsiness_reason"] == "the eyes were not seen for 6 s of 60"
    assert (cells["off_road_now"], cells["off_road_share"]) == ("away", 0.25)
    assert (cells["off_road_yaw_value"], cells["off_road_yaw_baseline"]) == (-31.0, 4.0)
    bare = state.model_copy(update={"drowsiness": None, "off_road": None})
    assert driver_cells(bare) == (None,) * len(DRIVER_COLUMNS)


def rows() -> list[tuple[object, ...]]:
    return list(emotion_rows(EMOTION, START))


@pytest.mark.parametrize(
    ("missing", "status"), [(None, "no_face"), ("behind", "skipped"), ("invalid", "skipped")]
)
def test_a_frame_without_a_face_has_one_row(missing: str | None, status: str) -> None:
    empty = EMOTION.model_copy(update={"faces": (), "missing": missing})
    (row,) = emotion_rows(empty, START)
    cells = dict(zip(EMOTIONS.header, row, strict=True))
    assert (cells["status"], cells["reason"]) == (status, missing)
    assert cells["track"] is cells["happy"] is None
    assert cells["captured_at"] == EMOTION.captured_at


def test_a_lost_frame_has_a_row_without_a_time() -> None:
    cells = dict(zip(EMOTIONS.header, lost_row("drive", 1, 7), strict=True))
    assert {name: value for name, value in cells.items() if value is not None} == {
        "stream": "drive", "epoch": 1, "seq": 7, "status": "skipped", "reason": "lost",
    }  # fmt: skip


def test_samples_states_and_markers_have_their_times() -> None:
    samples, state, marker = (PACKETS[name].message for name in ("Samples", "State", "Marker"))
    assert isinstance(samples, Samples)
    assert isinstance(state, State)
    first, second = (
        dict(zip(SAMPLES.header, row, strict=True)) for row in sample_rows(samples, START)
    )
    assert (first["time_s"], second["time_s"]) == (2.5, 3.312)
    assert second["at"] - first["at"] == 812_000_000
    cells = dict(zip(STATES.header, state_row(state, START), strict=True))
    assert (cells["time_s"], cells["heart_value"], cells["heart_unit"]) == (2.5, 92.0, "/min")
    assert (cells["skin_value"], cells["skin_quality"]) == (None, None)
    assert (cells["face_quality"], cells["face_reason"]) == (0.0, "no face in sight")
    cells = dict(zip(MARKERS.header, marker_row(marker, START), strict=True))  # type: ignore[arg-type]
    assert (cells["time_s"], cells["extra"]) == (2.5, '{"km/h": 63.5}')


def test_a_cell_of_another_kind_is_refused() -> None:
    assert parse_cell("", "integer") is None
    assert parse_cell("true", "boolean") is True
    for text, kind in (("1.0", "integer"), ("yes", "boolean"), ("x", "seconds")):
        with pytest.raises(ValueError):  # noqa: PT011 - whichever function says it
            parse_cell(text, kind)  # type: ignore[arg-type]
