"""A person's faces from sessions and collections, and the calibration made from them."""

import json
import stat
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from affectline.common import file_access
from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.model.artifact import load
from affectline.common.model.calibration import read_calibration
from affectline.common.settings.pipeline import ClassifierSettings
from affectline.common.wire.messages import Emotion, FaceEmotion, Marker, Quality
from affectline.services.calibration.make import (
    describe_figures,
    make_calibration,
    write_calibration,
)
from affectline.services.calibration.person_faces import (
    MOST_BLOCKS,
    is_collection,
    read_collected_faces,
    read_session_faces,
)
from affectline.services.calibration.stretches import ShownExpression
from affectline.services.cli.main import app
from affectline.services.collect.collection import Collection
from affectline.services.sink.csv_writer import CsvWriter
from tests.unit.services.collect.faces import face_crop

START = 1_795_445_587_000_000_000
QUALITY = Quality(size=100, blur=300.0, brightness=0.5)
SAD = (0.1, 0.01, 0.1, 0.02, 0.5, 0.02, 0.25)
HAPPY = (0.01, 0.01, 0.01, 0.9, 0.01, 0.03, 0.03)


def session(
    folder: Path,
    model: str = "m@1",
    faces: int = 1,
    participant: str | None = None,
    streams: tuple[str, ...] = ("cam",),
) -> Path:
    """Ten seconds of a sad-looking neutral face, then five of a happy one, ten frames a second.

    Further streams show a happy face throughout.
    """
    about: dict[str, Any] = {}
    if participant:
        about["study"] = {"participant": participant}
    writer = CsvWriter(folder, about, START)
    for number, stream in product(range(150), streams):
        shown = SAD if number < 100 and stream == streams[0] else HAPPY
        face = FaceEmotion(
            track=1, box=(10, 10, 100, 100), quality=QUALITY, probabilities=shown,
            frame_probabilities=shown, label="sad", confidence=0.5, valence=0.0, arousal=0.0,
        )  # fmt: skip
        at = START + number * 100_000_000
        writer.add(Emotion(
            stream=stream, epoch=1, seq=number, captured_at=at, received_at=at, published_at=at,
            width=640, height=360, model=model, faces=(face,) * faces,
        ))  # fmt: skip
    for at_s, label in ((0, "neutral"), (10, "happy"), (15, "end")):
        writer.add_marker(Marker(session="s", at=START + at_s * 1_000_000_000, label=label))
    writer.finish()
    writer.checkpoint()
    writer.close()
    return folder


def test_a_session_s_stretches_become_blocks_of_time(tmp_path: Path) -> None:
    folder = session(tmp_path / "s", participant="07")
    found = read_session_faces(
        folder, [ShownExpression("neutral", 0, 10), ShownExpression("happy", 10, 15)]
    )
    assert found.counts() == {"happy": 50, "neutral": 100}
    assert (found.model, found.person) == ("m@1", "07")
    assert len(found.blocks) == 2 * MOST_BLOCKS
    assert np.exp(found.blocks[0].log_probabilities[0]) == pytest.approx(SAD)
    for block in found.blocks:
        assert np.ptp(block.times_s) < 2.0


def test_without_ranges_the_markers_name_the_stretches(tmp_path: Path) -> None:
    found = read_session_faces(session(tmp_path / "s"), [])
    assert found.counts() == {"happy": 40, "neutral": 90}, "a second after each is left out"


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"faces": 2}, "150 of 150 frames show several faces"),
        ({"model": "m@1+calibrated"}, "calibrated already"),
    ],
)
def test_a_session_that_does_not_suit_is_refused(
    tmp_path: Path, made: dict[str, Any], says: str
) -> None:
    with pytest.raises(AffectlineError, match=says):
        read_session_faces(session(tmp_path / "s", **made), [])


def test_faces_of_several_streams_are_not_one_person_s(tmp_path: Path) -> None:
    folder = session(tmp_path / "two", streams=("left", "right"))
    with pytest.raises(
        AffectlineError, match=r"faces in 2 streams.*name the person's with --stream: left, right"
    ):
        read_session_faces(folder, [])
    with pytest.raises(AffectlineError, match=r"--stream up: not in .*: left, right"):
        read_session_faces(folder, [], stream="up")
    alone = read_session_faces(session(tmp_path / "one"), [])
    left = read_session_faces(folder, [], stream="left")
    assert left.counts() == alone.counts() == {"happy": 40, "neutral": 90}
    for block, expected in zip(left.blocks, alone.blocks, strict=True):
        assert (block.log_probabilities == expected.log_probabilities).all()


