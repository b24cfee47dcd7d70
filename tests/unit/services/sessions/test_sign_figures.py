"""What faces say in figures: the same ones wherever they are told."""

from pathlib import Path
from typing import Any

import pytest

from affectline.common.wire.face_signs import Blink, FaceSigns
from affectline.common.wire.messages import Emotion
from affectline.services.sessions.run_summary import summarize_run
from affectline.services.sessions.sign_figures import SignFigures, sign_lines
from affectline.services.sessions.sign_series import DoubtStretch, SignSeries
from affectline.services.sessions.stream_stats import StreamSummary
from tests.samples import AT, EMOTION

STEP = 40_000_000


def figures(*faces: FaceSigns) -> SignFigures:
    found = SignFigures()
    for face in faces:
        found.add(face, STEP)
    return found


def an_open_minute() -> list[FaceSigns]:
    """A minute at 25 frames a second: open eyes, 15 blinks, PERCLOS from the 20th second on."""
    return [
        FaceSigns(
            eye_opening_left=1.0,
            blink=Blink(at=AT, duration_ms=100.0 + i % 3) if i % 100 == 0 else None,
            perclos=i / 15_000 if i >= 500 else None, gaze="ahead" if i % 4 else "left",
            doubts=("speaking",) if i < 300 else (),
        )
        for i in range(1500)
    ]  # fmt: skip


def test_blinks_are_counted_by_the_time_of_seen_eyes() -> None:
    found = figures(*an_open_minute(), *[FaceSigns(eyes_unknown="looking_down")] * 1500)
    told = found.to_dict()
    assert told is not None
    assert (told["blinks"], told["blinks_per_minute"], told["eyes_seen_s"]) == (15, 15.0, 60.0)
    assert told["blink_median_ms"] == 101
    assert told["doubts"] == {"speaking": 300}
    assert told["doubted_share"] == 0.1
    assert told["eyes_unknown"] == {"looking_down": 1500}
    assert told["gazes"] == {"left": 375, "ahead": 1125}
    assert told["perclos_highest"] == pytest.approx(0.0999, abs=1e-3)
    assert sign_lines(told) == {
        "doubted faces": "10% (300 speaking)",
        "blinks": "15.0 a minute, median 101 ms",
        "PERCLOS, mean": "6.7%, at most 10.0%",
    }


def test_eyes_that_are_still_learnt_are_seen() -> None:
    learning = FaceSigns(eyes_unknown="learning")
    assert figures(*[learning] * 50, *an_open_minute()[:25]).eyes_seen_ns == 75 * STEP


@pytest.mark.parametrize("rate", [2, 6, 8])
def test_too_few_frames_a_second_have_no_blinks_instead_of_none(rate: float) -> None:
    found = SignFigures()
    for number in range(round(60 * rate)):
        jitter = number % 2 * 20_000_000
        found.add(FaceSigns(eye_opening_left=1.0), round(1e9 / rate) - 10_000_000 + jitter)
    told = found.to_dict()
    assert told is not None
    assert (told["blinks"], told["blinks_per_minute"], told["blink_median_ms"]) == (None,) * 3
    assert told["eyes_seen_s"] < 0.2
    assert told["eyes_too_slow_s"] == pytest.approx(60, abs=1)
    assert sign_lines(told)["blinks"] == "unknown: needs 9 frames a second"
    merged = SignFigures().merge([found, figures(*an_open_minute())])
    assert merged.blinks_per_minute == pytest.approx(15, abs=0.1)


def test_single_frames_that_are_missing_cost_no_time() -> None:
    found = SignFigures()
    for number in range(1500):
        found.add(FaceSigns(eye_opening_left=1.0), STEP * (1 + 4 * (number % 10 == 5)))
    assert found.eyes_seen_ns == STEP * (1500 + 4 * 150)


def test_photographs_have_no_time() -> None:
    stream = StreamSummary()
    for seq in range(40):
        at = AT + seq * 1_000_000_000
        stream.add(EMOTION.model_copy(update={"seq": seq, "captured_at": at, "file": "a.jpg"}))
    assert (stream.signs.eyes_seen_ns, stream.signs.eyes_too_slow_ns) == (0, 0)


def test_a_few_seconds_have_no_rate() -> None:
    found = figures(*an_open_minute()[:250]).to_dict()
    assert found is not None
    assert (found["blinks"], found["blinks_per_minute"], found["perclos_mean"]) == (3, None, None)
    assert sign_lines(found)["blinks"] == "3 in 10 s, median 101 ms"


def test_where_nobody_measured_there_are_no_figures() -> None:
    assert figures(*[FaceSigns()] * 9).to_dict() is None
    assert sign_lines(None) == {}
    assert StreamSummary().describe()["signs"] is None


def test_a_run_has_those_of_all_streams_and_the_summary_of_before_is_read() -> None:
    stream = StreamSummary()
    for seq in range(3):
        stream.add(EMOTION.model_copy(update={"seq": seq, "captured_at": AT + seq * STEP}))
    assert stream.signs.eyes_seen_ns == 2 * STEP
    saved = stream.model_dump()
    content: dict[str, Any] = {"streams": {}, "files": [], "checkpoint": {"streams": {
        "front": saved, "rear": saved,
    }}}  # fmt: skip
    result = summarize_run(content, Path("s"), 1.0)
    assert result["signs"]["doubts"] == {"speaking": 6}
    assert result["signs"]["blinks"] == 6
    former = {name: value for name, value in saved.items() if name != "signs"}
    assert StreamSummary.model_validate(former).signs == SignFigures()


def test_doubts_last_until_the_next_frame_but_not_over_gaps() -> None:
    series = SignSeries()
    late = 60 * 10**9
    for at, doubts in (
        (0, ()), (STEP, ("dark",)), (2 * STEP, ("dark", "blurred")), (3 * STEP, ()),
        (4 * STEP, ("dark",)), (late, ()),
    ):  # fmt: skip
        series.add(FaceSigns(doubts=doubts), at)
    assert series.doubt_stretches() == [
        DoubtStretch(STEP, 3 * STEP), DoubtStretch(4 * STEP, 4 * STEP),
    ]  # fmt: skip
    assert series.doubt_stretches("blurred") == [DoubtStretch(2 * STEP, 3 * STEP)]
    assert not series.is_known("yaw", "perclos")


def test_emotions_of_the_example_have_signs() -> None:
    assert isinstance(EMOTION, Emotion)
    assert EMOTION.faces[0].doubts == ("speaking",)
