"""What others read: BIDS by its official validator, Fex and OpenFace by their conventions, Foxglove
by the stock MCAP reader."""

import base64
import gzip
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import jsonschema
import numpy as np
import pandas as pd
import pytest
from mcap.reader import make_reader

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.wire.biometrics import SIMULATED, Samples, State
from affectline.common.wire.codec import decode, encode
from affectline.common.wire.messages import LANDMARKS_BYTES, Face, Faces, Marker, Packet
from affectline.services.export.exporter import make_exporter
from affectline.services.export.exporters.foxglove import SCHEMAS
from affectline.services.export.face_frames import MESH_TO_68
from affectline.services.sessions.edits import Annotation, SessionEdits, TrackEdit
from affectline.services.sessions.recording import Recording
from tests.recordings import SECOND, START, frame, recording
from tests.signed_sessions import RATE, signed_session

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")


def session(packets: list[Packet], name: str = "drive", **study: str) -> Recording:
    about: dict[str, Any] = {"affectline": "0.1.0", "study": study}
    return Recording(name, lambda: iter(packets), about, session_start=START)


def measured() -> list[Packet]:
    """A driver with every kind of signal, a marker, and a face that is measured."""
    packets = signed_session(8)
    beat = START
    for i in range(12):
        rr = 800.0 + 20 * (i % 3)
        beat += round(rr * 1e6)
        packets.append(Packet(Samples(
            subject="anna", signal="rr_interval", unit="ms", epoch=1, seq=i, at=beat, rate=1.0,
            values=(rr,),
        )))  # fmt: skip
    for signal, unit, value in (("skin_conductance", "uS", 4.0), ("acceleration_x", "g", 1.0)):
        packets.append(Packet(Samples(
            subject="anna", signal=signal, unit=unit, epoch=1, seq=0, at=START + SECOND // 2,
            rate=4.0, values=tuple(value + i / 100 for i in range(24)),
        )))  # fmt: skip
    marker = Marker(
        session="s", at=START + 3 * SECOND, label="hard\tbraking", extra={"duration_s": 1.5}
    )
    return [*packets, Packet(marker)]