def calibrate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["calibrate", *map(str, arguments)])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--answer", "labels"), "--answer labels with this SOURCE: a session is calibrated with"),
        (("--model", "nowhere"), "--model nowhere with this SOURCE"),
        (("--backend", "litert"), "--backend litert with this SOURCE"),
        (("--detector", "haar"), "--detector haar with this SOURCE"),
        (("--group-access",), "--group-access with this SOURCE: the calibration stays as private"),
        (("--participant", "99"), "--participant 99: the session is of participant 07"),
    ],
)
def test_options_that_a_session_cannot_follow_are_refused(
    tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    folder = session(tmp_path / "s", participant="07")
    found = calibrate(folder, "--neutral", "0..10", *options)
    assert isinstance(found.exception, AffectlineError)
    assert says in str(found.exception)
    assert not (folder / "calibration.json").exists()


def test_a_session_is_calibrated_for_its_participant_or_the_one_that_is_named(
    tmp_path: Path,
) -> None:
    for name, participant, more in (
        ("same", "07", ("--participant", "07")), ("own", "07", ()),
        ("unnamed", None, ("--participant", " 07 ")), ("two", "07", ("--stream", "cam")),
    ):  # fmt: skip
        folder = session(tmp_path / name, participant=participant)
        found = calibrate(folder, "--neutral", "0..10", *more)
        assert found.exit_code == 0, found.output
        assert read_calibration(folder).person == "07"


def test_a_stretch_without_faces_is_told(tmp_path: Path) -> None:
    folder = session(tmp_path / "s")
    with pytest.raises(AffectlineError, match=r"--sad 40..45: the session ends at 14.9 s"):
        read_session_faces(folder, [ShownExpression("sad", 40, 45)])
    (folder / "markers.csv").write_text("")
    with pytest.raises(AffectlineError, match="no marker or annotation names an expression"):
        read_session_faces(folder, [])


def test_a_calibration_is_made_and_kept_in_the_session(tmp_path: Path) -> None:
    with file_access.restricted(group=False):
        folder = session(tmp_path / "s")
    faces = read_session_faces(folder, [])
    made, figures = make_calibration(faces, "07")
    assert made.is_on
    assert made.shift[LABELS.index("sad")] < 0 < made.shift[LABELS.index("neutral")]
    assert made.validation.blocks == len(faces.blocks)
    path = write_calibration(made, folder)
    assert path == folder / "calibration.json"
    assert read_calibration(folder) == made
    assert not stat.S_IMODE(path.stat().st_mode) & 0o077
    title, *lines = describe_figures(figures)
    assert title.endswith("recognised")
    assert [line.split()[0] for line in lines] == ["happy", "neutral"]


def test_a_calibration_that_does_not_help_is_kept_switched_off(tmp_path: Path) -> None:
    faces = read_session_faces(session(tmp_path / "s"), [ShownExpression("happy", 10, 15)])
    made, _ = make_calibration(faces, None)
    assert not made.is_on
    assert any(made.fitted)


def test_expressions_that_are_hardly_seen_are_left_out(tmp_path: Path) -> None:
    folder = session(tmp_path / "s")
    both = read_session_faces(
        folder, [ShownExpression("fear", 10, 15), ShownExpression("neutral", 0, 10)]
    )
    kept, unseen = both.without_unseen()
    assert (unseen, list(kept.counts())) == (["fear"], ["neutral"])
    with pytest.raises(AffectlineError, match="fear: hardly seen in these faces"):
        read_session_faces(folder, [ShownExpression("fear", 10, 15)]).without_unseen()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    made, _ = make_calibration(read_session_faces(session(tmp_path / "s"), []), None)
    (tmp_path / "file").touch()
    with pytest.raises(AffectlineError, match="--out "):
        write_calibration(made, tmp_path / "file" / "below")


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    folder = tmp_path / "faces"
    with Collection(folder) as collection:
        for number, person in enumerate(("anna", "ben")):
            collection.record_consent(person)
            for sample in range(4):
                label = ("neutral", "happy")[sample % 2]
                collection.add(person, label, face_crop(100 * number + sample))
        collection.record_consent("cleo")
        collection.add("cleo", "sad", face_crop(300))
    return folder


def test_the_faces_of_one_person_of_a_collection(collection: Path) -> None:
    assert is_collection(collection)
    assert not is_collection(collection.parent)
    found = read_collected_faces(collection, "anna", ClassifierSettings())
    assert found.counts() == {"happy": 2, "neutral": 2}
    assert (found.person, found.material) == ("anna", "collection")
    assert found.model == load().model_id_for("consensus")
    assert all(len(block.log_probabilities) == 1 for block in found.blocks)
    votes = read_collected_faces(collection, "anna", ClassifierSettings(answer="votes"))
    assert votes.model == load().model_id_for("votes")


@pytest.mark.parametrize("option", ["--detector", "--stream"])
def test_options_that_a_collection_cannot_follow_are_refused(collection: Path, option: str) -> None:
    found = calibrate(collection, "--participant", "anna", option, "haar")
    assert f"{option} haar with this SOURCE: it holds pictures" in str(found.exception)


def test_a_calibration_of_a_collection_goes_with_its_person(collection: Path) -> None:
    found = read_collected_faces(collection, "anna", ClassifierSettings())
    made, _ = make_calibration(found, "anna")
    path = write_calibration(made, collection / "people" / "anna")
    assert not stat.S_IMODE(path.stat().st_mode) & 0o077
    with Collection(collection) as opened:
        assert len(opened.samples) == 9
        opened.delete_person("anna")
    assert not path.exists()


@pytest.mark.parametrize(
    ("person", "says"),
    [
        (None, "faces of 3 people: name one with --participant: anna, ben, cleo"),
        ("dora", "--participant dora: has no faces"),
        ("cleo", "only one face of cleo shows sad"),
    ],
)
def test_people_without_faces_are_told(collection: Path, person: str | None, says: str) -> None:
    with pytest.raises(AffectlineError, match=says):
        read_collected_faces(collection, person, ClassifierSettings())


def test_a_damaged_picture_is_named(collection: Path) -> None:
    picture = next((collection / "people" / "anna").glob("*-48.png"))
    picture.write_bytes(b"")
    with pytest.raises(AffectlineError, match=f"{picture.name}: cannot be read"):
        read_collected_faces(collection, "anna", ClassifierSettings())


def test_a_manifest_of_something_else_is_refused(collection: Path) -> None:
    (collection / "manifest.csv").write_text(json.dumps({"a": 1}))
    with pytest.raises(AffectlineError, match=r"manifest\.csv"):
        read_collected_faces(collection, "anna", ClassifierSettings())
