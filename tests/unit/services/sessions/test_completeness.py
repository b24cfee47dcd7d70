"""What a recording lacks, in plain words."""

from typing import Any

import pytest

from affectline.common.clock import ClockStep
from affectline.common.recording.content import RecordingContent
from affectline.common.recording.holes import Hole, Reason, Sequence
from affectline.services.sessions.completeness import (
    REASONS,
    clock_sentences,
    complete_by_summary,
    describe_content,
    format_moment,
    missing_sentences,
    number_sentences,
    sequence_lines,
)

SECOND = 1_000_000_000
ZERO = 1_795_445_587 * SECOND


def at(seconds: float) -> int:
    return ZERO + round(seconds * SECOND)


def hole(first: int, last: int, reason: Reason, *, begin: float = 14.2, end: float = 14.9) -> Hole:
    return Hole(first, last, last - first + 1, reason, at(begin), at(end))


def lacking(*holes: Hole, last: int = 471, **more: Any) -> RecordingContent:
    sequence = Sequence("Frame", "drive", 1, 0, last, list(holes))
    return RecordingContent([sequence], is_known=True, **more)


def test_an_interruption_in_words() -> None:
    content = lacking(hole(340, 351, "interrupted"))
    text = "12 of 472 frames of drive are missing: the recorder was down from 0:14.2 to 0:14.9"
    assert list(missing_sentences(content, ZERO)) == [text]
    assert list(sequence_lines(content, ZERO)) == [
        ("frames of drive", "460 of 472; 12 missing: the recorder was down from 0:14.2 to 0:14.9")
    ]
    assert list(number_sentences(content, ZERO, explained=False)) == []
    assert list(number_sentences(content, ZERO, explained=True)) == [
        "12 frames of drive are missing (seq 340 to 351): "
        "the recorder was down from 0:14.2 to 0:14.9"
    ]


def test_several_reasons_are_counted_each() -> None:
    content = lacking(hole(3, 3, "live"), hole(5, 6, "gone"), hole(9, 9, ""))
    (text,) = missing_sentences(content, ZERO)
    assert text.startswith("4 of 472 frames of drive are missing: 1 because live delivery does")
    assert "; 2 because the recorder wrote them, and they are no longer in the file, " in text
    assert text.endswith("; 1 for an unknown reason, from 0:14.2 to 0:14.9")
    (unexplained,) = number_sentences(content, ZERO, explained=False)
    assert unexplained.startswith("3 frames of drive are missing (seq 5 to 6, 9): ")


def test_one_is_not_several() -> None:
    (text,) = missing_sentences(lacking(hole(3, 3, "live")), ZERO)
    assert text.startswith("1 of 472 frames of drive is missing: live delivery")


def test_many_holes_are_not_all_named() -> None:
    holes = [hole(2 * i, 2 * i, "", begin=i, end=i + 0.1) for i in range(9)]
    (text,) = number_sentences(lacking(*holes), ZERO, explained=False)
    assert "(seq 0, 2, 4, 6, 8, and 4 more ranges): the reason is unknown, from 0:00.0 to" in text
    assert text.endswith("4 times more")


def test_what_an_old_recording_lacks_nobody_knows() -> None:
    (text,) = missing_sentences(lacking(hole(1, 2, ""), is_noted=False), ZERO)
    assert "an older recorder took no notes" in text


def test_edges_that_are_not_known() -> None:
    holes = [Hole(0, 1, 2, "gone", None, at(1)), Hole(9, 9, 1, "gone", at(2), None)]
    (text,) = missing_sentences(lacking(*holes), ZERO)
    assert text.endswith(", before 0:01.0, from 0:02.0 on")
    (text,) = missing_sentences(lacking(Hole(0, 9, 10, "interrupted", None, None)), ZERO)
    assert text.endswith("the recorder was down")


def test_a_stream_of_several_epochs_is_one() -> None:
    first, second = (Sequence("Samples", "anna/heart_rate", epoch, 0, 9) for epoch in (1, 2))
    second.holes.append(hole(4, 4, "live"))
    content = RecordingContent([first, second], is_known=True)
    (text,) = missing_sentences(content, ZERO)
    assert text.startswith("1 of 20 messages of anna heart_rate is missing")


def test_what_nobody_knows_is_said() -> None:
    content = RecordingContent([Sequence("Frame", "drive", 1, 0, 9, open_since=at(3))])
    assert list(missing_sentences(content, ZERO)) == [
        "frames of drive after 0:03.0 may be missing: the recorder was down from then on"
    ]


def test_a_clock_in_words() -> None:
    steps = [ClockStep(at(0), at(3600)), ClockStep(at(0), at(-0.25))]
    forward, back = clock_sentences(RecordingContent(clock_steps=steps))
    assert forward.startswith("the clock was set forward by 1:00:00.0 at 2026-11-")
    assert back.startswith("the clock was set back by 0:00.2 at 2026-11-")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00.0"), (14.23, "0:14.2"), (59.96, "1:00.0"), (3600, "1:00:00.0"),
     (-1.5, "-0:01.5"), (-0.01, "0:00.0"), (36_061, "10:01:01.0")],
)  # fmt: skip
def test_moments(seconds: float, text: str) -> None:
    assert format_moment(seconds) == text


def test_the_tables_beside_a_recording_tell_what_came_after_its_end() -> None:
    content = lacking(last=99)
    streams = {"drive": {"epoch": 1, "next_seq": 120}, "other": {"epoch": 1, "next_seq": 5}}
    complete_by_summary(content, {"checkpoint": {"streams": streams}}, "ended")
    (sequence,) = content.sequences
    assert sequence.holes == [Hole(100, 119, 20, "ended", None, None)]
    assert (sequence.expected, content.unexplained) == (120, 0)
    later = {"drive": {"epoch": 3, "next_seq": 4}}
    complete_by_summary(content, {"checkpoint": {"streams": later}}, "")
    assert (content.missing, content.unexplained) == (24, 4)


@pytest.mark.parametrize(
    "streams", [[], {"drive": {}}, {"drive": {"epoch": 1, "next_seq": "x"}},
                {"drive": {"epoch": 1, "next_seq": 100}}],
)  # fmt: skip
def test_tables_that_tell_nothing_more(streams: Any) -> None:
    content = lacking(last=99)
    for session in (None, {}, {"checkpoint": {"streams": streams}}):
        complete_by_summary(content, session, "ended")
    assert content.missing == 0


def test_what_was_not_read_is_not_known() -> None:
    described = describe_content(RecordingContent(), ZERO)
    assert (described["missing"], described["unexplained"]) == (None, None)


def test_every_reason_has_words() -> None:
    assert set(REASONS) == set(Reason.__args__)  # type: ignore[attr-defined]
