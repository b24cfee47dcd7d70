"""A picture and its answer go out together, untouched."""

import json
from typing import Any

from affectline.common.wire.messages import Emotion, Frame, Packet
from affectline.services.web.frame_pairs import BLIND_S, FRAMES_KEPT, FrameMatcher
from tests.samples import EMOTION, FRAME

JPEG = b"\xff\xd8 no decoder would take this \xff\xd9"


def frame(seq: int) -> Packet:
    return Packet(FRAME.model_copy(update={"seq": seq}), (JPEG + bytes([seq]),))


def emotion(seq: int, **changes: Any) -> Emotion:
    return EMOTION.model_copy(update={"seq": seq, **changes})


def test_an_answer_meets_its_own_frame_whatever_came_between() -> None:
    pairing = FrameMatcher()
    for seq in (1, 2, 3):
        pairing.keep(frame(seq))
    found = [pairing.match(emotion(seq)) for seq in (2, 3, 1)]
    assert [pair and pair.picture[-1] for pair in found] == [2, 3, 1]
    assert pairing.match(emotion(2)) is None, "shown once"


def test_an_answer_of_another_epoch_meets_nothing() -> None:
    pairing = FrameMatcher()
    pairing.keep(frame(1))
    assert pairing.match(emotion(1, epoch=EMOTION.epoch + 1)) is None


def test_the_picture_goes_through_byte_for_byte() -> None:
    pairing = FrameMatcher()
    pairing.keep(frame(7))
    pair = pairing.match(emotion(7))
    assert pair is not None
    message = pair.serialise()
    length = int.from_bytes(message[:4], "big")
    about = json.loads(message[4 : 4 + length])
    assert message[4 + length :] == JPEG + b"\x07"
    assert (about["stream"], about["seq"], about["size"]) == ("drive", 7, [640, 360])
    first, second = about["faces"]
    assert abs(sum(first["probabilities"]) - 1) < 1e-3
    assert (first["label"], first["box"]) == ("happy", [145, 30, 135, 135])
    assert (second["missing"], second["probabilities"]) == ("stale", None)
    assert length < 1000


def test_frames_that_nobody_looked_at_are_left_out_for_a_while() -> None:
    now = 100.0
    pairing = FrameMatcher(lambda: now)
    for seq in range(4):
        pairing.keep(frame(seq))
    assert pairing.match(emotion(0))
    assert pairing.match(emotion(1, missing="behind", faces=())) is None
    now += BLIND_S
    assert pairing.match(emotion(2, missing="behind", faces=()))


def test_frames_without_an_answer_do_not_pile_up() -> None:
    pairing = FrameMatcher()
    for seq in range(FRAMES_KEPT + 1):
        pairing.keep(frame(seq))
    assert pairing.match(emotion(0)) is None
    assert pairing.match(emotion(1))


def test_the_rate_is_that_of_the_answers() -> None:
    now = 0.0
    pairing = FrameMatcher(lambda: now)
    for seq in range(51):
        now = seq / 25
        pairing.keep(frame(seq))
        pair = pairing.match(emotion(seq))
    assert pair is not None
    assert round(pair.rate) == 25


def test_a_recording_without_pictures_shows_its_boxes_all_the_same() -> None:
    pairing = FrameMatcher()
    pairs = [pairing.match(emotion(seq)) for seq in range(FRAMES_KEPT + 1)]
    assert not any(pairs[:-1])
    assert pairs[-1] is not None
    assert pairs[-1].jpeg() == b""


def test_raw_pictures_are_made_into_jpeg_files() -> None:
    raw = Frame(**FRAME.identity | {"width": 4, "height": 2}, encoding="raw")
    pairing = FrameMatcher()
    pairing.keep(Packet(raw, (bytes(4 * 2 * 3),)))
    pair = pairing.match(emotion(7, width=4, height=2))
    assert pair is not None
    assert pair.jpeg().startswith(b"\xff\xd8")