def validate(folder: Path) -> list[str]:
    """The errors that the official validator finds, and the warnings that are about data."""
    if not VALIDATOR.exists():
        pytest.skip("bids-validator-deno is not installed")
    done = subprocess.run(
        [VALIDATOR, str(folder), "--format", "json"], capture_output=True, text=True, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    recommended = ("JSON_KEY_RECOMMENDED", "SIDECAR_KEY_RECOMMENDED", "TOO_FEW_AUTHORS",
                   "NO_AUTHORS", "PARTICIPANT_ID_MISMATCH")  # fmt: skip
    return [str(issue) for issue in issues if issue["code"] not in recommended]


def physio(path: Path) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
    about = json.loads(Path(str(path).replace(".tsv.gz", ".json")).read_text())
    with gzip.open(path, "rt") as file:
        table = pd.read_csv(file, sep="\t", header=None, na_values=["n/a"])
    assert table.shape[1] == len(about["Columns"])
    return table.to_numpy(), about


def test_a_data_set_passes_the_official_validator(tmp_path: Path) -> None:
    exporter = make_exporter("bids")
    exporter.export(session(measured(), participant="07", task="night drive", age="34"), tmp_path)
    other = session(recording(), "other", participant="08", session="pre", task="rest", run="2")
    exporter.export(other, tmp_path)
    assert validate(tmp_path) == []
    participants = pd.read_csv(tmp_path / "participants.tsv", sep="\t", dtype=str)
    assert participants["participant_id"].tolist() == ["sub-07", "sub-08"]
    assert participants["age"].tolist()[0] == "34"
    beh = tmp_path / "sub-07/beh"
    skin, about = physio(beh / "sub-07_task-nightdrive_recording-skinconductance_physio.tsv.gz")
    assert (about["SamplingFrequency"], about["StartTime"]) == (4, 0.5)
    assert about["skin_conductance"]["Units"] == "uS"
    assert skin[:, 0] == pytest.approx([4 + i / 100 for i in range(24)])
    force, _ = physio(beh / "sub-07_task-nightdrive_recording-accelerationx_physio.tsv.gz")
    assert force[0, 0] == pytest.approx(9.80665)
    face, about = physio(beh / "sub-07_task-nightdrive_recording-facedrive_physio.tsv.gz")
    assert about["SamplingFrequency"] == RATE
    assert {*LABELS, "valence", "yaw", "perclos"} <= set(about["Columns"])
    yaw = face[:, about["Columns"].index("yaw")]
    assert yaw[RATE] == pytest.approx(20 * np.sin(1 / 6))
    events = pd.read_csv(beh / "sub-07_task-nightdrive_events.tsv", sep="\t")
    assert events[["onset", "duration", "trial_type"]].to_numpy().tolist() == [
        [3.0, 1.5, "hard braking"]
    ]


def test_beats_are_events_as_they_were_measured(tmp_path: Path) -> None:
    make_exporter("bids").export(session(measured(), participant="07", task="x"), tmp_path)
    stem = tmp_path / "sub-07/beh/sub-07_task-x_recording-rrinterval_physio"
    beats, about = physio(Path(f"{stem}events.tsv.gz"))
    assert about["Columns"] == ["onset", "duration", "rr_interval"]
    assert beats[:3, 2].tolist() == [800, 820, 840]
    assert beats[:3, 0] == pytest.approx([0.0, 0.8, 1.62])
    assert (beats[:, 0] + beats[:, 1])[:-1] == pytest.approx(beats[1:, 0]), "one after the other"
    even, about = physio(Path(f"{stem}.tsv.gz"))
    assert about["SamplingFrequency"] == 4
    assert about["Columns"] == ["timestamp", "rr_interval"]
    assert even[0].tolist() == [0.8, 800]


def test_a_list_of_participants_that_was_edited_is_kept_and_missing_values_are_filled(
    tmp_path: Path,
) -> None:
    exporter, table = make_exporter("bids"), tmp_path / "participants.tsv"
    exporter.export(session(recording(), "a", participant="07", task="x"), tmp_path)
    exporter.export(session(recording(), "b", participant="08", task="x", age="40"), tmp_path)
    assert table.read_text() == "participant_id\tage\nsub-07\tn/a\nsub-08\t40\n"
    table.write_bytes(
        b"\xef\xbb\xbfparticipant_id\tage\thand\r\nsub-07\tn/a\tleft\r\nsub-08\t41\tn/a\r\n"
    )
    about = tmp_path / "participants.json"
    about.write_text('{"age": {"Description": "in years"}}', encoding="utf-8-sig")
    exporter.export(session(recording(), "b", participant="08", task="x", age="40"), tmp_path)
    exporter.export(
        session(recording(), "c", participant="07", task="x", session="2", age="34"), tmp_path
    )
    assert table.read_text() == ("participant_id\tage\thand\nsub-07\t34\tleft\nsub-08\t41\tn/a\n")
    assert json.loads(about.read_text())["age"] == {"Description": "in years"}
    table.write_text("")
    exporter.export(session(recording(), "d", participant="09", task="x", age="50"), tmp_path)
    assert table.read_text() == "participant_id\tage\nsub-09\t50\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"participant,age\nsub-07,34\n", r"tsv has no column participant_id \(participant,age\)"),
        (b"participant_id\tage\n\t34\n", "tsv, line 2 has no participant_id"),
        ("participant_id\tGröße\n".encode("cp1252"), "tsv is not UTF-8 text"),
    ],
)
def test_a_list_of_participants_that_cannot_be_read_is_refused_before_anything_is_written(
    tmp_path: Path, content: bytes, words: str
) -> None:
    table = tmp_path / "participants.tsv"
    table.write_bytes(content)
    with pytest.raises(AffectlineError, match=words):
        make_exporter("bids").export(session(recording(), participant="08", task="x"), tmp_path)
    assert list(tmp_path.iterdir()) == [table]
    assert table.read_bytes() == content


