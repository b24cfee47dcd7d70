"""Answers are written in order and once; gaps are asked for, then given up."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectline.common.wire.messages import Emotion, StreamEnd
from affectline.services.sink.reorder_buffer import ASK_AGAIN_NS, KEPT, PATIENCE_NS, ReorderBuffer
from tests.samples import EMOTION, EPOCH


def emotion(seq: int, epoch: int = EPOCH) -> Emotion:
    return EMOTION.model_copy(update={"seq": seq, "epoch": epoch})


def end(last_seq: int, epoch: int = EPOCH) -> StreamEnd:
    return StreamEnd(stream="drive", epoch=epoch, ended_at=0, last_seq=last_seq, reason="end")


def seqs(emotions: Iterable[Emotion]) -> list[int]:
    return [e.seq for e in emotions]


def test_in_order_they_pass_at_once() -> None:
    order = ReorderBuffer("lossless")
    assert [seqs(order.take(emotion(i))) for i in range(3)] == [[0], [1], [2]]


@given(st.permutations(range(1, 8)), st.lists(st.integers(0, 7)))
def test_any_order_and_any_repeats_come_out_once_and_sorted(
    later: list[int], repeats: list[int]
) -> None:
    order = ReorderBuffer("lossless")
    out = [seq for i in [0, *later, *repeats] for seq in seqs(order.take(emotion(i)))]
    assert out == list(range(8))
    assert order.repeated == len(repeats)


def test_a_gap_is_asked_for_now_and_then() -> None:
    order = ReorderBuffer("lossless")
    seqs(order.take(emotion(0)))
    assert order.wanted("drive", now=1) is None
    assert seqs(order.take(emotion(4))) == []
    wanted = order.wanted("drive", now=ASK_AGAIN_NS)
    assert wanted is not None
    assert (wanted.first_seq, wanted.last_seq, wanted.epoch) == (1, 3, EPOCH)
    assert order.wanted("drive", now=ASK_AGAIN_NS + 1) is None
    assert order.wanted("drive", now=2 * ASK_AGAIN_NS) is not None


@pytest.mark.parametrize("delivery", ["live", "lossless", "replay"])
def test_a_gap_that_stays_is_given_up_and_counted(delivery: str) -> None:
    order = ReorderBuffer(delivery)
    seqs(order.take(emotion(0)))
    seqs(order.take(emotion(3)))
    order.wanted("drive", now=1)
    assert seqs(order.give_up(PATIENCE_NS[delivery])) == []
    assert seqs(order.give_up(PATIENCE_NS[delivery] + 2)) == [3]
    assert order.lost == 2


def test_a_gap_before_more_than_anybody_keeps_is_given_up_at_once() -> None:
    order = ReorderBuffer("lossless")
    seqs(order.take(emotion(0)))
    for seq in range(2, KEPT + 1):
        seqs(order.take(emotion(seq)))
        assert seqs(order.give_up(1)) == []
    seqs(order.take(emotion(KEPT + 1)))
    assert seqs(order.give_up(1)) == list(range(2, KEPT + 2))
    assert order.lost == 1


def test_the_end_waits_for_every_answer_up_to_the_last() -> None:
    order = ReorderBuffer("lossless")
    seqs(order.take(emotion(0)))
    order.close(end(2))
    assert not order.done
    wanted = order.wanted("drive", now=ASK_AGAIN_NS)
    assert wanted is not None
    assert (wanted.first_seq, wanted.last_seq) == (1, 2)
    seqs(order.take(emotion(2)))
    seqs(order.take(emotion(1)))
    assert order.done


def test_a_stream_without_frames_is_done_at_once() -> None:
    order = ReorderBuffer("lossless")
    order.close(end(-1))
    assert order.done


def test_a_new_epoch_starts_anew_and_an_old_one_is_over() -> None:
    order = ReorderBuffer("live")
    seqs(order.take(emotion(0)))
    seqs(order.take(emotion(2)))
    assert seqs(order.take(emotion(0, EPOCH + 1))) == [2, 0]
    assert order.lost == 1
    assert seqs(order.take(emotion(3))) == []
    order.close(end(3))
    assert not order.done, "the old epoch's end is not this one's"


def test_a_restarted_sink_goes_on_where_the_other_was() -> None:
    order = ReorderBuffer("lossless", epoch=EPOCH, next_seq=5)
    assert seqs(order.take(emotion(7))) == []
    wanted = order.wanted("drive", now=ASK_AGAIN_NS)
    assert wanted is not None
    assert (wanted.first_seq, wanted.last_seq) == (5, 6)
