"""What the sink keeps in the session folder shows no more than its recording."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.runtime.spec import Run
from affectline.common.runtime.stage import StageContext
from affectline.common.settings.hub import Delivery
from affectline.common.settings.pipeline import PipelineSettings, SinkSettings
from affectline.common.settings.recording import Privacy, RecordingSettings
from affectline.common.wire.messages import (
    Emotion,
    FaceEmotion,
    Frame,
    Packet,
    Quality,
    StreamEnd,
    StreamStart,
)
from affectline.services.sink.display import Display, open_display
from affectline.services.sink.spec import SinkProcess, configure, planned
from affectline.services.sink.stage import Sink

SIZE = (640, 360)
FACE = (300, 100, 100, 100)
FRAMES = 60
FACE_FROM = 40
"""The face is found late."""


def picture() -> np.ndarray:
    """Stripes where a face is, on a plain wall."""
    image = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    x, y, w, h = FACE
    image[y : y + h : 4, x : x + w] = 250
    image[y : y + h, x : x + w : 5] = 10
    return image


def message(seq: int) -> tuple[Packet, Emotion]:
    frame = Frame(
        stream="drive", epoch=1, seq=seq, captured_at=seq * 40_000_000, received_at=1,
        width=SIZE[0], height=SIZE[1], media_time=seq * 40_000_000,
    )  # fmt: skip
    faces = (FaceEmotion(track=1, box=FACE, quality=Quality(size=100, blur=1, brightness=0.5)),)
    emotion = Emotion(
        **frame.identity, published_at=1, faces=faces if seq >= FACE_FROM else ()
    )  # fmt: skip
    return Packet(frame, (cv2.imencode(".jpg", picture())[1].tobytes(),)), emotion


def show(display: Display, *, ends: bool = True) -> None:
    display.begin(
        StreamStart(
            stream="drive", epoch=1, started_at=0, received_at=0, session_start=0, kind="film",
            source="x", live=False, rate=25.0,
        )
    )  # fmt: skip
    for seq in range(FRAMES):
        packet, emotion = message(seq)
        display.add_frame(packet)
        display.add_result(emotion)
        assert list(display.refresh()) == []
    if ends:
        display.end(
            StreamEnd(
                stream="drive", epoch=1, ended_at=0, received_at=0, last_seq=FRAMES - 1,
                reason="end",
            )
        )  # fmt: skip
    display.close()


def read(path: Path) -> list[np.ndarray]:
    film = cv2.VideoCapture(str(path))
    pictures = []
    while (found := film.read())[0]:
        pictures.append(found[1])
    film.release()
    return pictures


def detail(image: np.ndarray) -> float:
    """How much fine structure is left in the middle of the face."""
    x, y, w, h = FACE
    part = image[y + h // 4 : y + 3 * h // 4, x + w // 4 : x + 3 * w // 4]
    return float(np.abs(cv2.Laplacian(part, cv2.CV_64F)).mean())


@pytest.mark.parametrize("delivery", ["live", "lossless"])
def test_the_film_of_a_blurred_session_is_blurred(delivery: Delivery, tmp_path: Path) -> None:
    context = StageContext("sink", delivery)
    show(open_display("mp4", tmp_path, context, "blurred"))
    pictures = read(tmp_path / "drive.mp4")
    assert len(pictures) == FRAMES, "every frame of it"
    sharp = detail(picture())
    assert max(detail(one) for one in pictures) < sharp / 10
    assert context.counters["blurred_wholly"] == FACE_FROM


def test_a_film_that_ends_early_is_blurred_to_its_end(tmp_path: Path) -> None:
    context = StageContext("sink", "lossless")
    show(open_display("mp4", tmp_path, context, "blurred"), ends=False)
    pictures = read(tmp_path / "drive.mp4")
    assert len(pictures) == FRAMES
    assert max(detail(one) for one in pictures) < detail(picture()) / 10


def test_the_film_of_an_open_session_is_sharp(tmp_path: Path) -> None:
    show(open_display("mp4", tmp_path, StageContext("sink"), "everything"))
    assert detail(read(tmp_path / "drive.mp4")[0]) > detail(picture()) / 2


def settings(privacy: Privacy, display: str, folder: Path) -> PipelineSettings:
    return PipelineSettings(
        recording=RecordingSettings(privacy=privacy, record=True),
        sink=SinkSettings.model_validate({"display": display, "out": folder}),
    )


def test_a_film_beside_features_is_refused(tmp_path: Path) -> None:
    refused = settings("features", "mp4", tmp_path)
    with pytest.raises(AffectlineError, match=r"--display mp4: .* --privacy features"):
        list(planned(Run(refused)))
    with pytest.raises(AffectlineError, match="--display mp4"):
        configure(refused, "live")
    with pytest.raises(AffectlineError, match="--display mp4"):
        configure(settings("features", "none", tmp_path), "live", display="mp4")
    (sink,) = planned(Run(settings("features", "window", tmp_path)))
    assert (sink.display, sink.privacy) == ("window", "features")


def test_the_sink_knows_the_privacy_and_the_detector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (process,) = planned(Run(settings("blurred", "mp4", tmp_path)))
    assert process.privacy == configure(settings("blurred", "mp4", tmp_path), "live").privacy
    opened = []
    monkeypatch.setattr(
        "affectline.services.sink.display.open_display",
        lambda *given, **more: opened.append((*given, more)),
    )
    stage = Sink(process)
    stage.context = StageContext("sink")
    stage.setup()
    stage.cleanup()
    ((kind, folder, _, privacy, about, more),) = opened
    assert more == {"stats": False, "streams": ()}
    assert (kind, folder, privacy) == ("mp4", tmp_path, "blurred")
    assert about["settings"]["detector"]["max_faces"] == 8


def test_pyav_is_not_loaded_beside_a_window(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "import affectline.services.sink.stage, affectline.services.sink.display\n"
        "print('av' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False", "both bring libraries of X, and hang"


def test_a_sink_s_settings_from_before_are_read(tmp_path: Path) -> None:
    assert SinkProcess(folder=tmp_path).privacy == "everything"
