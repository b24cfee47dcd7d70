"""Answers are written in order and once; gaps are asked for, then given up."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectline.common.wire.messages import Emotion, StreamEnd
from affectline.services.sink.reorder_buffer import (
    DETECTOR_CACHE,
    PATIENCE_NS,
    RESEND_INTERVAL_NS,
    LostFrame,
    ReorderBuffer,
)
from tests.samples import EMOTION, EPOCH


def emotion(seq: int, epoch: int = EPOCH) -> Emotion:
    return EMOTION.model_copy(update={"seq": seq, "epoch": epoch})


def end(last_seq: int, epoch: int = EPOCH) -> StreamEnd:
    return StreamEnd(
        stream="drive", epoch=epoch, ended_at=0, received_at=0, last_seq=last_seq, reason="end"
    )


def seqs(results: Iterable[Emotion | LostFrame]) -> list[int]:
    """Those that have a result."""
    return [one.seq for one in results if isinstance(one, Emotion)]


def test_in_order_they_pass_at_once() -> None:
    buffer = ReorderBuffer("lossless")
    assert [seqs(buffer.push(emotion(i))) for i in range(3)] == [[0], [1], [2]]


@given(st.integers(0, 100), st.permutations(range(8)), st.lists(st.integers(0, 7)))
def test_any_order_and_any_repeats_come_out_once_and_sorted(
    first: int, order: list[int], repeats: list[int]
) -> None:
    buffer = ReorderBuffer("lossless")
    buffer.begin(EPOCH, first)
    out = [seq for i in [*order, *repeats] for seq in seqs(buffer.push(emotion(first + i)))]
    assert out == list(range(first, first + 8))
    assert buffer.repeated == len(repeats)


def test_a_gap_is_asked_for_now_and_then() -> None:
    buffer = ReorderBuffer("lossless")
    seqs(buffer.push(emotion(0)))
    assert buffer.missing("drive", now=1) is None
    assert seqs(buffer.push(emotion(4))) == []
    missing = buffer.missing("drive", now=RESEND_INTERVAL_NS)
    assert missing is not None
    assert (missing.first_seq, missing.last_seq, missing.epoch) == (1, 3, EPOCH)
    assert buffer.missing("drive", now=RESEND_INTERVAL_NS + 1) is None
    assert buffer.missing("drive", now=2 * RESEND_INTERVAL_NS) is not None


@pytest.mark.parametrize("delivery", ["live", "lossless", "replay"])
def test_a_gap_that_stays_is_given_up_and_counted(delivery: str) -> None:
    buffer = ReorderBuffer(delivery)
    seqs(buffer.push(emotion(0)))
    seqs(buffer.push(emotion(3)))
    buffer.missing("drive", now=1)
    assert seqs(buffer.skip_gap(PATIENCE_NS[delivery])) == []
    assert list(buffer.skip_gap(PATIENCE_NS[delivery] + 2)) == [
        LostFrame(EPOCH, 1), LostFrame(EPOCH, 2), emotion(3),
    ]  # fmt: skip
    assert buffer.lost == 2


def test_a_gap_before_more_than_anybody_keeps_is_given_up_at_once() -> None:
    buffer = ReorderBuffer("lossless")
    seqs(buffer.push(emotion(0)))
    for seq in range(2, DETECTOR_CACHE + 1):
        seqs(buffer.push(emotion(seq)))
        assert seqs(buffer.skip_gap(1)) == []
    seqs(buffer.push(emotion(DETECTOR_CACHE + 1)))
    assert seqs(buffer.skip_gap(1)) == list(range(2, DETECTOR_CACHE + 2))
    assert buffer.lost == 1


def test_the_end_waits_for_every_answer_up_to_the_last() -> None:
    buffer = ReorderBuffer("lossless")
    seqs(buffer.push(emotion(0)))
    buffer.close(end(2))
    assert not buffer.done
    missing = buffer.missing("drive", now=RESEND_INTERVAL_NS)
    assert missing is not None
    assert (missing.first_seq, missing.last_seq) == (1, 2)
    seqs(buffer.push(emotion(2)))
    seqs(buffer.push(emotion(1)))
    assert buffer.done


def test_a_stream_without_frames_is_done_at_once() -> None:
    buffer = ReorderBuffer("lossless")
    buffer.close(end(-1))
    assert buffer.done


def test_a_new_epoch_starts_anew_and_an_old_one_is_over() -> None:
    buffer = ReorderBuffer("live")
    seqs(buffer.push(emotion(0)))
    seqs(buffer.push(emotion(2)))
    pushed = list(buffer.push(emotion(0, EPOCH + 1)))
    assert pushed == [LostFrame(EPOCH, 1), emotion(2), emotion(0, EPOCH + 1)]
    assert buffer.lost == 1
    assert seqs(buffer.push(emotion(3))) == []
    buffer.close(end(3))
    assert not buffer.done, "the old epoch's end is not this one's"


def test_results_of_an_epoch_that_has_been_announced_wait_for_its_first() -> None:
    buffer = ReorderBuffer("live")
    seqs(buffer.push(emotion(0)))
    buffer.begin(EPOCH + 1, 0)
    assert seqs(buffer.push(emotion(1))) == [1], "the earlier epoch is not over yet"
    assert seqs(buffer.push(emotion(1, EPOCH + 1))) == []
    missing = buffer.missing("drive", now=RESEND_INTERVAL_NS)
    assert missing is not None
    assert (missing.epoch, missing.first_seq, missing.last_seq) == (EPOCH + 1, 0, 0)
    assert seqs(buffer.push(emotion(0, EPOCH + 1))) == [0, 1]
    assert (buffer.lost, buffer.repeated) == (0, 0)


def test_a_gap_of_a_new_epoch_is_waited_for_as_long_as_any() -> None:
    buffer = ReorderBuffer("live")
    seqs(buffer.push(emotion(0)))
    seqs(buffer.push(emotion(2)))
    buffer.missing("drive", now=1)
    buffer.begin(EPOCH + 1, 0)
    assert seqs(buffer.push(emotion(1, EPOCH + 1))) == [2]
    buffer.missing("drive", now=PATIENCE_NS["live"])
    assert list(buffer.skip_gap(PATIENCE_NS["live"] + 2)) == []
    assert list(buffer.skip_gap(2 * PATIENCE_NS["live"] + 1)) != []


def test_an_announcement_that_is_repeated_changes_nothing() -> None:
    buffer = ReorderBuffer("lossless")
    buffer.begin(EPOCH, 0)
    seqs(buffer.push(emotion(0)))
    buffer.begin(EPOCH, 0)
    buffer.begin(EPOCH - 1, 7)
    assert seqs(buffer.push(emotion(1))) == [1]


def test_a_stream_whose_results_are_all_lost_ends_all_the_same() -> None:
    buffer = ReorderBuffer("live")
    buffer.begin(EPOCH, 0)
    buffer.close(end(1))
    assert buffer.missing("drive", now=RESEND_INTERVAL_NS) is not None
    given_up = list(buffer.skip_gap(RESEND_INTERVAL_NS + PATIENCE_NS["live"] + 1))
    assert given_up == [LostFrame(EPOCH, 0), LostFrame(EPOCH, 1)]
    assert buffer.done


def test_at_the_end_what_waits_is_given_out_with_its_gaps() -> None:
    buffer = ReorderBuffer("lossless")
    for seq in (0, 2, 4):
        seqs(buffer.push(emotion(seq)))
    assert list(buffer.flush()) == [
        LostFrame(EPOCH, 1), emotion(2), LostFrame(EPOCH, 3), emotion(4),
    ]  # fmt: skip
    assert list(buffer.flush()) == []


def test_a_restarted_sink_goes_on_where_the_other_was() -> None:
    buffer = ReorderBuffer("lossless", epoch=EPOCH, next_seq=5)
    assert seqs(buffer.push(emotion(7))) == []
    missing = buffer.missing("drive", now=RESEND_INTERVAL_NS)
    assert missing is not None
    assert (missing.first_seq, missing.last_seq) == (5, 6)
