import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.messages import Emotion, Marker, Packet, StreamStart
from affectline.services.cli.reporting import Form, export, export_to
from affectline.services.export import xdf
from affectline.services.export.annotated_video import write_films
from affectline.services.export.tables import tables, write_csv, write_parquet
from affectline.services.overlay import renderer
from affectline.services.overlay.renderer import OverlayRenderer
from affectline.services.sessions.timeseries import gather
from tests.unit.services.report.test_page import SECOND, START, frame, recording


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_message_has_its_rows(tmp_path: Path) -> None:
    paths = write_csv(tables(recording()), tmp_path / "made")
    assert sorted(path.name for path in paths) == [
        "emotions.csv", "markers.csv", "samples.csv", "states.csv",
    ]  # fmt: skip
    emotions = rows(tmp_path / "made" / "emotions.csv")
    assert len(emotions) == 60
    assert emotions[0]["track"] == ""
    assert emotions[1]["happy_smoothed"] == "0.4"
    assert (emotions[1]["x"], emotions[1]["size"]) == ("30", "40")
    samples = rows(tmp_path / "made" / "samples.csv")
    assert len(samples) == 240
    assert int(samples[1]["at"]) - int(samples[0]["at"]) == SECOND // 4
    assert rows(tmp_path / "made" / "states.csv")[59]["heart_value"] == "92.0"
    assert rows(tmp_path / "made" / "markers.csv")[0]["label"] == "<hard> braking"


def test_every_marker_has_a_row_for_each_signal(tmp_path: Path) -> None:
    session = tmp_path / "drive"
    session.mkdir()
    writer = SessionWriter(session / "session.mcap", {})
    for packet in recording():
        writer.add(type(packet.message).__name__, codec.encode(packet), START, START)
    writer.finish()
    export(session, "csv", tmp_path / "made")
    found = rows(tmp_path / "made" / "responses.csv")
    assert {row["marker"] for row in found} == {"<hard> braking"}
    assert {row["signal"] for row in found} == {"anna heart_rate", "anna nervousness"}
    heart = next(row for row in found if row["signal"] == "anna heart_rate")
    assert float(heart["baseline"]) < float(heart["peak"])
    assert float(heart["peak_s"]) >= float(heart["onset_s"]) >= 0


@pytest.mark.parametrize("to", ["csv", "xdf", "mp4"])
def test_a_recording_is_read_once(to: Form, tmp_path: Path) -> None:
    read = []

    def packets() -> list[Packet]:
        read.append(to)
        return recording()

    assert export_to(to, packets, tmp_path, "drive")
    assert read == [to]


def test_a_signal_that_comes_late_has_empty_cells_before() -> None:
    first = State(subject="a", at=START)
    later = State.model_validate(
        {"subject": "a", "at": START + SECOND, "signals": {"skin": {"value": 2.5}}}
    )
    made = tables([Packet(first), Packet(later), Packet(first)])["states"]
    assert made["skin_value"] == [None, 2.5, None]
    assert len({len(column) for column in made.values()}) == 1


