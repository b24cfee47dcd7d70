from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from affectline.common.runtime.spec import StreamPosition
from affectline.common.runtime.stage import StageContext
from affectline.common.settings.choices import Delivery
from affectline.common.settings.detector import DetectorSettings
from affectline.common.vision.preprocessing import FER_SIZE
from affectline.common.wire.base import EXAMPLE_AT
from affectline.common.wire.face_signs import FaceSigns
from affectline.common.wire.messages import Emotion, Faces, Frame, Packet, Scores, crops_of
from affectline.services.detector.eye_signs import EyeState
from affectline.services.detector.perclos import Perclos
from affectline.services.detector.spec import DetectorProcess
from affectline.services.detector.stage import Detector
from tests.unit.services.detector.people import Picture, man, scene


def start(delivery: Delivery = "lossless", **settings: Any) -> Detector:
    chosen = DetectorSettings.model_validate(settings)
    stage = Detector(DetectorProcess(name="drive", settings=chosen))
    stage.context = StageContext("detector/drive", delivery)
    stage.setup()
    return stage


def frame(seq: int, picture: Picture, file: str | None = None, epoch: int = 1) -> Packet[Frame]:
    # Nearly without loss, so that crops can be compared
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 100])
    height, width = picture.shape
    message = Frame(
        stream="drive", epoch=epoch, seq=seq, captured_at=EXAMPLE_AT + seq * 40_000_000,
        received_at=EXAMPLE_AT, width=width, height=height, file=file,
    )  # fmt: skip
    return Packet(message, (jpeg.tobytes(),))


def detect(stage: Detector, pictures: Iterable[Picture], **more: Any) -> list[Packet[Faces]]:
    found = []
    for seq, picture in enumerate(pictures):
        for packet in list(stage.handle(frame(seq, picture, **more))):
            if isinstance(packet.message, Faces):
                found.append(Packet(packet.message, packet.parts))
                list(stage.handle(answer(packet.message)))
    return found


def answer(faces: Faces) -> Packet[Scores]:
    """A classifier's answer, without which live frames soon stop being analysed."""
    scores = Scores(
        stream=faces.stream, epoch=faces.epoch, seq=faces.seq, classified_at=EXAMPLE_AT,
        model="none", distributions=((1 / 7,) * 7,) * len(faces.faces),
    )  # fmt: skip
    return Packet(scores)


@pytest.mark.parametrize("backend", ["haar+net", "net", "haar"])
def test_a_face_says_where_it_points_and_what_its_eyes_do(backend: str) -> None:
    found = detect(start(backend=backend), [scene((man(i), 120, 20)) for i in range(12)])
    assert len(found) >= 11
    for packet in found:
        (face,) = packet.message.faces
        assert face.mesh_score is not None
        assert face.mesh_score > 0.9
        assert face.yaw is not None
        assert abs(face.yaw) < 30
        assert face.eyes_unknown is not None  # after so short a time, and of eyes so small
        assert [len(part) for part in packet.parts] == list(face.part_sizes)


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"mesh": False}, {"yaw", "mouth_opening", "gaze_x", "mesh_score"}),
        ({"pose": False}, {"yaw", "pitch", "roll"}),
        ({"eyes": False}, {"eye_opening_left", "gaze_x", "perclos", "eyes_unknown"}),
    ],
)
def test_what_is_switched_off_is_not_said(settings: dict[str, Any], missing: set[str]) -> None:
    found = detect(start(**settings), [scene((man(i), 120, 20)) for i in range(4)])
    assert len(found) >= 3
    for packet in found:
        (face,) = packet.message.faces
        assert all(getattr(face, name) is None for name in missing)
        assert not face.landmarks
        assert len(packet.parts) == 2


