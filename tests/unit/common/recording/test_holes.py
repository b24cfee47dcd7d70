"""What a recording lacks, and what tells why."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectline.common.recording.holes import (
    MOST_LISTED,
    Hole,
    Sequence,
    SequenceTracker,
    compare,
    parse_content,
    to_content,
)

MS = 1_000_000
EPOCH = 1_795_445_587_000
START = EPOCH * MS
STEP = 40 * MS


class Story:
    """A recording, told message by message."""

    def __init__(self) -> None:
        self.tracker = SequenceTracker()

    def start(self, epoch: int = EPOCH, first: int = 0, *, replay: bool = False) -> "Story":
        fields = {"stream": "drive", "epoch": epoch, "first_seq": first, "replay": replay}
        self.tracker.observe("StreamStart", fields, START)
        return self

    def end(self, last: int, reason: str = "end", epoch: int = EPOCH) -> "Story":
        fields = {"stream": "drive", "epoch": epoch, "last_seq": last, "reason": reason}
        self.tracker.observe("StreamEnd", fields, START + last * STEP)
        return self

    def frames(self, seqs: Iterable[int], epoch: int = EPOCH) -> "Story":
        return self._tell("Frame", seqs, epoch)

    def results(self, seqs: Iterable[int], epoch: int = EPOCH) -> "Story":
        return self._tell("Emotion", seqs, epoch)

    def both(self, seqs: Iterable[int], epoch: int = EPOCH) -> "Story":
        for seq in seqs:
            self.frames([seq], epoch).results([seq], epoch)
        return self

    def _tell(self, kind: str, seqs: Iterable[int], epoch: int) -> "Story":
        for seq in seqs:
            fields = {"stream": "drive", "epoch": epoch, "seq": seq}
            self.tracker.observe(kind, fields, START + seq * STEP)
        return self

    def samples(self, seqs: Iterable[int], **fields: Any) -> "Story":
        same = {"subject": "anna", "signal": "heart_rate", "epoch": 5}
        for seq in seqs:
            self.tracker.observe("Samples", {**same, "seq": seq, **fields}, START + seq * STEP)
        return self

    def interrupted(self, away_from: int = START) -> "Story":
        self.tracker.interrupt(away_from)
        return self

    def damaged(self) -> "Story":
        self.tracker.pass_damage()
        return self

    def missing(self, kind: str = "Frame", *, is_live: bool = False) -> list[tuple[Any, ...]]:
        found = self.tracker.sequences(is_live=is_live)
        return [hole[:2] + hole[3:4] for s in found if s.kind == kind for hole in s.holes]


def test_a_whole_film_lacks_nothing() -> None:
    story = Story().start().both(range(100)).end(99)
    assert story.missing() == story.missing("Emotion") == []
    assert [s.expected for s in story.tracker.sequences(is_live=False)] == [100, 100]


def test_what_is_missing_in_the_middle_is_told_with_the_times_beside_it() -> None:
    story = Story().start().both([*range(10), *range(15, 20)]).end(19)
    (hole,) = story.tracker.sequences(is_live=False)[1].holes
    assert hole == Hole(10, 14, 5, "", START + 9 * STEP, START + 15 * STEP)
    assert not hole.is_explained


def test_what_start_and_end_promise_is_missing_where_it_is_not_there() -> None:
    story = Story().start(first=5).both(range(8, 12)).end(14)
    assert story.missing() == [(5, 7, ""), (12, 14, "")]


def test_a_stream_of_which_only_start_and_end_are_there_is_missing_wholly() -> None:
    story = Story().start().both(range(3)).end(2).start(EPOCH + 1).end(4, epoch=EPOCH + 1)
    assert story.missing() == [(0, 4, "")]
    assert Story().start().end(-1).missing() == [], "no frame at all was there"


def test_before_the_first_message_of_a_recording_that_began_in_the_middle_nothing_is_missing() -> (
    None
):
    story = Story().results([7, 8, 9]).frames([10, 11]).results([10])
    assert story.missing() == story.missing("Emotion") == [], "an answer may still come"


def test_results_of_frames_that_are_there_are_missing() -> None:
    story = Story().frames(range(10)).results([3, 4, 7, 8])
    assert story.missing("Emotion", is_live=True) == [
        (0, 2, "unanswered"), (5, 6, "unanswered"),
    ]  # fmt: skip
    assert story.missing("Emotion") == [(0, 2, ""), (5, 6, "")], "lossless: each has an answer"


def test_frames_of_results_that_are_there_are_missing() -> None:
    assert Story().frames([0, 1, 4]).results(range(6)).missing() == [(2, 3, ""), (5, 5, "")]


def test_who_records_no_pictures_lacks_none() -> None:
    story = Story().start().results(range(5)).end(4)
    assert story.missing() == story.missing("Emotion") == []


def test_an_interruption_explains_what_lies_around_it_and_nothing_else() -> None:
    story = Story().start().both([0, 1, 2, 5, 6]).interrupted().both(range(9, 12)).end(11)
    assert story.missing() == [(3, 4, ""), (7, 8, "interrupted")]


def test_what_was_sent_again_after_an_interruption_is_not_missing() -> None:
    story = Story().start().both(range(5)).interrupted().both([7, 5, 6, 8]).end(8)
    assert story.missing() == []


def test_a_stream_that_ended_while_the_recorder_was_away() -> None:
    story = Story().start().both(range(5)).interrupted().end(9)
    assert story.missing() == [(5, 9, "interrupted")]


def test_a_source_that_was_started_while_the_recorder_was_away_began_with_0() -> None:
    later = EPOCH + 5000
    story = Story().both(range(5)).interrupted(START + 4000 * MS).both([3, 4], later)
    assert story.missing() == [(0, 2, "interrupted")]
    earlier = Story().samples(range(3)).interrupted(START + 6000 * MS).both([3, 4], later)
    assert earlier.missing() == [], "nobody knows what was recorded of it elsewhere"


def test_live_delivery_explains_what_is_missing() -> None:
    story = Story().start().both([0, 1, 4, 5]).end(5)
    assert story.missing(is_live=True) == [(2, 3, "live")]
    assert story.missing("Emotion", is_live=True) == [(2, 3, "live")]


def test_the_end_of_a_run_that_was_stopped() -> None:
    story = Story().start().frames(range(8)).results([0, 1, 2, 4, 5]).end(8, "stopped")
    assert story.missing("Emotion") == [(3, 3, ""), (6, 8, "stopped")]


def test_answers_to_a_source_that_was_started_again() -> None:
    story = Story().frames(range(5)).results(range(3)).both(range(4), EPOCH + 1)
    assert story.missing("Emotion") == [(3, 4, "restarted")]


def test_a_replay_may_begin_anywhere() -> None:
    story = Story().start(replay=True).both(range(50, 60)).end(59)
    assert story.missing() == [(0, 49, "replayed")]


@given(
    st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)),
    st.sampled_from(["as told", "listed"]),
)  # fmt: skip
def test_every_missing_number_is_named_once(
    no_frame: set[int], no_result: set[int], interruptions: set[int], how: str
) -> None:
    story = Story().start()
    for seq in range(31):
        if seq in interruptions:
            story.interrupted()
        story.frames({seq} - no_frame).results({seq} - no_result)
    story.end(30)
    found = story.tracker.sequences(is_live=True)
    if how == "listed":
        listed = parse_content(to_content(found))
        assert listed is not None
        found = compare(listed, story.tracker, is_live=True)
    for sequence in found:
        lost = no_frame if sequence.kind == "Frame" else no_result
        named = [n for hole in sequence.holes for n in range(hole.first, hole.last + 1)]
        assert named == sorted(lost)
        assert sequence.missing == len(lost)
        assert sequence.unexplained == 0
    kinds = {"Frame"} if len(no_frame) < 31 else set()
    assert {one.kind for one in found} == kinds | ({"Emotion"} if len(no_result) < 31 else set())


def test_a_damaged_place_explains_nothing() -> None:
    story = Story().start().both([0, 1]).damaged().interrupted().both([5, 6]).end(6)
    assert story.missing(is_live=True) == [(2, 4, "damaged")]
    (hole,) = story.tracker.sequences(is_live=True)[1].holes
    assert not hole.is_explained


def test_signals_are_counted_each_by_itself() -> None:
    story = Story().samples([4, 5, 8]).samples([0, 1], signal="skin_conductance")
    assert story.missing("Samples") == [(6, 7, "")]


def test_tools_that_do_not_count_lack_nothing() -> None:
    assert Story().samples([0, 0, 0]).missing("Samples") == []


@pytest.mark.parametrize(
    "fields",
    [{}, {"seq": "x", "epoch": 1, "stream": "s"}, {"seq": 1, "epoch": None, "stream": "s"},
     {"seq": 1, "epoch": 1, "stream": ["s"]}],
)  # fmt: skip
def test_headers_that_are_damaged_are_passed_over(fields: dict[str, Any]) -> None:
    tracker = SequenceTracker()
    for kind in ("Frame", "Samples", "StreamStart", "StreamEnd"):
        tracker.observe(kind, fields, 1)
    assert tracker.sequences(is_live=True) == []


def compared(stated: Story, now: Story) -> list[tuple[Any, ...]]:
    content = parse_content(to_content(stated.tracker.sequences(is_live=True)))
    assert content is not None
    found = compare(content, now.tracker, is_live=True)
    return [(s.kind, *hole[:2], hole.reason) for s in found for hole in s.holes]


def test_what_was_there_and_is_not_any_more_is_gone() -> None:
    then = Story().start().frames([0, 1, 2, 5, 6, 7]).end(7)
    assert compared(then, then) == [("Frame", 3, 4, "live")]
    now = Story().start().frames([2, 6]).end(7)
    assert compared(then, now) == [
        ("Frame", 0, 1, "gone"), ("Frame", 3, 4, "live"), ("Frame", 5, 5, "gone"),
        ("Frame", 7, 7, "gone"),
    ]  # fmt: skip
    assert compared(then, Story()) == [
        ("Frame", 0, 2, "gone"), ("Frame", 3, 4, "live"), ("Frame", 5, 7, "gone"),
    ]  # fmt: skip


def test_a_file_that_was_gone_on_with_lacks_what_came_after_as_well() -> None:
    then = Story().frames([0, 1, 4])
    now = Story().frames([0, 1, 4]).interrupted().frames([7, 8, 10])
    assert compared(then, now) == [
        ("Frame", 2, 3, "live"), ("Frame", 5, 6, "interrupted"), ("Frame", 9, 9, "live"),
    ]  # fmt: skip


def test_more_holes_than_can_be_listed_are_summed_up() -> None:
    many = MOST_LISTED + 100
    sequence = Story().frames(range(0, 2 * many + 1, 2)).tracker.sequences(is_live=True)
    content = parse_content(to_content(sequence))
    assert content is not None
    (one,) = content
    assert one.missing == many
    assert len(one.holes) == MOST_LISTED
    assert one.holes[-1].last == 2 * many - 1


@pytest.mark.parametrize(
    "content",
    [{}, {"version": 2, "sequences": []}, {"version": 1}, {"version": 1, "sequences": [{}]},
     {"version": 1, "sequences": [{"kind": "Frame", "name": "s", "epoch": 1, "first": "0",
                                   "last": 3, "holes": []}]},
     {"version": 1, "sequences": [{"kind": "Frame", "name": "s", "epoch": 1, "first": 0,
                                   "last": 3, "holes": [[1]]}]}],
)  # fmt: skip
def test_a_list_that_cannot_be_understood_is_none(content: dict[str, Any]) -> None:
    assert parse_content(content) is None


def test_numbers_of_a_sequence() -> None:
    holes = [Hole(1, 2, 2, "live", None, None), Hole(5, 5, 1, "gone", 3, None)]
    sequence = Sequence("Frame", "s", 1, 0, 9, holes)
    assert (sequence.expected, sequence.missing, sequence.unexplained) == (10, 3, 1)
