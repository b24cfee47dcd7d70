"""No face stays in a blurred recording: where one may be is not known, nothing is shown."""

from collections.abc import Iterable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.vision import anonymize
from affectline.common.vision.anonymize import (
    LOOK_AHEAD_NS,
    MOST_HELD_BYTES,
    PATIENCE_NS,
    SECOND,
    SILENCE_NS,
    Anonymizer,
    DetectorLimits,
)
from affectline.common.vision.pixelation import decode_writable
from affectline.common.wire.messages import (
    Box,
    Emotion,
    FaceEmotion,
    Frame,
    Marker,
    Packet,
    Quality,
    StreamEnd,
)

SIZE = (160, 120)
QUALITY = Quality(size=40, blur=1.0, brightness=0.5)
FACE: Box = (50, 40, 40, 40)
OTHER: Box = (5, 5, 20, 20)
AHEAD = DetectorLimits().look_ahead
INTERVAL = SECOND // 25
NOISE = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3)).astype(np.uint8)


def frame(
    seq: int, *, stream: str = "s", epoch: int = 1, at: int | None = None, file: str | None = None
) -> Packet:
    at = seq * INTERVAL if at is None else at
    message = Frame(
        stream=stream, epoch=epoch, seq=seq, captured_at=at, received_at=at, file=file,
        width=SIZE[0], height=SIZE[1], encoding="raw",
    )  # fmt: skip
    return Packet(message, (NOISE.tobytes(),))


def result(of: Packet, *boxes: Box, missing: bool = False) -> Packet:
    assert isinstance(of.message, Frame)
    tracks = {FACE: 1, OTHER: 2}
    faces = tuple(FaceEmotion(track=tracks.get(box, 1), box=box, quality=QUALITY) for box in boxes)
    return Packet(
        Emotion(
            **of.message.identity, published_at=0, faces=faces,
            missing="behind" if missing else None,
        )
    )  # fmt: skip


def end(last_seq: int, *, stream: str = "s", epoch: int = 1) -> Packet:
    return Packet(
        StreamEnd(
            stream=stream, epoch=epoch, ended_at=0, received_at=0, last_seq=last_seq, reason="end"
        )
    )


def add(anonymizer: Anonymizer, *packets: Packet, now: int = 0) -> None:
    for packet in packets:
        anonymizer.add(packet, now, now)


def add_all(
    anonymizer: Anonymizer, seqs: Iterable[int], *boxes: Box, interval: int = INTERVAL, **about: int
) -> None:
    for seq in seqs:
        one = frame(seq, at=seq * interval, **about)  # type: ignore[arg-type]
        add(anonymizer, one, result(one, *boxes), now=seq * interval)


def pop(anonymizer: Anonymizer, now: int = 0, *, flush: bool = False) -> dict[int, str]:
    """What is given by now, by seq: which faces are pixelated, or all of it."""
    found = {}
    while flush or anonymizer.is_ready(now):
        for packet, _ in anonymizer.pop_ready(now, flush=flush):
            if isinstance(packet.message, Frame):
                picture = decode_writable(packet.message, packet.parts[0])
                assert picture is not None
                found[packet.message.seq] = look_at(picture)
        if flush:
            break
    return found


def look_at(picture: NDArray[np.uint8]) -> str:
    corner = (picture[-10:, -10:] == NOISE[-10:, -10:]).all()
    if not corner:
        assert colours(picture) <= 3 * 4
        return "whole"
    hidden = [
        name
        for name, (x, y, w, h) in (("face", FACE), ("other", OTHER))
        if colours(picture[y : y + h, x : x + w]) <= 25
    ]
    return "+".join(hidden) or "nothing"


def colours(part: NDArray[np.uint8]) -> int:
    return len(np.unique(part.astype(np.uint32) @ (1, 256, 65536)))


@pytest.mark.parametrize("delivery", ["live", "lossless"])
def test_a_frame_waits_for_its_result_and_for_later_ones(delivery: str) -> None:
    anonymizer = Anonymizer(delivery)
    add(anonymizer, frame(0), Packet(Marker(session="s", at=0, label="x")))
    assert anonymizer.held == 2
    add(anonymizer, result(frame(0)))
    add_all(anonymizer, range(1, AHEAD), FACE)
    assert pop(anonymizer) == {}
    add_all(anonymizer, [AHEAD], FACE)
    assert pop(anonymizer) == {0: "whole"}, "a face is found later: it may have been there"
    assert anonymizer.held == 2 * AHEAD
    assert anonymizer.without_result == 1


def test_in_lossless_delivery_it_waits_however_long() -> None:
    anonymizer = Anonymizer("lossless")
    add_all(anonymizer, range(AHEAD), FACE)
    assert pop(anonymizer, 10**6 * SECOND) == {}
    add(anonymizer, end(AHEAD - 1))
    assert pop(anonymizer) == dict.fromkeys(range(AHEAD), "face"), "the stream's end releases it"
    assert anonymizer.held == 0


