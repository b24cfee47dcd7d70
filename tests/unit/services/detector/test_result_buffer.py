"""Every frame gets exactly one answer, in order."""

import pytest

from affectline.common.wire.messages import Emotion, Faces, Frame, Packet, Resend, Scores
from affectline.services.detector.result_buffer import (
    CACHE_SIZE,
    MAX_PATIENCE_S,
    PATIENCE_S,
    ResultBuffer,
)
from tests.samples import EPOCH, FACES, FRAME, HAPPY

SECOND = 1_000_000_000


def faces(seq: int, count: int = 1) -> Packet[Faces]:
    update = {"seq": seq, "faces": FACES.faces * count, "media_time": seq * 40_000_000}
    return Packet(FACES.model_copy(update=update), (b"x", b"y") * count)


def frame(seq: int) -> Frame:
    return FRAME.model_copy(update={"seq": seq})


def scores(seq: int, count: int = 1, missing: str | None = None) -> Scores:
    return Scores(
        stream="drive", epoch=EPOCH, seq=seq, classified_at=5, model="m",
        distributions=() if missing else (HAPPY,) * count, missing=missing,  # type: ignore[arg-type]
    )  # fmt: skip


def published(results: ResultBuffer) -> list[Emotion]:
    return [p.message for p in results.publish(now=9) if isinstance(p.message, Emotion)]


def test_answers_wait_for_the_ones_before() -> None:
    results = ResultBuffer(lossless=True)
    for seq in range(3):
        results.add(faces(seq), now=0)
    for seq in (2, 1):
        assert results.resolve(scores(seq))
        assert published(results) == []
    assert results.resolve(scores(0))
    assert [e.seq for e in published(results)] == [0, 1, 2]
    assert published(results) == []


def test_a_frame_without_a_face_needs_no_classifier() -> None:
    results = ResultBuffer(lossless=True)
    results.add(faces(0, count=0), now=0)
    (answer,) = published(results)
    assert (answer.faces, answer.missing, answer.classified_at) == ((), None, None)
    assert answer.detected_at == FACES.detected_at


def test_an_answer_holds_what_the_classifier_and_the_detector_said() -> None:
    results = ResultBuffer(lossless=True)
    results.add(faces(0), now=0)
    results.resolve(scores(0))
    (answer,) = published(results)
    (face,) = answer.faces
    assert (face.label, face.confidence, face.probabilities) == ("happy", 0.9, HAPPY)
    assert face.probabilities == pytest.approx(HAPPY)
    assert (face.box, face.angle) == (FACES.faces[0].box, FACES.faces[0].angle)
    assert (answer.captured_at, answer.classified_at) == (FRAME.captured_at, 5)


def test_lossless_asks_again_ever_more_patiently() -> None:
    results = ResultBuffer(lossless=True)
    results.add(faces(0), now=0)
    wait, now = PATIENCE_S["lossless"], 0.0
    for _ in range(6):
        assert list(results.overdue(int((now + wait - 0.01) * SECOND))) == []
        now += wait
        assert list(results.overdue(int(now * SECOND))) == [faces(0)]
        wait = min(2 * wait, MAX_PATIENCE_S)
    results.resolve(scores(0))
    assert list(results.overdue(int(1e6 * SECOND))) == []


def test_live_gives_up_and_says_why() -> None:
    results = ResultBuffer(lossless=False)
    results.add(faces(0), now=0)
    assert list(results.overdue(int(PATIENCE_S["live"] * SECOND))) == []
    (answer,) = published(results)
    assert answer.faces[0].missing == "unanswered"
    assert answer.faces[0].probabilities is None
    assert results.resolve(scores(0)), "late is not invalid"
    assert published(results) == []


def test_skipped_frames_are_answered_in_their_place() -> None:
    results = ResultBuffer(lossless=False)
    results.add(faces(0), now=0)
    results.skip(frame(1), "behind")
    assert published(results) == []
    results.resolve(scores(0, missing="stale"))
    first, second = published(results)
    assert (first.faces[0].missing, first.missing) == ("stale", None)
    assert (second.missing, second.faces, second.detected_at) == ("behind", (), None)


def test_scores_that_do_not_fit_are_refused() -> None:
    results = ResultBuffer(lossless=True)
    results.add(faces(0, count=2), now=0)
    assert not results.resolve(scores(0, count=1))
    assert not results.resolve(scores(5))
    assert results.resolve(scores(0, count=2))


def test_the_second_of_two_answers_changes_nothing() -> None:
    results = ResultBuffer(lossless=True)
    results.add(faces(0), now=0)
    results.resolve(scores(0))
    other = scores(0).model_copy(update={"model": "other"})
    assert results.resolve(other)
    assert published(results)[0].model == "m"
    assert results.resolve(other)
    assert published(results) == []


def test_answers_are_kept_for_who_missed_them() -> None:
    results = ResultBuffer(lossless=True)
    for seq in range(CACHE_SIZE + 10):
        results.add(faces(seq, count=0), now=0)
    published(results)
    wanted = Resend(stream="drive", epoch=EPOCH, first_seq=0, last_seq=20)
    again = [p.message for p in results.repeat(wanted, 0)]
    assert [e.seq for e in again if isinstance(e, Emotion)] == list(range(10, 21))
    assert results.is_known(frame(15))
    kept = results.cached_result(frame(15))
    assert kept is not None
    assert isinstance(kept.message, Emotion)
    assert not isinstance(kept.message, Faces)
    assert results.cached_result(frame(3)) is None


def test_a_flood_of_requests_is_answered_four_times_a_second() -> None:
    results = ResultBuffer(lossless=True)
    for seq in range(20):
        results.add(faces(seq, count=0), now=0)
    published(results)
    wanted = Resend(stream="drive", epoch=EPOCH, first_seq=0, last_seq=9)
    more = Resend(stream="drive", epoch=EPOCH, first_seq=5, last_seq=14)
    assert len(results.repeat(wanted, 0)) == 10
    assert results.repeat(wanted, 1) == []
    assert len(results.repeat(more, 2)) == 5
    second = 10**9
    flood = [len(results.repeat(wanted, second + i * second // 1000)) for i in range(1000)]
    assert sum(flood) == 40
