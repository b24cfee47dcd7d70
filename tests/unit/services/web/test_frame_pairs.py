"""A picture and its answer go out together, untouched."""

import json
from typing import Any

from affectline.common.labels import LABELS
from affectline.common.wire.messages import Emotion, Frame, Packet
from affectline.services.web.frame_pairs import FRAMES_KEPT, UNANALYSED_S, FrameMatcher
from tests.samples import EMOTION, FRAME

JPEG = b"\xff\xd8 no decoder would take this \xff\xd9"


def frame(seq: int) -> Packet:
    return Packet(FRAME.model_copy(update={"seq": seq}), (JPEG + bytes([seq]),))


def emotion(seq: int, **changes: Any) -> Emotion:
    return EMOTION.model_copy(update={"seq": seq, **changes})


def test_an_answer_meets_its_own_frame_whatever_came_between() -> None:
    matcher = FrameMatcher()
    for seq in (1, 2, 3):
        matcher.add_frame(frame(seq))
    found = [matcher.match(emotion(seq)) for seq in (2, 3, 1)]
    assert [result and result.payload[-1] for result in found] == [2, 3, 1]
    assert matcher.match(emotion(2)) is None, "shown once"


def test_an_answer_of_another_epoch_meets_nothing() -> None:
    matcher = FrameMatcher()
    matcher.add_frame(frame(1))
    assert matcher.match(emotion(1, epoch=EMOTION.epoch + 1)) is None


def test_the_picture_goes_through_byte_for_byte() -> None:
    matcher = FrameMatcher()
    matcher.add_frame(frame(7))
    result = matcher.match(emotion(7))
    assert result is not None
    message = result.serialise()
    length = int.from_bytes(message[:4], "big")
    about = json.loads(message[4 : 4 + length])
    assert message[4 + length :] == JPEG + b"\x07"
    assert (about["stream"], about["seq"], about["size"]) == ("drive", 7, [640, 360])
    first, second = about["faces"]
    assert abs(sum(first["probabilities"]) - 1) < 1e-3
    assert (first["label"], first["box"]) == ("happy", [145, 30, 135, 135])
    assert (second["missing"], second["probabilities"]) == ("stale", None)
    assert first["confidence"] == first["probabilities"][LABELS.index("happy")]
    assert (first["valence"], first["arousal"]) == (0.712, 0.491)
    assert (first["doubts"], second["doubts"]) == (["speaking"], [])
    assert "frame_probabilities" not in first, "bars, label and curves go by one distribution"
    assert length < 1000


def test_frames_that_nobody_looked_at_are_left_out_for_a_while() -> None:
    now = 100.0
    matcher = FrameMatcher(lambda: now)
    for seq in range(4):
        matcher.add_frame(frame(seq))
    assert matcher.match(emotion(0))
    assert matcher.match(emotion(1, missing="behind", faces=())) is None
    now += UNANALYSED_S
    assert matcher.match(emotion(2, missing="behind", faces=()))


def test_frames_without_an_answer_do_not_pile_up() -> None:
    matcher = FrameMatcher()
    for seq in range(FRAMES_KEPT + 1):
        matcher.add_frame(frame(seq))
    assert matcher.match(emotion(0)) is None
    assert matcher.match(emotion(1))


def test_the_rate_is_that_of_the_answers() -> None:
    now = 0.0
    matcher = FrameMatcher(lambda: now)
    for seq in range(51):
        now = seq / 25
        matcher.add_frame(frame(seq))
        result = matcher.match(emotion(seq))
    assert result is not None
    assert round(result.rate) == 25


def test_a_recording_without_pictures_shows_its_boxes_all_the_same() -> None:
    matcher = FrameMatcher()
    results = [matcher.match(emotion(seq)) for seq in range(FRAMES_KEPT + 1)]
    assert not any(results[:-1])
    assert results[-1] is not None
    assert results[-1].jpeg() == b""


def test_raw_pictures_are_made_into_jpeg_files() -> None:
    raw = Frame(**FRAME.identity | {"width": 4, "height": 2}, encoding="raw")
    matcher = FrameMatcher()
    matcher.add_frame(Packet(raw, (bytes(4 * 2 * 3),)))
    result = matcher.match(emotion(7, width=4, height=2))
    assert result is not None
    assert result.jpeg().startswith(b"\xff\xd8")