def test_landmarks_are_a_third_part_in_pixels_of_the_frame() -> None:
    picture = scene((man(0), 120, 20))
    wide = np.asarray(cv2.resize(picture, (1600, 800)), np.uint8)  # decoded at half its size
    places = []
    for image in (picture, wide):
        packet = detect(start(landmarks=True), [image])[0]
        (face,) = packet.message.faces
        assert face.landmarks
        points = np.frombuffer(packet.parts[2], "<f4").reshape(468, 3)
        x, y, w, h = face.box
        middle = points[:, :2].mean(axis=0)
        assert abs(middle - (x + w / 2, y + h / 2)).max() < 0.2 * w
        places.append(middle)
    assert places[1] == pytest.approx(4 * places[0], abs=10)


def test_a_small_face_in_a_wide_frame_is_cropped_from_all_of_its_pixels() -> None:
    canvas = np.full((1080, 1920), 110, np.uint8)
    canvas[400:616, 800:1016] = cv2.resize(man(0), (216, 216))
    packet = detect(start(), [canvas] * 6)[-1]
    (face,) = packet.message.faces
    assert face.crop_side == pytest.approx(face.box[2], abs=3)
    assert face.crop_side < 2 * FER_SIZE
    native, _ = next(crops_of(packet))
    crop: NDArray[np.uint8] = np.frombuffer(native, np.uint8).reshape(face.crop_side, -1)
    near = detect(start(), [canvas[380:636, 780:1036]] * 6)[-1]
    sharp, _ = next(crops_of(near))
    side = near.message.faces[0].crop_side
    assert blur(crop) == pytest.approx(
        blur(np.frombuffer(sharp, np.uint8).reshape(side, -1)), rel=0.3
    )


def blur(crop: NDArray[np.uint8]) -> float:
    return float(cv2.Laplacian(crop, cv2.CV_32F).var())


def test_pictures_by_themselves_have_signs_but_no_history() -> None:
    picture = scene((man(0), 20, 30), (man(5), 240, 30))
    packets = detect(start(), [picture] * 3, file="a.png")
    assert len(packets) == 3
    signs = [
        [
            dict(FaceSigns(**{name: getattr(face, name) for name in FaceSigns.model_fields}))
            for face in packet.message.faces
        ]
        for packet in packets
    ]
    assert signs[0] == signs[1] == signs[2]
    assert len(signs[0]) == 2
    assert all(face["yaw"] is not None and face["perclos"] is None for face in signs[0])


def test_the_same_frames_give_the_same_signs() -> None:
    first, second = (
        detect(start(), [scene((man(i), 120, 20)) for i in range(20)]) for _ in range(2)
    )
    assert [p.message.faces for p in first] == [p.message.faces for p in second]
    assert [p.parts for p in first] == [p.parts for p in second]


