"""No face stays in a blurred recording."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from affectline.common.wire.messages import (
    Emotion,
    FaceEmotion,
    Frame,
    Marker,
    Packet,
    Quality,
    StreamEnd,
)
from affectline.services.recorder.anonymize import (
    LOOK_AHEAD,
    LOOK_AHEAD_NS,
    MAX_WAIT_NS,
    Anonymizer,
    decode_writable,
    pixelate,
)

SIZE = (160, 120)
QUALITY = Quality(size=40, blur=1.0, brightness=0.5)


def noise() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3)).astype(np.uint8)


def frame(seq: int) -> Packet:
    message = Frame(
        stream="s", epoch=1, seq=seq, captured_at=seq * 40_000_000, received_at=seq * 40_000_000,
        width=SIZE[0], height=SIZE[1], encoding="raw",
    )  # fmt: skip
    return Packet(message, (noise().tobytes(),))


def emotion(seq: int, *boxes: tuple[int, int, int, int], missing: bool = False) -> Packet:
    identity = frame(seq).message.identity  # type: ignore[attr-defined]
    faces = tuple(FaceEmotion(track=1, box=box, quality=QUALITY) for box in boxes)
    return Packet(
        Emotion(
            **identity, published_at=0, faces=faces, missing="behind" if missing else None
        )
    )  # fmt: skip


def pictures(anonymizer: Anonymizer, now: int, *, flush: bool = False) -> list[NDArray[np.uint8]]:
    found = []
    for packet, _ in anonymizer.pop_ready(now, flush=flush):
        if isinstance(packet.message, Frame):
            picture = decode_writable(packet.message, packet.parts[0])
            assert picture is not None
            found.append(picture)
    return found


def colours(part: NDArray[np.uint8]) -> int:
    return len(np.unique(part.reshape(-1, 3), axis=0))


def test_what_is_left_of_a_face_is_a_few_blocks() -> None:
    picture = noise()
    pixelate(picture, (50, 40, 40, 40))
    assert colours(picture[28:92, 38:102]) <= 36
    assert (picture[:28] == noise()[:28]).all(), "nothing else is touched"
    assert colours(picture[40:80, 50:90]) <= 25


@pytest.mark.parametrize(
    "box", [(-500, 0, 10, 10), (155, 115, 40, 40), (-20, -20, 60, 60), (0, 0, 0, 0)]
)
def test_boxes_beyond_the_picture(box: tuple[int, int, int, int]) -> None:
    picture = noise()
    pixelate(picture, box)
    assert picture.shape == (120, 160, 3)


def test_a_picture_waits_for_its_answer_and_some_later_ones() -> None:
    anonymizer = Anonymizer("lossless")
    anonymizer.add(frame(0), 0, 0)
    anonymizer.add(Packet(Marker(session="s", at=0, label="x")), 0, 0)
    assert list(anonymizer.pop_ready(1)) == []
    anonymizer.add(emotion(0), 2, 2)
    assert list(anonymizer.pop_ready(3)) == [], "its face may be found only in a later picture"
    for seq in range(1, LOOK_AHEAD + 1):
        anonymizer.add(frame(seq), seq, seq)
        anonymizer.add(emotion(seq, (50, 40, 40, 40)), seq, seq)
    first, *_ = anonymizer.pop_ready(10)
    picture = decode_writable(first[0].message, first[0].parts[0])  # type: ignore[arg-type]
    assert picture is not None
    assert colours(picture[40:80, 50:90]) <= 25, "a face found later is blurred backwards"
    assert colours(picture) > 1000


def test_a_face_that_is_lost_for_a_moment_stays_blurred() -> None:
    anonymizer = Anonymizer("lossless")
    for seq in range(40):
        anonymizer.add(frame(seq), 0, 0)
        anonymizer.add(emotion(seq, *(((50, 40, 40, 40),) if seq < 5 else ())), 0, 0)
    found = pictures(anonymizer, 0, flush=True)
    blurred = [colours(picture[40:80, 50:90]) <= 25 for picture in found]
    assert blurred == [True] * 30 + [False] * 10, "for a second"


@pytest.mark.parametrize("delivery", ["live", "lossless"])
def test_without_an_answer_all_of_it_is_blurred(delivery: str) -> None:
    anonymizer = Anonymizer(delivery)
    anonymizer.add(frame(0), 0, 0)
    assert pictures(anonymizer, MAX_WAIT_NS[delivery]) == []
    (picture,) = pictures(anonymizer, MAX_WAIT_NS[delivery] + 1)
    assert colours(picture) <= 144
    assert anonymizer.without_result == 1


def test_a_picture_that_was_skipped_is_blurred_wholly() -> None:
    anonymizer = Anonymizer("live")
    anonymizer.add(frame(0), 0, 0)
    anonymizer.add(emotion(0, missing=True), 0, 0)
    (picture,) = pictures(anonymizer, LOOK_AHEAD_NS + 1)
    assert colours(picture) <= 144


def test_the_order_stays_and_a_stream_s_end_waits_for_nothing() -> None:
    anonymizer = Anonymizer("lossless")
    anonymizer.add(frame(0), 1, 1)
    anonymizer.add(emotion(0), 2, 2)
    anonymizer.add(
        Packet(StreamEnd(stream="s", epoch=1, ended_at=0, received_at=0, last_seq=0, reason="end")),
        3,
        3,
    )
    kinds = [(type(p.message).__name__, arrived) for p, arrived in anonymizer.pop_ready(4)]
    assert kinds == [("Frame", 1), ("Emotion", 2), ("StreamEnd", 3)]


def test_a_clock_that_is_set_changes_neither_waiting_nor_what_is_written() -> None:
    anonymizer = Anonymizer("live")
    anonymizer.add(frame(0), 3600 * 10**9, 0)
    anonymizer.add(frame(1), 5, 1)
    assert list(anonymizer.pop_ready(MAX_WAIT_NS["live"])) == []
    ready = anonymizer.pop_ready(MAX_WAIT_NS["live"] + 2)
    assert [arrived for _, arrived in ready] == [3600 * 10**9, 5]


def test_jpeg_files_stay_jpeg_files_and_broken_ones_are_left_out() -> None:
    message = frame(0).message.model_copy(update={"encoding": "jpeg"})
    for data, count in ((cv2.imencode(".jpg", noise())[1].tobytes(), 1), (b"\xff\xd8nothing", 0)):
        anonymizer = Anonymizer("lossless")
        anonymizer.add(Packet(message, (data,)), 0, 0)
        assert len(pictures(anonymizer, 0, flush=True)) == count