def test_parquet_reads_back_as_the_same_table(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow (the tables extra)")
    made = tables(recording())
    write_parquet(made, tmp_path)
    for name, table in made.items():
        assert pq.read_table(tmp_path / f"{name}.parquet").to_pydict() == table


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_xdf_opens_in_pyxdf(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pyxdf = pytest.importorskip("pyxdf", reason="needs pyxdf (a development package)")
    turn = Packet(Marker(session="s", at=START + 40 * SECOND, label="turn"))
    session = gather([*recording(), turn])
    xdf.write(xdf.streams(session), tmp_path / "s.xdf")
    with caplog.at_level("WARNING", logger="pyxdf"):
        streams, header = pyxdf.load_xdf(tmp_path / "s.xdf")
    assert not caplog.records
    assert header["info"]["version"] == ["1.0"]
    by_name = {stream["info"]["name"][0]: stream for stream in streams}
    assert set(by_name) == {"anna heart_rate", "anna nervousness", "drive emotion", "markers"}
    heart = by_name["anna heart_rate"]
    expected = session.series["anna heart_rate"]
    assert heart["time_series"][:, 0] == pytest.approx(expected.values)
    assert heart["time_stamps"] == pytest.approx(expected.times / 1e9)
    assert heart["info"]["desc"][0]["channels"][0]["channel"][0]["unit"] == ["/min"]
    assert by_name["markers"]["time_series"] == [['<hard> braking {"km/h": 63.5}'], ["turn"]]
    emotion = by_name["drive emotion"]["time_series"]
    assert emotion.shape == (45, 7)
    assert emotion[0, LABELS.index("happy")] == pytest.approx(0.4)


def test_units_of_other_tools_may_hold_what_xml_cannot(tmp_path: Path) -> None:
    pyxdf = pytest.importorskip("pyxdf", reason="needs pyxdf (a development package)")
    forbidden = "\x00\x01\x0b\x1f\ufffe\uffff"
    samples = Samples(
        subject="a", signal="x", unit=f"<µ{forbidden}S> & \x7f\t\U0001f600", epoch=1, seq=0,
        at=START, rate=1.0, values=(1.0, 2.0),
    )  # fmt: skip
    marker = Marker(session="s", at=START, label=f"<turn>{forbidden}")
    made = xdf.streams(gather([Packet(samples), Packet(marker)]))
    xdf.write(made, tmp_path / "s.xdf")
    (signal, markers), _ = pyxdf.load_xdf(tmp_path / "s.xdf")
    (channel,) = signal["info"]["desc"][0]["channels"][0]["channel"]
    assert channel["unit"] == [samples.unit.replace(forbidden, "\ufffd" * len(forbidden))]
    assert signal["time_series"].tolist() == [[1.0], [2.0]]
    assert markers["time_series"] == [[marker.label]]


def test_a_long_series_goes_into_several_chunks(tmp_path: Path) -> None:
    pyxdf = pytest.importorskip("pyxdf", reason="needs pyxdf (a development package)")
    count = xdf.PIECE * 2 + 5
    values = np.random.default_rng(0).normal(size=(count, 1))
    made = xdf.XdfStream("long", "Signal", (("x", "1"),), np.arange(count) / 100, values)
    xdf.write([made], tmp_path / "s.xdf")
    (stream,), _ = pyxdf.load_xdf(
        tmp_path / "s.xdf", synchronize_clocks=False, dejitter_timestamps=False
    )
    assert np.array_equal(stream["time_series"], values)


def test_a_film_has_every_picture_with_its_overlay(tmp_path: Path) -> None:
    start = StreamStart(stream="drive", epoch=1, started_at=START, source="x", live=False, rate=1.0)
    messages = [Packet(start), *(packet for index in range(6) for packet in frame(index))]
    (path,) = write_films(messages, tmp_path / "films")
    film = cv2.VideoCapture(str(path))
    pictures = []
    while (found := film.read())[0]:
        pictures.append(found[1])
    film.release()
    assert len(pictures) == 6
    # Narrow pictures are enlarged, and a face has its bars beside it.
    assert pictures[0].shape == (480, 640, 3)
    assert np.abs(pictures[1].astype(int) - pictures[0]).max() > 100


def test_a_film_is_written_again_in_its_place(tmp_path: Path) -> None:
    messages = [packet for index in range(6) for packet in frame(index)]
    for _ in range(2):
        assert write_films(messages, tmp_path) == [tmp_path / "drive.mp4"]
    assert list(tmp_path.iterdir()) == [tmp_path / "drive.mp4"]


@pytest.mark.parametrize("small_disk", ["8k"], indirect=True)
def test_a_film_that_has_no_room_is_one_line(small_disk: Path) -> None:
    messages = [packet for index in range(60) for packet in frame(index)]
    with pytest.raises(AffectlineError, match=r"cannot write to --out .*drive.mp4 was cut off"):
        write_films(messages, small_disk)
    assert list(small_disk.iterdir()) == []


def test_the_overlay_tells_the_rate_of_the_recording() -> None:
    overlay, rates = OverlayRenderer(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(renderer, "draw", lambda _, __, status: rates.append(status.rate))
        for index in range(6):
            picture, answer = frame(index)
            assert isinstance(answer.message, Emotion)
            said = answer.message.model_copy(update={"published_at": START + index * SECOND // 25})
            overlay.add_frame(picture)
            matched = overlay.match(said)
            assert matched is not None
            overlay.render(matched, said)
    assert rates == [0.0, *[pytest.approx(25.0)] * 5]


def test_a_session_without_pictures_has_no_film(tmp_path: Path) -> None:
    assert write_films([Packet(Marker(session="s", at=START, label="x"))], tmp_path) == []


def test_nothing_becomes_no_table() -> None:
    assert tables([]) == {}
    samples = Samples(
        subject="a", signal="x", unit="1", epoch=1, seq=0, at=START, rate=1.0, values=(1.0,)
    )
    assert list(tables([Packet(samples)])) == ["samples"]
