"""A row for each face says what its frames say: compared with pandas on the same tables."""

import pandas as pd
import pytest

from affectline.common.labels import LABELS
from affectline.common.wire.messages import Emotion, Packet
from affectline.services.api.data_frames import from_rows
from affectline.services.export.tables import make_tables
from affectline.services.sessions.columns import EMOTIONS, STATES
from affectline.services.sessions.face_measures import MEASURES, FaceMeasures, Window
from tests.recordings import START, recording


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = make_tables(recording(), START)
    return from_rows(rows, EMOTIONS), from_rows(rows, STATES)


@pytest.mark.parametrize(
    "window", [Window(), Window(10, 20), Window(5, 40, [(10, 12.5), (30, 99)])]
)
def test_a_row_is_what_pandas_makes_of_the_tables(window: Window) -> None:
    (row,) = FaceMeasures(START, window).add_all(recording()).rows()
    emotions, states = tables()
    kept = [emotions["time_s"].map(window.holds), states["time_s"].map(window.holds)]
    emotions, states = emotions[kept[0]], states[kept[1]]
    faces = emotions[emotions["status"] == "face"]
    assert list(row) == list(MEASURES)
    assert (row["stream"], row["track"], row["subject"]) == ("drive", 1, "anna")
    assert row["frames"] == len(emotions)
    assert row["faces"] == row["frames_with_face"] == len(faces)
    assert row["coverage"] == pytest.approx(len(faces) / len(emotions), abs=1e-4)
    assert row["first_s"] == faces["time_s"].min()
    for label in LABELS:
        assert row[f"mean_{label}"] == pytest.approx(faces[label].mean(), abs=1e-4)
        assert row[f"share_{label}"] == (faces["label"] == label).mean()
    for name in ("valence", "arousal", "confidence"):
        assert row[name] == pytest.approx(faces[name].mean(), abs=1e-4)
    assert row["nervousness"] == pytest.approx(states["nervousness"].mean(), abs=1e-4)
    assert row["state_quality"] == pytest.approx(states["quality"].mean(), abs=1e-4)


def test_a_window_without_a_frame_has_a_row_that_says_so() -> None:
    (row,) = FaceMeasures(START, Window(1000)).add_all(recording()).rows()
    assert (row["frames"], row["faces"], row["coverage"], row["valence"]) == (0, 0, None, None)


def test_merged_tracks_are_one_face() -> None:
    packets = recording()
    for i, packet in enumerate(packets):
        if isinstance(packet.message, Emotion) and packet.message.seq > 30:
            faces = tuple(f.model_copy(update={"track": 2}) for f in packet.message.faces)
            packets[i] = Packet(packet.message.model_copy(update={"faces": faces}))
    two = FaceMeasures(START).add_all(packets).rows()
    assert [row["track"] for row in two] == [1, 2]
    assert [row["nervousness"] is None for row in two] == [False, True], "the main face's alone"
    merged = FaceMeasures(START, track_of=lambda _stream, _track: 1).add_all(packets).rows()
    assert merged == FaceMeasures(START).add_all(recording()).rows()
