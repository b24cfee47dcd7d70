from dataclasses import replace
from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.wire.messages import Marker, Packet
from affectline.services.export.exporter import make_exporter
from affectline.services.export.owned_files import LIST, fingerprint, read_object
from affectline.services.sessions.recording import Recording
from tests.recordings import SECOND, START, frame, recording


def session(packets: list[Packet], start: int = START, name: str = "pre") -> Recording:
    return Recording(name, lambda: iter(packets), {}, session_start=start)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {LIST}


@pytest.mark.parametrize("to", ["csv", "parquet", "fex", "openface", "xdf", "foxglove", "mp4"])
def test_an_export_never_replaces_another_session_of_the_same_name(to: str, tmp_path: Path) -> None:
    exporter = make_exporter(to)
    exporter.export(session(recording()), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(AffectlineError, match=r"is of session pre, another one of the same name"):
        exporter.export(session(recording(), START + SECOND), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    exporter.export(session(recording(), name="renamed"), tmp_path)


@pytest.mark.parametrize("to", ["csv", "parquet"])
def test_tables_of_two_sessions_are_never_mixed(to: str, tmp_path: Path) -> None:
    signals = [packet for packet in recording() if not hasattr(packet.message, "faces")]
    make_exporter(to).export(session(signals, name="two"), tmp_path)
    before = files(tmp_path)
    assert f"emotions.{to}" not in before
    faces = [packet for index in range(4) for packet in frame(index)]
    with pytest.raises(AffectlineError, match=r"samples\.\w+ there is of session two, not pre"):
        make_exporter(to).export(session(faces, START + SECOND), tmp_path)
    assert files(tmp_path) == before


@pytest.mark.parametrize("to", ["csv", "parquet"])
def test_a_table_that_has_no_rows_any_more_does_not_stay(to: str, tmp_path: Path) -> None:
    exporter = make_exporter(to)
    exporter.export(session(recording()), tmp_path)
    assert {f"markers.{to}", f"responses.{to}"} <= files(tmp_path)
    (tmp_path / "mine.csv").write_text("mine")
    without = [packet for packet in recording() if not isinstance(packet.message, Marker)]
    exporter.export(session(without), tmp_path)
    assert files(tmp_path) == {f"{n}.{to}" for n in ("emotions", "samples", "states")} | {
        "mine.csv"
    }


@pytest.mark.parametrize("to", ["csv", "fex", "bids"])
def test_a_session_may_have_a_name_that_is_not_utf8(to: str, tmp_path: Path) -> None:
    exporter, strange = make_exporter(to), session(recording(), name="Zo\udceb")
    exporter.export(strange, tmp_path)
    before = files(tmp_path)
    exporter.export(strange, tmp_path)
    assert files(tmp_path) == before


def test_a_stream_that_is_there_no_more_leaves_no_file(tmp_path: Path) -> None:
    rear = [
        Packet(packet.message.model_copy(update={"stream": "rear"}), packet.parts)
        for index in range(4)
        for packet in frame(index)
    ]
    exporter = make_exporter("fex")
    exporter.export(session(recording() + rear), tmp_path)
    assert files(tmp_path) == {"drive-fex.csv", "rear-fex.csv"}
    exporter.export(session(recording()), tmp_path)
    assert files(tmp_path) == {"drive-fex.csv"}


def test_a_file_that_was_changed_since_its_export_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = make_exporter("csv")
    exporter.export(session(recording()), tmp_path)
    (tmp_path / "markers.csv").write_text("mine")
    without = [packet for packet in recording() if not isinstance(packet.message, Marker)]
    exporter.export(session(without), tmp_path)
    assert (tmp_path / "markers.csv").read_text() == "mine"
    assert "was changed since: it stays" in caplog.text


def test_films_in_one_folder_belong_to_their_own_sessions(tmp_path: Path) -> None:
    """Streams are often named like films, so one folder can hold many sessions' files."""
    other = [
        Packet(packet.message.model_copy(update={"stream": "other"}), packet.parts)
        for packet in frame(1)
    ]
    for to in ("fex", "openface"):
        make_exporter(to).export(session(recording()), tmp_path)
        make_exporter(to).export(session(other, START + SECOND, "two"), tmp_path)
    assert files(tmp_path) == {
        "drive-fex.csv", "drive-openface.csv", "other-fex.csv", "other-openface.csv",
    }  # fmt: skip


def test_a_session_is_told_by_its_begin_and_its_sources_not_by_its_name() -> None:
    one = session([])
    assert fingerprint(one) == fingerprint(replace(one, name="renamed"))
    assert fingerprint(one) != fingerprint(replace(one, session_start=START + 1))
    about = {"settings": {"sources": [{"name": "a", "source": "anna/a.mp4"}]}}
    assert fingerprint(one) != fingerprint(replace(one, about=about))
    assert fingerprint(one) != fingerprint(replace(one, about={"replay_of": "pre"}))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"Name": "x",}', "is not JSON"), (b"[1]", "but not an object"),
        (b"", "is not JSON"), (b"\xff\xfe\xff", "is not JSON"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_json_is_refused_with_its_name(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "x.json"
    assert read_object(path) == {}
    path.write_bytes(content)
    with pytest.raises(AffectlineError, match=problem) as error:
        read_object(path)
    assert str(path) in error.value.problem
