"""Whatever people call things: tables hold it as text, and it is read back as it was."""

import csv
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectline.common.wire.messages import Emotion, Marker
from affectline.services.export.exporter import make_exporter
from affectline.services.sessions.recording import open_recording
from affectline.services.sessions.table_reader import TableReader
from affectline.services.sink.csv_writer import CsvWriter
from tests.samples import EMOTION

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
TEXT = st.text(st.sampled_from("=+-@\t\r\n' ,\"a1é"), min_size=1, max_size=6)
TEXT |= st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
START = EMOTION.captured_at - 10**9


def marker(at: int, label: str, source: str) -> Marker:
    return Marker(session="s", at=START + at, label=label, source=source)


def markers_of(folder: Path) -> list[Marker]:
    reader = TableReader(folder)
    found = [p.message for p in reader.messages() if isinstance(p.message, Marker)]
    assert reader.unreadable == 0
    return found


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
@settings(max_examples=60)
def test_markers_come_back_and_are_known_to_a_successor(texts: list[tuple[str, str]]) -> None:
    said = [marker(i, label, source) for i, (label, source) in enumerate(texts)]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        first = CsvWriter(folder, {}, START)
        first.checkpoint()
        for one in said:
            first.add_marker(one)
        first.flush()  # and it is killed before its next checkpoint
        first.close()
        successor = CsvWriter(folder, {}, START)
        assert successor.uncounted == said
        successor.finish()
        successor.close()
        assert markers_of(folder) == said


@pytest.mark.parametrize("to", ["session", "csv", ";"])
def test_numbers_stay_numbers_and_no_text_is_a_formula(tmp_path: Path, to: str) -> None:
    labels = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "plain"]
    (face, *_) = EMOTION.faces
    sad = EMOTION.model_copy(
        update={"file": "-photo.png", "faces": (face.model_copy(update={"valence": -0.25}),)}
    )
    writer = CsvWriter(tmp_path, {}, START)
    writer.add(sad)
    for i, label in enumerate(labels):
        writer.add_marker(marker(i, label, label))
    writer.finish()
    writer.close()
    folder, delimiter = tmp_path, ","
    if to != "session":
        folder, delimiter = tmp_path / "export", to if to == ";" else ","
        folder.mkdir()
        exporter = make_exporter("csv", {"delimiter": delimiter})
        exporter.export(open_recording(tmp_path), folder)
    cells: dict[str, list[dict[str, str]]] = {}
    for name in ("emotions", "markers"):
        with (folder / f"{name}.csv").open(newline="", encoding="utf-8-sig") as file:
            cells[name] = list(csv.DictReader(file, delimiter=delimiter))
    (row,) = cells["emotions"]
    valence = "-0,25" if to == ";" else "-0.25"
    assert (row["valence"], row["file"]) == (valence, "'-photo.png")
    assert [row["label"] for row in cells["markers"]] == [
        label if label == "plain" else f"'{label}" for label in labels
    ]
    for name in ("label", "source", "extra"):
        assert not any(row[name].startswith(FORMULAS) for row in cells["markers"])
    assert [m.label for m in markers_of(tmp_path)] == labels
    (emotion,) = [
        p.message for p in TableReader(tmp_path).messages() if isinstance(p.message, Emotion)
    ]
    assert (emotion.file, emotion.faces[0].valence) == ("-photo.png", -0.25)