def test_an_end_releases_nothing_whose_results_are_still_to_come() -> None:
    anonymizer = Anonymizer("lossless")
    add(anonymizer, frame(0), frame(1), result(frame(0), FACE), end(1))
    assert pop(anonymizer) == {}
    add(anonymizer, result(frame(1), FACE))
    assert pop(anonymizer) == {0: "face", 1: "face"}


@pytest.mark.parametrize("rate", [2, 5, 25, 60, 240])
def test_the_look_ahead_is_one_in_results_and_in_time(rate: int) -> None:
    anonymizer = Anonymizer("lossless")
    interval = SECOND // rate
    add_all(anonymizer, range(300), FACE, interval=interval)
    given = pop(anonymizer)
    waiting = 300 - len(given)
    assert waiting == max(AHEAD, -(-LOOK_AHEAD_NS // interval))
    assert set(given.values()) == {"face"}


@pytest.mark.parametrize("rate", [2, 25, 120])
def test_while_a_face_is_out_of_sight_nothing_is_shown(rate: int) -> None:
    anonymizer = Anonymizer("lossless")
    interval = SECOND // rate
    add_all(anonymizer, range(10), FACE, OTHER, interval=interval)
    add_all(anonymizer, range(10, 300), OTHER, interval=interval)
    given = pop(anonymizer)
    behind = max(8, rate)
    expected = {seq: "whole" if 10 <= seq < 10 + behind else "other" for seq in given}
    assert given == expected | dict.fromkeys(range(10), "face+other")
    assert len(given) > 10 + behind, "for a second"


def test_a_face_that_is_missed_for_a_moment_is_on_its_way() -> None:
    anonymizer = Anonymizer("lossless")
    add_all(anonymizer, range(40), (50, 40, 20, 20))
    add_all(anonymizer, range(40, 45))
    add_all(anonymizer, range(45, 100), (70, 60, 20, 20))
    given = pop(anonymizer)
    missed = {given[seq] for seq in range(40, 45)}
    assert missed == {"face"}, "from one corner to the other"
    assert "whole" not in given.values()


def test_before_another_face_is_found_nothing_is_shown() -> None:
    anonymizer = Anonymizer("lossless")
    add_all(anonymizer, range(60), FACE)
    add_all(anonymizer, range(60, 120), FACE, OTHER)
    given = pop(anonymizer)
    entering = range(60 - AHEAD, 60)
    assert given == {
        seq: "whole" if seq in entering else "face" if seq < 60 else "face+other" for seq in given
    }
    assert len(given) == 120 - AHEAD


@pytest.mark.parametrize("delivery", ["live", "lossless"])
def test_where_no_face_is_known_all_of_it_is_pixelated(delivery: str) -> None:
    anonymizer = Anonymizer(delivery)
    add_all(anonymizer, range(100))
    given = pop(anonymizer)
    assert len(given) == 100 - AHEAD
    assert set(given.values()) == {"whole"}
    assert anonymizer.without_result == len(given)


def test_live_nobody_waits_for_what_does_not_come() -> None:
    anonymizer = Anonymizer("live")
    add(anonymizer, frame(0), result(frame(0), FACE))
    assert pop(anonymizer, SILENCE_NS) == {}
    assert pop(anonymizer, SILENCE_NS + 1) == {0: "whole"}, "no look-ahead in time"
    add(anonymizer, frame(1), result(frame(1), FACE), now=SILENCE_NS)
    for seq in range(2, PATIENCE_NS // INTERVAL + 2):
        add(anonymizer, frame(seq), now=SILENCE_NS)
    assert pop(anonymizer, SILENCE_NS) == {}
    add(anonymizer, frame(1000), now=SILENCE_NS)
    given = pop(anonymizer, SILENCE_NS)
    assert set(given.values()) == {"whole"}
    assert len(given) == PATIENCE_NS // INTERVAL + 1
    assert anonymizer.held == 1


def test_frames_that_were_not_analysed_are_pixelated_wholly() -> None:
    anonymizer = Anonymizer("live")
    for seq in range(120):
        one = frame(seq)
        boxes = () if seq % 3 else (FACE,)
        add(anonymizer, one, result(one, *boxes, missing=bool(seq % 3)))
    given = pop(anonymizer)
    assert len(given) == 120 - 3 * AHEAD
    assert all(what == ("whole" if seq % 3 else "face") for seq, what in given.items())


def test_a_result_that_never_comes_holds_up_nobody() -> None:
    anonymizer = Anonymizer("lossless")
    for seq in range(60):
        add(anonymizer, frame(seq), *([result(frame(seq), FACE)] if seq != 5 else []))
    given = pop(anonymizer)
    assert [seq for seq, what in given.items() if what == "whole"] == [5]
    assert len(given) == 60 - AHEAD


def test_results_may_come_late_out_of_order_and_twice() -> None:
    anonymizer = Anonymizer("lossless")
    add(anonymizer, *(frame(seq) for seq in range(40)))
    for seq in [*reversed(range(40)), *range(40)]:
        add(anonymizer, result(frame(seq), FACE))
    assert pop(anonymizer) == dict.fromkeys(range(40 - AHEAD), "face")


def test_who_joins_in_the_middle_knows_no_past() -> None:
    anonymizer = Anonymizer("lossless")
    add_all(anonymizer, range(100, 200), FACE)
    given = pop(anonymizer)
    first = next(seq for seq, what in given.items() if what == "face")
    assert first * INTERVAL - 100 * INTERVAL > SECOND, "a face may have been lost before"
    assert {what for seq, what in given.items() if seq < first} == {"whole"}
    assert {what for seq, what in given.items() if seq >= first} == {"face"}


def test_who_continues_a_recording_knows_its_past() -> None:
    anonymizer = Anonymizer("lossless")
    for seq in range(60, 100):
        anonymizer.remember(result(frame(seq), FACE).message, 0)
        anonymizer.remember(frame(seq).message, 0)
    add_all(anonymizer, range(100, 150), FACE)
    assert pop(anonymizer) == dict.fromkeys(range(100, 150 - AHEAD), "face")


def test_while_the_detector_was_away_faces_may_have_come() -> None:
    anonymizer = Anonymizer("live")
    add_all(anonymizer, range(50), FACE)
    add(anonymizer, *(frame(seq) for seq in range(50, 80)))
    add_all(anonymizer, range(80, 180), FACE)
    given = pop(anonymizer)
    whole = [seq for seq, what in given.items() if what == "whole"]
    assert whole == list(range(50 - AHEAD, 80 + 26)), "also before, and for a second after"
    assert max(given) == 180 - AHEAD - 1


def test_an_epoch_is_a_beginning_and_ends_the_one_before() -> None:
    anonymizer = Anonymizer("lossless")
    add_all(anonymizer, range(30), FACE)
    add_all(anonymizer, range(30), FACE, epoch=2)
    given = [
        (packet.message.epoch, packet.message.seq)
        for packet, _ in anonymizer.pop_ready(0)
        if isinstance(packet.message, Frame)
    ]
    assert given == [(1, seq) for seq in range(30)] + [(2, seq) for seq in range(30 - AHEAD)]
    assert anonymizer.without_result == AHEAD, "they lack what came after"
    add(anonymizer, frame(29), result(frame(29)), frame(30))  # too late
    anonymizer = Anonymizer("lossless")
    add_all(anonymizer, range(30), FACE, epoch=2)
    add(anonymizer, frame(31), result(frame(31), FACE))
    assert pop(anonymizer, flush=True)[31] == "whole"


def test_streams_have_faces_of_their_own_and_keep_their_common_order() -> None:
    anonymizer = Anonymizer("lossless")
    order = []
    for seq in range(60):
        for stream, box in (("a", FACE), ("b", OTHER)):
            one = frame(seq, stream=stream)
            add(anonymizer, one, result(one, box))
            order.append((stream, seq))
    given = {}
    while anonymizer.is_ready(0):
        for packet, _ in anonymizer.pop_ready(0):
            if isinstance(packet.message, Frame):
                picture = decode_writable(packet.message, packet.parts[0])
                assert picture is not None
                given[packet.message.stream, packet.message.seq] = look_at(picture)
    assert list(given) == order[: len(given)]
    assert {what for (stream, _), what in given.items() if stream == "a"} == {"face"}
    assert {what for (stream, _), what in given.items() if stream == "b"} == {"other"}


def test_pictures_are_judged_each_by_itself() -> None:
    anonymizer = Anonymizer("lossless")
    boxes = {"a.jpg": (OTHER,), "b.jpg": (), "c.jpg": (OTHER,), "d.jpg": (FACE,)}
    for seq, (file, found) in enumerate(boxes.items()):
        one = frame(seq, file=file)
        add(anonymizer, one, result(one, *found))
    expected = {0: "other", 1: "whole", 2: "other", 3: "whole"}
    assert pop(anonymizer) == expected, "nothing is left beside a large face"
    one = frame(4, file="e.jpg")
    add(anonymizer, one, result(one, missing=True), frame(5, file="f.jpg"))
    assert pop(anonymizer) == {4: "whole"}, "the next one waits for its result"


def test_in_a_picture_a_part_of_a_face_may_be_taken_for_all_of_it() -> None:
    anonymizer = Anonymizer("lossless")
    one = frame(0, file="a.jpg")
    add(anonymizer, one, result(one, (40, 40, 12, 12)))
    ((packet, _), _) = anonymizer.pop_ready(0)
    picture = decode_writable(one.message, packet.parts[0])  # type: ignore[arg-type]
    assert picture is not None
    assert colours(picture[28:64, 28:64]) <= 16
    assert (picture[-30:] == NOISE[-30:]).all()


def test_a_detector_that_reports_all_it_may_has_perhaps_left_out_some() -> None:
    limits = DetectorLimits(max_faces=2)
    anonymizer = Anonymizer("lossless", limits)
    add_all(anonymizer, range(30), FACE)
    add_all(anonymizer, range(30, 31), FACE, OTHER)
    add_all(anonymizer, range(31, 90), FACE)
    given = pop(anonymizer)
    whole = [seq for seq, what in given.items() if what == "whole"]
    assert whole == list(range(30 - AHEAD, 30 + 26))


def test_limits_are_those_of_the_settings() -> None:
    default = PipelineSettings()
    assert DetectorLimits.of(default.describe()) == DetectorLimits()
    assert DetectorLimits.of({}) == DetectorLimits()
    changed = default.detector.model_copy(update={"scan_interval": 20, "max_faces": 1})
    about = default.model_copy(update={"detector": changed}).describe()
    assert DetectorLimits.of(about) == DetectorLimits(look_ahead=60, max_faces=1)


@pytest.mark.parametrize("jump", [-3600 * SECOND, 3600 * SECOND])
def test_a_clock_that_is_set_shows_no_face(jump: int) -> None:
    anonymizer = Anonymizer("live")
    for seq in range(150):
        one = frame(seq, at=4000 * SECOND + seq * INTERVAL + (jump if seq >= 70 else 0))
        boxes = (FACE,) if seq < 65 else (OTHER,)
        add(anonymizer, one, result(one, *boxes))
    given = pop(anonymizer)
    assert len(given) == 150 - AHEAD
    assert set(given.values()) <= {"face", "other", "whole"}
    assert all(given[seq] in ("face", "whole") for seq in range(65))
    assert given[120] == "other", "and it goes on as before"


def test_what_is_kept_does_not_grow() -> None:
    anonymizer = Anonymizer("lossless")
    add_all(anonymizer, [0], FACE)
    history = anonymizer._histories["s", 1]
    for first in range(1, 1000, 20):
        add_all(anonymizer, range(first, first + 20), FACE)
        list(anonymizer.pop_ready(0, flush=True))
    assert len(history._results) < 200
    for seq in range(1001, 3000):
        add(anonymizer, result(frame(seq), missing=True))
    assert len(history._unanalysed) < 200


def test_one_call_works_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    anonymizer = Anonymizer("lossless")
    add_all(anonymizer, range(100), FACE)
    monkeypatch.setattr(anonymize, "WORK_NS", -1)
    given = [packet for packet, _ in anonymizer.pop_ready(0)]
    assert len(given) == 1, "one at least, or nothing would ever come out"
    assert anonymizer.is_ready(0)
    assert anonymizer.held == 199


def test_images_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_HELD_BYTES > 40 * 1920 * 1080 * 3
    monkeypatch.setattr(anonymize, "MOST_HELD_BYTES", 10 * SIZE[0] * SIZE[1] * 3)
    anonymizer = Anonymizer("lossless")
    add(anonymizer, *(frame(seq) for seq in range(15)))
    assert pop(anonymizer) == dict.fromkeys(range(5), "whole")


def test_images_stay_jpeg_files_and_broken_ones_become_gray() -> None:
    message = frame(0).message.model_copy(update={"encoding": "jpeg"})
    for data in (cv2.imencode(".jpg", NOISE)[1].tobytes(), b"\xff\xd8nothing", b""):
        anonymizer = Anonymizer("lossless")
        add(anonymizer, Packet(message, (data,)))
        ((packet, _),) = anonymizer.pop_ready(0, flush=True)
        picture = decode_writable(packet.message, packet.parts[0])  # type: ignore[arg-type]
        assert picture is not None
        assert picture.shape == NOISE.shape
    huge = message.model_copy(update={"width": 65535, "height": 65535})
    add(anonymizer, Packet(huge, (b"",)))
    ((packet, _),) = anonymizer.pop_ready(0, flush=True)
    assert packet.message == huge, "it has its place, and holds up no source"


def test_this_process_itself_gets_raw_images() -> None:
    anonymizer = Anonymizer("lossless", as_raw=True)
    message = frame(0).message.model_copy(update={"encoding": "jpeg"})
    add(anonymizer, Packet(message, (cv2.imencode(".jpg", NOISE)[1].tobytes(),)))
    ((packet, _),) = anonymizer.pop_ready(0, flush=True)
    assert isinstance(packet.message, Frame)
    assert packet.message.encoding == "raw"
    assert len(packet.parts[0]) == NOISE.size