@pytest.mark.parametrize("delivery", ["lossless", "live"])
def test_a_frame_without_the_face_is_noted_for_its_eyes(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    missed: list[int] = []
    note = EyeState.miss

    def miss(state: EyeState, at: int) -> Perclos:
        missed.append((at - EXAMPLE_AT) // 40_000_000)
        return note(state, at)

    monkeypatch.setattr(EyeState, "miss", miss)
    detect(start(delivery), [scene((man(0), 120, 20))] * 6 + [scene()] * 3)
    assert missed[-3:] == [6, 7, 8]


def views(stage: Detector, pictures: Iterable[Picture], **more: Any) -> list[bool]:
    return [face.mirrored for p in detect(stage, pictures, **more) for face in p.message.faces]


def test_live_the_mirror_image_of_a_steady_face_is_classified_in_every_second_frame() -> None:
    pictures = [scene((man(0), 120, 20))] * 8
    plain = detect(start(), pictures)
    live = detect(start("live"), pictures)
    seen = [face.mirrored for packet in live for face in packet.message.faces]
    assert len(seen) >= 6
    assert seen == [index % 2 == 1 for index in range(len(seen))]
    for packet, same in zip(live, plain, strict=True):
        (face,) = packet.message.faces
        for (native, small), (before, small_before) in zip(
            crops_of(packet), crops_of(same), strict=True
        ):
            for crop, other in ((native, before), (small, small_before)):
                side = round(len(crop) ** 0.5)
                picture, expected = (
                    np.frombuffer(part, np.uint8).reshape(side, side) for part in (crop, other)
                )
                assert np.array_equal(picture[:, ::-1] if face.mirrored else picture, expected)


def test_a_face_that_returns_is_first_seen_as_it_is() -> None:
    there, away = scene((man(0), 120, 20)), np.full_like(scene((man(0), 120, 20)), 110)
    # An odd number of frames before it leaves, and another after it returns
    seen = views(start("live"), [*[there] * 6, away, *[there] * 4])
    assert seen[-4:] == [False, True, False, True]


@pytest.mark.parametrize(
    ("delivery", "settings", "file"),
    [("lossless", {}, None), ("live", {"mirror": False}, None), ("live", {}, "a.png")],
)
def test_nothing_is_mirrored_where_results_are_not_averaged(
    delivery: Delivery, settings: dict[str, Any], file: str | None
) -> None:
    seen = views(start(delivery, **settings), [scene((man(0), 120, 20))] * 6, file=file)
    assert len(seen) >= 4
    assert not any(seen)


def results(packets: Iterable[Packet]) -> list[Emotion]:
    return [packet.message for packet in packets if isinstance(packet.message, Emotion)]


@pytest.mark.parametrize("delivery", ["live", "lossless"])
def test_frames_at_a_classifier_get_their_result_when_the_camera_is_replaced(
    delivery: Delivery,
) -> None:
    stage = start(delivery)
    sent = [p for p in stage.handle(frame(0, scene((man(0), 120, 20)))) if p.parts]
    (before,) = (packet.message for packet in sent if isinstance(packet.message, Faces))
    after = frame(0, scene(), epoch=2)  # without a face: nothing is left to wait for
    assert results(stage.handle(after)) == [], "results keep the order of their frames"
    earlier, later = results(stage.handle(answer(before)))
    assert (earlier.epoch, earlier.missing, earlier.faces[0].missing) == (1, None, None)
    assert (later.epoch, later.missing) == (2, None)
    assert stage.context.counters["late"] == 0


def test_frames_that_nobody_answers_say_so_when_the_camera_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = start("live")
    clock = [1]
    monkeypatch.setattr("affectline.services.detector.stage.monotonic_ns", lambda: clock[0])
    list(stage.handle(frame(0, scene((man(0), 120, 20)))))
    assert results(stage.handle(frame(0, scene(), epoch=2))) == []
    clock[0] += 10**9
    earlier, later = results(stage.tick())
    assert (earlier.epoch, earlier.faces[0].missing) == (1, "unanswered")
    assert (later.epoch, later.missing) == (2, None)


def tracks(stage: Detector, epoch: int, first: int = 0) -> set[int]:
    """The tracks of a face that stays for some frames."""
    seen = [
        list(stage.handle(frame(seq, scene((man(seq), 120, 20)), epoch=epoch)))
        for seq in range(first, first + 4)
    ]
    found = [p.message for packets in seen for p in packets if isinstance(p.message, Faces)]
    return {face.track for faces in found for face in faces.faces}


def test_a_track_is_one_face_of_its_stream_whatever_is_replaced() -> None:
    stage = start()
    assert tracks(stage, epoch=1) == {1}
    assert tracks(stage, epoch=2) == {2}, "the camera's process was replaced"
    assert tracks(stage, epoch=3) == {3}
    process = DetectorProcess(name="drive").resumed(StreamPosition(3, 4, last_track=3), 0)
    other = Detector(process)
    other.context = StageContext("detector/drive", "lossless")
    other.setup()
    assert tracks(other, epoch=4) == {4}, "the camera's and the detector's"


def test_a_detector_that_joins_within_an_epoch_uses_no_number_of_the_one_before() -> None:
    (track,) = tracks(start(max_faces=4), epoch=1, first=10)
    assert track == 41
