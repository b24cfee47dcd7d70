"""No face can be recognised in any file of a blurred session, and nothing of it is lost."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from affectline.common.wire.messages import Box
from affectline.services.capture.sample_clip import find_sample
from tests.pipelines import Pipeline, run, up
from tests.privacy import (
    LIKENESS,
    Image,
    Shown,
    are_same,
    find_faces,
    is_wholly_pixelated,
    measure_likeness,
    read_film,
    read_page,
    read_recording,
    scale_to,
)

pytestmark = pytest.mark.timeout(400)

SIZE = (352, 288)
ENTERS_AT = 45
SLIDES_FOR = 8
FRAMES = 110
KEPT = {".csv", ".json", ".mcap", ".mp4", ".html"}
"""Endings of the files of a session: another one may be a picture that nobody has looked at."""
CLOSELY = 9
"""Every so many pictures are searched with all cascades; all are, as the detector does it."""
MARKERS = "markers: [{at_s: 0.5, label: early}, {at_s: 2.0, label: middle}]\n"


def sample() -> list[Image]:
    return [
        np.asarray(cv2.resize(one, SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)
        for one in read_film(find_sample())
    ]


def wall() -> Image:
    """A wall with a pattern, where nobody is."""
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    gray = 90 + 40 * np.sin(columns / 9) * np.sin(rows / 7)
    return np.repeat(gray[..., None], 3, axis=2).astype(np.uint8)


def enter(shots: Sequence[Image], index: int) -> Image:
    """Somebody who slides in from the right, and has the camera to himself then."""
    image, seconds = wall(), index - ENTERS_AT
    if seconds < 0:
        return image
    visible = min(SIZE[0], SIZE[0] * (seconds + 1) // SLIDES_FOR)
    shot = np.ascontiguousarray(shots[index][:, ::-1])
    image[:, SIZE[0] - visible :] = shot[:, :visible]
    return image


def write_film(path: Path, images: Sequence[Image]) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, images[0].shape[1::-1])
    for image in images:
        writer.write(image)
    writer.release()
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Somebody enters late: an empty room, and a room with somebody in it."""
    folder = tmp_path_factory.mktemp("films")
    shots = sample()
    alone = [enter(shots, index) for index in range(FRAMES)]
    beside = [np.hstack([shots[index], alone[index]]) for index in range(FRAMES)]
    return {
        "alone": write_film(folder / "alone.mp4", alone),
        "beside": write_film(folder / "beside.mp4", beside),
    }


def record(films: Mapping[str, Path], out: Path) -> None:
    settings = out.parent / "settings.yaml"
    settings.write_text(MARKERS)
    sources = [f"--source={name}={path}" for name, path in films.items()]
    done = up(
        "--config", str(settings), *sources, "--privacy", "blurred", "--display", "mp4",
        "--report", "--out", str(out), "--json", timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def check(films: Mapping[str, Path], out: Path) -> dict[str, float]:
    """Look at every picture of a session; return the part of each recording that shows anything."""
    sources = {name: list(read_film(path)) for name, path in films.items()}
    shown, results = read_recording(out)
    counts = {name: sum(one.stream == name for one in shown) for name in films}
    assert counts == {name: len(images) for name, images in sources.items()}, "nothing is lost"
    faces = {key: [face.box for face in result.faces] for key, result in results.items()}
    for name, images in sources.items():
        look_before(name, images, faces)
    whole = dict.fromkeys(films, 0)
    for one in shown:
        source = sources[one.stream][one.seq]
        closely = one.seq % CLOSELY == 0
        found = find_faces(one.image, closely=closely)
        assert_hidden(source, one, faces[one.stream, one.seq], found)
        whole[one.stream] += is_wholly_pixelated(one.image)
    for path in out.rglob("*.mp4"):
        check_film(path, sources[path.stem], faces)
    thumbnails = list(read_page(out / "report.html"))
    assert thumbnails
    for image in thumbnails:
        assert not find_faces(image)
    files = {path for path in out.rglob("*") if path.is_file()}
    assert {path.suffix for path in files} <= KEPT
    return {name: 1 - count / counts[name] for name, count in whole.items()}


def check_film(
    path: Path, images: Sequence[Image], faces: Mapping[tuple[str, int], Sequence[Box]]
) -> None:
    """Look at an annotated film of a session."""
    count = 0
    for seq, image in enumerate(read_film(path)):
        one = Shown(path.stem, seq, scale_to(image, images[0].shape))
        found = find_faces(one.image) if seq % CLOSELY == 0 else []
        assert_hidden(images[seq], one, faces[path.stem, seq], found)
        count += 1
    assert count == len(images), path


def look_before(
    name: str, images: Sequence[Image], faces: dict[tuple[str, int], list[Box]]
) -> None:
    """Add the faces that show in the second before one is found for the first time."""
    numbers = [len(faces[name, seq]) for seq in range(len(images))]
    for seq in range(1, len(images)):
        if numbers[seq] > max(numbers[:seq]):
            for earlier in range(max(0, seq - 25), seq):
                faces[name, earlier] += find_faces(images[earlier], closely=False)


def assert_hidden(source: Image, one: Shown, faces: Sequence[Box], found: Sequence[Box]) -> None:
    """No face of the source is found in a picture, and none is sharp."""
    for box in faces:
        likeness = measure_likeness(source, one.image, box)
        assert likeness < LIKENESS, (one.stream, one.seq, box)
    again = [box for box in found if any(are_same(box, face) for face in faces)]
    assert not again, (one.stream, one.seq, again)


def test_faces_that_enter_late(films: dict[str, Path], tmp_path: Path) -> None:
    record(films, tmp_path / "out")
    exported = run("export", str(tmp_path / "out"), "--to", "mp4")
    assert exported.returncode == 0, exported.stderr
    visible = check(films, tmp_path / "out")
    assert visible["beside"] > 0.2, "the rest of the picture stays, where all faces are known"


@pytest.mark.slow
def test_the_clips(clips: Path, tmp_path: Path) -> None:
    found = {path.stem: path for path in sorted(clips.glob("*.mp4"))}
    assert {"expressive_woman", "carphone", "smiling_man", "no_face"} <= found.keys()
    record(found, tmp_path / "out")
    visible = check(found, tmp_path / "out")
    assert visible["carphone"] > 0.9, "what is not near the face stays"
    assert visible["no_face"] == 0, "where no face is known, one may have been missed"


@pytest.mark.parametrize("kind", ["recorder", "detector"])
def test_a_process_that_is_killed_loses_nothing_and_shows_nothing(
    kind: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    blurred = ["--source", "sample", "--privacy", "blurred", "--pace", "realtime"]
    with Pipeline(out, *blurred, prefixes=("emotion/",)) as pipeline:
        pipeline.wait_for_frame(60)
        pipeline.kill(kind)
        summary = pipeline.finish()
    assert (summary["frames"], list(summary["restarts"].values())) == (120, [1])
    source = list(read_film(find_sample()))
    shown, results = read_recording(out)
    assert [one.seq for one in shown] == list(range(120)), "each once, in order"
    for one in shown:
        faces = [face.box for face in results["sample", one.seq].faces]
        assert_hidden(source[one.seq], one, faces, find_faces(one.image, closely=False))
    whole = [one.seq for one in shown if is_wholly_pixelated(one.image)]
    assert kind != "recorder" or not whole, "its successor has read where the face was"