def test_another_session_in_the_same_place_is_refused_and_the_same_one_replaced(
    tmp_path: Path,
) -> None:
    exporter = make_exporter("bids")
    exporter.export(session(measured(), participant="07", task="x"), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (tmp_path / "dataset_description.json").write_text('{"Name": "Mine", "BIDSVersion": "1.11.0"}')
    exporter.export(session(measured(), participant="07", task="x"), tmp_path)
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert json.loads((tmp_path / "dataset_description.json").read_text())["Name"] == "Mine"
    changed = {path.name for path in before if before[path] != after[path]}
    assert changed == {"dataset_description.json"}
    with pytest.raises(AffectlineError, match=r"sub-07_task-x is session drive there, not two"):
        exporter.export(session(measured(), "two", participant="07", task="x"), tmp_path)
    with pytest.raises(AffectlineError, match="sub-07 is participant 07 there, not 0-7: export"):
        exporter.export(session(measured(), "three", participant="0-7", task="y"), tmp_path)


def test_runs_of_a_task_do_not_remove_each_other(tmp_path: Path) -> None:
    study = {"participant": "07", "task": "x"}
    exporter = make_exporter("bids")
    for run in ("2", "second half"):
        exporter.export(session(measured(), f"run {run}", **study, run=run), tmp_path)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    stale = tmp_path / "sub-07/beh/sub-07_task-x_run-1_recording-ecg_physio.json"
    stale.write_text("{}")
    with pytest.raises(AffectlineError, match=r"sub-07_task-x \(drive\) cannot be added"):
        exporter.export(session(measured(), **study), tmp_path)
    exporter.export(session(measured(), condition="rain", **study, run="1"), tmp_path)
    after = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert before <= after
    assert stale not in after, "of an earlier export of this session"
    assert (tmp_path / "sub-07/beh/sub-07_task-x_acq-secondhalf_events.tsv").exists()
    side_cars = [json.loads(p.read_text()) for p in tmp_path.rglob("*run-1_events.json")]
    assert [one["Condition"] for one in side_cars] == ["rain"]
    assert validate(tmp_path) == []


def test_another_session_of_the_same_name_is_another_session(tmp_path: Path) -> None:
    exporter = make_exporter("bids", {"participant": "01", "task": "t"})
    anna = session(measured(), "pre")
    exporter.export(anna, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    ben = replace(session(recording(), "pre"), session_start=START + SECOND)
    with pytest.raises(AffectlineError, match="is session pre there, another one of the same name"):
        exporter.export(ben, tmp_path)
    exporter.export(anna, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_sessions_of_nobody_with_the_same_name_are_numbered(tmp_path: Path) -> None:
    anna = session(measured(), "pre")
    ben = replace(session(measured(), "pre"), session_start=START + SECOND)
    for one in (anna, ben, anna, ben):
        make_exporter("bids").export(one, tmp_path)
    assert {path.name for path in (tmp_path / "sub-unnamed").iterdir()} == {"ses-pre", "ses-pre2"}
    assert len(list(tmp_path.rglob("*facedrive_physio.tsv.gz"))) == 2
    assert validate(tmp_path) == []


def test_streams_and_people_with_the_same_label_are_numbered(tmp_path: Path) -> None:
    packets = []
    for name in ("cam-1", "cam_1", "CAM1"):
        for index in range(6):
            for packet in frame(index):
                message = packet.message.model_copy(update={"stream": name})
                packets.append(Packet(message, packet.parts))
    for subject in ("anna", "an-na"):
        for signal in ("heart_rate", "rr_interval"):
            values = tuple(800.0 + i for i in range(8))
            packets.append(Packet(Samples(
                subject=subject, signal=signal, unit="ms", epoch=1, seq=0, at=START, rate=1.0,
                values=values,
            )))  # fmt: skip
    make_exporter("bids").export(session(packets, participant="07", task="x"), tmp_path)
    found = {}
    for path in tmp_path.rglob("*_physio.json"):
        about = json.loads(path.read_text())
        label = path.name.split("_recording-")[1].removesuffix("_physio.json")
        found[label] = about.get("Stream") or about["Subject"]
    assert found == {
        "facecam1": "cam-1", "facecam12": "cam_1", "faceCAM13": "CAM1",
        "heartrateanna": "anna", "heartrateanna2": "an-na",
        "rrintervalanna": "anna", "rrintervalanna2": "an-na",
    }  # fmt: skip
    assert validate(tmp_path) == []


@pytest.mark.parametrize("name", ["dataset_description.json", "participants.json"])
def test_a_description_that_cannot_be_read_is_never_overwritten(name: str, tmp_path: Path) -> None:
    exporter = make_exporter("bids")
    exporter.export(session(measured(), participant="07", task="x", age="34"), tmp_path)
    path = tmp_path / name
    path.write_text('{"Name": "Mine", "Authors": ["Ann"],}')
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(AffectlineError, match=rf"{name}: is not JSON \(.*line 1"):
        exporter.export(session(measured(), "b", participant="08", task="x", age="40"), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_sessions_of_nobody_are_told_apart_and_can_be_given_a_place(tmp_path: Path) -> None:
    for name in ("first drive", "second drive"):
        make_exporter("bids").export(session(measured(), name), tmp_path)
    assert {path.name for path in (tmp_path / "sub-unnamed").iterdir()} == {
        "ses-firstdrive", "ses-seconddrive",
    }  # fmt: skip
    given = {"participant": "07", "task": "drive", "session": "1", "run": "1"}
    make_exporter("bids", given).export(session(measured(), "first drive"), tmp_path)
    assert (tmp_path / "sub-07/ses-1/beh/sub-07_ses-1_task-drive_run-1_events.tsv").exists()
    given = {"participant": "07", "task": "drive"}
    make_exporter("bids", given).export(session(measured(), "second drive"), tmp_path)
    assert validate(tmp_path) == []


EDITS = SessionEdits(
    annotations=(
        Annotation(begin_s=1, end_s=3.5, label="tunnel"),
        Annotation(begin_s=4, end_s=5, label="phone", is_excluded=True),
    ),
    tracks=(TrackEdit(stream="drive", track=1, merged_into=7),
            TrackEdit(stream="drive", track=7, name="Anna")),
)  # fmt: skip


def test_what_was_said_afterwards_is_in_each_format(tmp_path: Path) -> None:
    edited = replace(session(with_landmarks() + measured(), participant="07"), edits=EDITS)
    for name in ("bids", "fex", "openface", "foxglove"):
        (tmp_path / name).mkdir()
        make_exporter(name).export(edited, tmp_path / name)
    (path,) = tmp_path.rglob("*_events.tsv")
    events = pd.read_csv(path, sep="\t").to_numpy().tolist()
    assert [row[:4] for row in events if row[3] == "annotation"] == [
        [1.0, 2.5, "tunnel", "annotation"], [4.0, 1.0, "phone", "annotation"],
    ]  # fmt: skip
    assert [row[0] for row in events] == sorted(row[0] for row in events)
    faces = pd.read_csv(tmp_path / "fex/drive-fex.csv")
    assert set(faces["Identity"].dropna()) == {"Anna"}
    faces = pd.read_csv(tmp_path / "openface/drive-openface.csv")
    assert set(faces["face_id"]) == {0, 7}
    with (tmp_path / "foxglove/drive.foxglove.mcap").open("rb") as file:
        found = [(channel.topic, message.log_time, json.loads(message.data))
                 for _, channel, message in make_reader(file).iter_messages()]  # fmt: skip
    texts = [one for topic, _, content in found if topic.endswith("/faces")
             for one in content["texts"]]  # fmt: skip
    assert texts
    assert all(one["text"].startswith("Anna: ") for one in texts)
    logged = [(at, one["message"]) for topic, at, one in found if topic == "/markers"]
    assert (START + SECOND, 'tunnel {"duration_s": 2.5}') in logged


def test_films_are_there_when_asked_for_and_as_they_were_recorded(tmp_path: Path) -> None:
    study = {"participant": "07", "task": "x"}
    make_exporter("bids").export(session(recording(), **study), tmp_path)
    assert not list(tmp_path.rglob("*.mkv"))
    make_exporter("bids", {"videos": True}).export(session(recording(), **study), tmp_path)
    (film,) = tmp_path.rglob("sourcedata/sub-07/video/*.mkv")
    with av.open(str(film)) as container:
        times = [shown.time for shown in container.decode(video=0)]
    assert times == pytest.approx(list(range(60)))
    assert validate(tmp_path) == []
    make_exporter("bids").export(session(recording(), **study), tmp_path)
    assert not list(tmp_path.rglob("*.mkv")), "an earlier export's film does not stay"
    without = [packet for packet in recording() if not packet.parts]
    shutil.rmtree(tmp_path / "sourcedata")
    make_exporter("bids", {"videos": True}).export(session(without, **study), tmp_path)
    assert not list(tmp_path.rglob("*.mkv")), "privacy features keeps no picture"


def test_a_film_goes_on_where_the_camera_s_clock_was_set_back(tmp_path: Path) -> None:
    packets = []
    for index in range(6):
        at = START + (index if index < 3 else index - 90) * SECOND
        for packet in frame(index):
            message = packet.message.model_copy(update={"captured_at": at})
            packets.append(Packet(message, packet.parts))
    study = {"participant": "07", "task": "x"}
    make_exporter("bids", {"videos": True}).export(session(packets, **study), tmp_path)
    (film,) = tmp_path.rglob("*.mkv")
    with av.open(str(film)) as container:
        times = [shown.time for shown in container.decode(video=0)]
    assert times == pytest.approx([0, 1, 2, 2.04, 3.04, 4.04])


def with_landmarks() -> list[Packet]:
    """Frames whose faces have recorded landmarks: point i of the mesh lies at (i, 1000 - i, -1)."""
    count = LANDMARKS_BYTES // 12
    points = np.stack([np.arange(count), 1000 - np.arange(count), np.full(count, -1)], axis=1)
    packets = []
    for index in range(4):
        picture, result = frame(index)
        emotion = result.message
        seen = [
            Face(track=one.track, box=one.box, quality=one.quality, crop_side=2, landmarks=True)
            for one in emotion.faces  # type: ignore[attr-defined]
        ]
        faces = Faces(
            **picture.message.identity, detected_at=START, faces=tuple(seen)  # type: ignore[attr-defined]
        )  # fmt: skip
        parts = (b"\0" * 4, b"\0" * 2304, points.astype("<f4").tobytes()) if seen else ()
        packets += [picture, decode(encode(Packet(faces, parts))), result]
    return packets


def test_fex_is_read_by_py_feat_s_conventions(tmp_path: Path) -> None:
    (path,) = make_exporter("fex").export(session(with_landmarks()), tmp_path)
    table = pd.read_csv(path)
    assert path.name == "drive-fex.csv"
    assert table["frame"].tolist() == [0, 1, 2, 3]
    assert table["FaceRectX"].tolist()[1:] == [30, 30, 30]
    assert np.isnan(table["FaceRectX"][0]), "a frame without a face has a row without one"
    emotions = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    assert table[emotions].iloc[1].sum() == pytest.approx(1)
    assert table["happiness"][1] == pytest.approx(0.4)
    assert [c for c in table.columns if c.startswith("x_")] == [f"x_{i}" for i in range(68)]
    assert table[[f"x_{i}" for i in range(68)]].iloc[1].tolist() == list(MESH_TO_68)
    assert table[[f"y_{i}" for i in range(68)]].iloc[1].tolist() == [1000 - i for i in MESH_TO_68]
    assert table["approx_time"][3] == "00:03.000"
    assert table["Identity"][1] == "Person_1"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("/home/anna/films/drive.mp4", "drive.mp4"), ("file:///home/anna/drive.mp4", "drive.mp4"),
        ("rtsp://camera/***", "rtsp://camera/***"), ("sample", "sample"), ("7", "7"),
    ],
)  # fmt: skip
def test_fex_names_a_film_without_its_folders(source: str, expected: str, tmp_path: Path) -> None:
    _, answer = frame(1)
    recording = session([answer])
    name = answer.message.stream  # type: ignore[attr-defined]
    recording.about["settings"] = {"sources": [{"name": name, "source": source}]}
    (path,) = make_exporter("fex").export(recording, tmp_path)
    assert pd.read_csv(path, dtype=str)["input"].tolist() == [expected]


@pytest.mark.parametrize(
    ("time_s", "media_time", "expected"),
    [
        (-1.5, None, "-00:01.500"), (-1.5, 0, "00:00.000"), (59.9996, None, "01:00.000"),
        (3.0, 62_500_000_000, "01:02.500"), (-0.0001, None, "00:00.000"),
    ],
)  # fmt: skip
def test_fex_has_the_time_in_the_film_and_no_sixty_seconds(
    time_s: float, media_time: int | None, expected: str, tmp_path: Path
) -> None:
    _, answer = frame(1)
    at = {"captured_at": START + round(time_s * SECOND), "media_time": media_time}
    message = answer.message.model_copy(update=at)
    (path,) = make_exporter("fex").export(session([Packet(message)]), tmp_path)
    assert pd.read_csv(path, dtype=str)["approx_time"].tolist() == [expected]


def test_fex_is_read_by_py_feat_itself(tmp_path: Path) -> None:
    io = pytest.importorskip("feat.utils.io", reason="py-feat is not installed")
    (path,) = make_exporter("fex").export(session(with_landmarks()), tmp_path)
    assert io.read_feat(str(path)).emotions.shape == (4, 7)


def test_openface_is_read_by_its_conventions(tmp_path: Path) -> None:
    (path,) = make_exporter("openface").export(session(signed_session(8)), tmp_path)
    table = pd.read_csv(path)
    assert table.columns[:5].tolist() == ["frame", "face_id", "timestamp", "confidence", "success"]
    assert table["frame"].tolist()[:3] == [1, 2, 3]
    assert table["timestamp"][RATE] == pytest.approx(1)
    assert (table["success"] == 1).all()
    at = table["timestamp"].to_numpy()
    assert table["pose_Ry"].to_numpy() == pytest.approx(-np.radians(20 * np.sin(at / 6)), abs=1e-4)
    assert table["pose_Rz"].to_numpy() == pytest.approx(-np.radians(4 * np.sin(at)), abs=1e-4)
    assert table["x_0"].isna().all(), "landmarks were not recorded"
    (path,) = make_exporter("openface").export(session(with_landmarks()), tmp_path)
    marked = pd.read_csv(path)
    assert marked["success"].tolist() == [0, 1, 1, 1]
    assert marked["x_30"][1] == MESH_TO_68[30], "the tip of the nose"


@pytest.mark.parametrize("is_simulated", [True, False])
@pytest.mark.parametrize("name", ["bids", "xdf", "foxglove", "csv", "parquet"])
def test_every_format_says_which_signals_were_simulated(
    name: str, is_simulated: bool, tmp_path: Path
) -> None:
    packets = [
        Packet(packet.message.model_copy(update={"synthetic": is_simulated}))
        if isinstance(packet.message, Samples | State)
        else packet
        for packet in [*measured(), *recording()]
    ]
    signals = {"heart_rate", "rr_interval", "skin_conductance", "acceleration_x"}
    paths = make_exporter(name).export(session(packets), tmp_path)
    match name:
        case "bids":
            side_cars = [path for path in paths if path.suffix == ".json"]
            columns = [
                (signal, column)
                for path in side_cars
                for signal, column in json.loads(path.read_text()).items()
                if signal in signals
            ]
            said = {(signal, SIMULATED in column["Description"]) for signal, column in columns}
        case "xdf":
            text = paths[0].read_bytes().decode(errors="replace")
            told = [text.split(f"<label>anna {one}<")[1] for one in (*signals, "nervousness")]
            note = f"<note>{SIMULATED}</note>"
            said = {(str(i), note in one.split("</channel>")[0]) for i, one in enumerate(told)}
        case "foxglove":
            with paths[0].open("rb") as file:
                contents = [
                    (channel.topic, json.loads(message.data))
                    for _, channel, message in make_reader(file).iter_messages()
                ]
            of_person = [one for one in contents if one[0].startswith(("/bio", "/state"))]
            said = {(topic, one["note"] == SIMULATED) for topic, one in of_person}
            assert {one["synthetic"] for _, one in of_person} == {is_simulated}
        case _:
            tables = [path for path in paths if path.stem in ("samples", "states")]
            read = pd.read_csv if name == "csv" else pd.read_parquet
            said = {(path.stem, bool(v)) for path in tables for v in read(path)["synthetic"]}
    assert len(said) >= 2
    assert {told_so for _, told_so in said} == {is_simulated}


def test_foxglove_opens_it_by_its_own_schemas(tmp_path: Path) -> None:
    packets = [*recording(), *measured()]
    (path,) = make_exporter("foxglove").export(session(packets), tmp_path)
    found: dict[str, list[tuple[int, Any]]] = {}
    with path.open("rb") as file:
        reader = make_reader(file)
        for schema, channel, message in reader.iter_messages():
            assert schema is not None
            assert (schema.encoding, channel.message_encoding) == ("jsonschema", "json")
            assert json.loads(schema.data) == SCHEMAS[schema.name]
            content = json.loads(message.data)
            jsonschema.validate(content, SCHEMAS[schema.name])
            stamp = content.get("timestamp")
            if stamp:
                assert stamp["sec"] * SECOND + stamp["nsec"] == message.log_time
            found.setdefault(channel.topic, []).append((message.log_time, content))
    assert {"/drive/image", "/drive/faces", "/drive/emotion", "/bio/anna/rr_interval",
            "/state/anna", "/markers"} <= found.keys()  # fmt: skip
    picture = base64.b64decode(found["/drive/image"][0][1]["data"])
    shown = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (96, 128, 3)
    outlines = [one for _, content in found["/drive/faces"] for one in content["points"]]
    assert {(one["points"][0]["x"], one["points"][0]["y"]) for one in outlines} == {
        (30, 20), (200, 80),
    }  # fmt: skip
    assert '<hard> braking {"km/h": 63.5}' in [one["message"] for _, one in found["/markers"]]


@pytest.mark.parametrize(
    ("name", "options"),
    [("bids", {}), ("bids", {"videos": True}), ("fex", {}), ("openface", {}), ("foxglove", {})],
)
def test_a_failure_leaves_nothing_under_a_final_name(
    name: str, options: dict[str, object], tmp_path: Path
) -> None:
    def broken() -> Any:
        yield from recording()[:30]
        raise OSError(28, "No space left on device")

    about: dict[str, Any] = {"study": {"participant": "07", "task": "x"}}
    with pytest.raises(OSError, match="No space"):
        make_exporter(name, options).export(Recording("drive", broken, about, START), tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []
