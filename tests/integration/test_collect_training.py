"""From faces in front of a camera to a model that was trained on them, by the commands of users."""

import csv
import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from affectline.common.model import artifact
from affectline.common.model.shipped_digests import DEFAULT_MODEL
from affectline.common.wire.messages import Emotion, Frame, StreamDone
from affectline.services.classifier.backends import open_model
from affectline.services.collect.collection import Collection
from affectline.services.collect.collector import check_result
from affectline.services.collect.exporting import TWO, export
from affectline.services.collect.quality_checks import FaceCrop
from affectline.services.web.frame_pairs import FrameMatcher
from tests.integration.conftest import Train
from tests.pipelines import Pipeline

pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CLIPS = {"woman": ("expressive_woman.mp4", 18), "man": ("smiling_man.mp4", 5)}
"""Who is in a clip, and of how many pictures one is taken."""
SIZE = 64


def collect(folder: Path, clips: Path, tmp_path: Path) -> None:
    """Collect faces from the results of the real pipeline; its own labels are used."""
    sources = [f"--source={person}={clips / clip}" for person, (clip, _) in CLIPS.items()]
    matcher = FrameMatcher()
    done: set[str] = set()
    with (
        Collection(folder) as collection,
        Pipeline(
            tmp_path / "session",
            *sources,
            *("--pace", "realtime"),
            prefixes=("frame/", "emotion/", "stream/"),
        ) as pipeline,
    ):
        for person in CLIPS:
            collection.record_consent(person)
        for packet in pipeline.messages(60):
            message = packet.message
            if isinstance(message, Frame):
                matcher.add_frame(packet)
            elif isinstance(message, Emotion) and (result := matcher.match(message)):
                if message.seq % CLIPS[message.stream][1]:
                    continue
                found = check_result(result)
                label = message.faces[0].label if message.faces else None
                if isinstance(found, FaceCrop) and label:
                    collection.add(message.stream, label, found)
            elif isinstance(message, StreamDone) and message.by == "sink":
                done.add(message.stream)
            if done == CLIPS.keys():
                break
        pipeline.finish()


@pytest.fixture(scope="module")
def exported(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of a few dozen faces of two people."""
    tmp_path = tmp_path_factory.mktemp("collected")
    collect(tmp_path / "faces", clips, tmp_path)
    with Collection(tmp_path / "faces") as collection:
        counts = Counter(sample.person for sample in collection.samples)
        assert counts["woman"] > counts["man"] >= 10
        made = export(collection, "folder", only_kept=False)
        export(collection, "fer2013", only_kept=False)
    assert made.division == TWO
    return made.folder


def test_faces_are_larger_than_any_crop_on_the_wire(exported: Path) -> None:
    pictures = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in exported.rglob("*.png")]
    assert len(pictures) >= 30
    for picture in pictures:
        assert picture is not None
        assert picture.shape[0] == picture.shape[1] > 160
        assert picture.shape[2] == 3


def test_a_model_is_trained_exported_evaluated_and_served(
    tmp_path: Path, train: Train, exported: Path, clips: Path
) -> None:
    run, model = tmp_path / "run", tmp_path / "model"
    for command in (
        ("fit", "--data", exported, "--image-size", str(SIZE), "--start", DEFAULT_MODEL,
         "--epochs", "1", "--batch-size", "16", "--out", run),
        ("export", run, "--data", exported, "--out", model),
    ):  # fmt: skip
        done = train(*command)
        assert done.returncode == 0, done.stderr
    record = json.loads((run / "run.json").read_text())
    assert record["settings"]["image_size"] == SIZE
    assert record["started_from"] == artifact.load(DEFAULT_MODEL).model_id
    assert min(record["data"]["rows"].values()) > 0
    made = artifact.load(model)
    assert (made.manifest.input_height, made.manifest.input_width) == (SIZE, SIZE)
    scores = open_model(made, "litert").predict(np.zeros((1, SIZE, SIZE), np.uint8))
    assert scores.shape == (1, 7)
    told = train("evaluate", "--artifact", model, "--data", exported, "--json")
    assert told.returncode == 0, told.stderr
    figures = json.loads(told.stdout)
    assert 0 <= figures["accuracy"] <= 1
    # The other pictures of its own folder were learnt, or the model was chosen by them
    assert (figures["split"], figures["rows"]) == (
        "PrivateTest", record["data"]["rows"]["PrivateTest"],
    )  # fmt: skip
    # The services are told nothing but where the model is: its manifest says what it wants
    source = ("--source", str(clips / "smiling_man.mp4"), "--model", str(model))
    with Pipeline(tmp_path / "session", *source) as pipeline:
        stream = pipeline.finish()["streams"]["smiling_man"]
    with (tmp_path / "session" / "emotions.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == "face"]
    assert len(rows) == len([row for row in rows if row["label"]]) == 72
    assert stream["models"] == [made.model_id]


def test_the_file_like_fer2013_is_read_as_well(train: Train, exported: Path) -> None:
    (file,) = exported.parent.glob("*-fer2013/faces.csv")
    told = train("data", "check", file, "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["problems"] == []
