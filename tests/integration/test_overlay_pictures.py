"""What films and the window show of real faces; these are the pictures in the docs."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from affectline.common.runtime.stage import StageContext
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.settings.sources import name_sources
from affectline.common.vision.decode import decode
from affectline.common.wire.messages import Emotion, Frame, Packet, StreamStart
from affectline.services.analysis.direct_run import DirectRun
from affectline.services.overlay.drawing import COLOURS, EYES, Image
from affectline.services.overlay.renderer import OverlayRenderer
from affectline.services.sink.window import WindowDisplay
from affectline.services.supervisor import plan
from tests.browsers import keep_picture

HAPPY_AT = 238
"""The frame of the film of a woman in which she begins to smile."""


@pytest.fixture(scope="module")
def results(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Packet]:
    """Frames and results of three films."""
    films = ("expressive_woman", "carphone", "smiling_man")
    settings = PipelineSettings.model_validate(
        {
            "sources": name_sources([str(clips / f"{film}.mp4") for film in films]),
            "sink": {"out": tmp_path_factory.mktemp("run") / "out"},
            "duration": 10.0,
        }
    )
    seen: list[Packet] = []
    DirectRun(plan.complete(settings), observe=seen.append).run()
    return [p for p in seen if isinstance(p.message, Frame | Emotion | StreamStart)]


def of(packets: list[Packet], stream: str, last: int) -> Iterator[Packet]:
    """The packets of a stream up to a frame."""
    for packet in packets:
        message = packet.message
        if isinstance(message, Frame | Emotion) and message.seq > last:
            continue
        if isinstance(message, Frame | Emotion | StreamStart) and message.stream == stream:
            yield packet


def keep(name: str, image: Image) -> None:
    keep_picture(name, cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes())


def test_a_frame_of_a_film_with_its_result(results: list[Packet]) -> None:
    overlay = OverlayRenderer()
    image: Image | None = None
    frame: Packet | None = None
    result: Emotion | None = None
    for packet in of(results, "expressive_woman", HAPPY_AT):
        match packet.message:
            case StreamStart() as start:
                overlay.begin(start)
            case Frame():
                overlay.add_frame(packet)
            case Emotion() as said:
                result, frame = said, overlay.match(said)
                assert frame is not None
                image = overlay.render(frame, said, (960, 540))
    assert image is not None
    assert result is not None
    assert frame is not None
    assert isinstance(frame.message, Frame)
    (face,) = result.faces
    assert (face.label, face.doubts) == ("happy", ())
    for colour in (*EYES, COLOURS["happy"]):
        assert (image == colour).all(axis=2).sum() > 40
    original = decode(frame.message, frame.parts[0])
    assert original is not None
    original = np.asarray(cv2.resize(original, (960, 540)))
    x, y, w, h = (round(v * 1.5) for v in face.box)
    forehead = np.s_[y + h // 10 : y + h // 4, x + w // 4 : x + 3 * w // 4]
    mouth = np.s_[y + 2 * h // 3 : y + 9 * h // 10, x + w // 4 : x + 3 * w // 4]
    for part in (forehead, mouth):
        assert (image[part] == original[part]).all(), "nothing lies over the face but its axes"
    keep("overlay", image)


def test_a_window_with_three_streams(
    results: list[Packet], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Image] = []
    for name in ("namedWindow", "resizeWindow", "setWindowTitle"):
        monkeypatch.setattr(cv2, name, lambda *_: None)
    monkeypatch.setattr(cv2, "getWindowImageRect", lambda _: (0, 0, 1280, 720))
    monkeypatch.setattr(cv2, "imshow", lambda _, image: shown.append(image))
    monkeypatch.setattr(cv2, "waitKey", lambda _: -1)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1)
    streams = {"expressive_woman": HAPPY_AT, "carphone": 117, "smiling_man": 60}
    window = WindowDisplay(tmp_path, StageContext("sink"), streams=(*streams, "rear_camera"))
    for stream, last in streams.items():
        for packet in of(results, stream, last):
            match packet.message:
                case StreamStart() as start:
                    window.begin(start)
                case Frame():
                    window.add_frame(packet)
                case Emotion() as result:
                    window.add_result(result)
        assert not list(window.refresh())
    assert not window.closed
    image = shown[-1]
    assert image.shape == (720, 1280, 3)
    cells = image[:358, :638], image[:358, 642:], image[362:, :638], image[362:, 642:]
    assert [cell.std() > 30 for cell in cells] == [True, True, True, False]
    keep("window", image)
