"""What publishers keep, and what consumers confirm."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectline.common.runtime.keeping import (
    ABSENT_S,
    KNOWN_KEYS,
    MARKER_BYTES,
    MARKERS_KEPT,
    MOST_KEEPERS,
    MOST_KEYS,
    MOST_OVERDUE,
    OVERDUE_S,
    RECEIPT_S,
    REPEAT_S,
    RETURN_S,
    Keeper,
    Outbox,
)
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.kept import Kept
from affectline.common.wire.messages import Emotion, Frame, Marker, Packet
from tests.samples import PACKETS


def frame(seq: int) -> Packet:
    return Packet(PACKETS["Frame"].message.model_copy(update={"seq": seq}), (b"jpeg",))


def marker(label: str) -> Packet:
    return Packet(PACKETS["Marker"].message.model_copy(update={"label": label}))


def receipt(keeper: Keeper, now_s: float, *, ended: bool = False) -> list[Kept]:
    return [p.message for p in keeper.receipts(now_s, ended=ended)]  # type: ignore[misc]


def recorder(delivery: str = "lossless") -> Keeper:
    return Keeper("recorder", ("frame/", "marker/", "bio/"), delivery)  # type: ignore[arg-type]


def test_what_is_not_confirmed_is_sent_again_to_who_comes_back() -> None:
    outbox, keeper = Outbox("capture/drive", ("recorder",)), recorder()
    for seq in range(3):
        outbox.add(frame(seq), 0.0)
        assert keeper.admit(frame(seq).message, is_sent_again=False)
    keeper.kept([frame(1).message])
    for kept in receipt(keeper, 1.0):
        outbox.on_kept(kept)
    again = list(outbox.on_ready({"recorder", "fusion"}, 2.0))
    assert again == [("recorder", frame(0)), ("recorder", frame(2))]
    assert not outbox.is_empty


def test_nothing_of_the_last_run_is_kept_for_the_next() -> None:
    outbox = Outbox("dashboard", ("recorder", "sink"), markers_only=True)
    outbox.add(marker("late"), 0.0)
    assert outbox.clear() == [marker("late")]
    assert list(outbox.on_ready({"recorder", "sink"}, 1.0)) == []
    assert outbox.clear() == []
    outbox.add(marker("new"), 2.0)
    assert len(list(outbox.on_ready({"sink"}, 3.0))) == 1, "its consumers are still known"


def test_a_successor_drops_what_is_on_disk_and_confirms_it_again() -> None:
    keeper = recorder()
    keeper.prime([frame(0).message])
    assert not keeper.admit(frame(0).message, is_sent_again=True)
    assert keeper.admit(frame(1).message, is_sent_again=True)
    assert not keeper.admit(frame(1).message, is_sent_again=True), "held, and not on disk yet"
    (kept,) = receipt(keeper, 1.0)
    assert list(kept.keys.values()) == [(frame(0).message.key,)]


def test_samples_that_a_replay_repeats_are_news_unless_they_were_sent_again() -> None:
    keeper, samples = recorder(), PACKETS["Samples"].message
    assert isinstance(samples, Samples)
    assert keeper.admit(samples, is_sent_again=False)
    assert keeper.admit(samples, is_sent_again=False)
    assert not keeper.admit(samples, is_sent_again=True)
    assert keeper.repeated == 1


def test_a_publisher_learns_what_a_consumer_keeps() -> None:
    outbox = Outbox("detector/drive", ("sink",))
    outbox.add(frame(0), 0.0)
    assert outbox.keepers_of("frame/drive") == {"sink"}, "until the sink says what it keeps"
    outbox.on_kept(Kept(by="sink", prefixes=("emotion/",)))
    assert outbox.is_empty
    assert outbox.keepers_of("frame/drive") == set()
    outbox.add(frame(1), 0.0)
    assert outbox.is_empty


def test_nothing_is_kept_for_those_who_have_ended_or_do_not_come_back() -> None:
    outbox = Outbox("capture/drive", ("sink",))
    list(outbox.on_ready({"recorder/evening"}, 0.0))
    outbox.add(frame(0), 0.0)
    assert list(outbox.overdue(set(), 1.0)) == []
    assert list(outbox.overdue(set(), 2.0 + ABSENT_S)) == []
    assert outbox.given_up == 1
    assert [name for name, _ in outbox.on_ready({"sink", "recorder/evening"}, 40.0)] == ["sink"], (
        "a consumer of the run is waited for as long as it takes"
    )
    outbox.on_kept(Kept(by="sink", prefixes=(), ended=True))
    assert outbox.is_empty


def test_no_more_is_sent_again_in_one_go_than_lets_the_publisher_hear_receipts() -> None:
    outbox = Outbox("biometrics/anna/csv", ("sink",))
    for seq in range(3 * MOST_OVERDUE):
        outbox.add(frame(seq), 0.0)
    for turn in range(3):
        again = list(outbox.overdue({"sink"}, OVERDUE_S))
        first = turn * MOST_OVERDUE
        assert again == [("sink", frame(first + i)) for i in range(MOST_OVERDUE)]
    assert not list(outbox.overdue({"sink"}, OVERDUE_S))


def test_a_consumer_is_behind_if_it_lacks_many_messages_of_a_long_time() -> None:
    outbox = Outbox("biometrics/anna/csv", ("sink", "recorder"))
    example = PACKETS["Samples"].message
    sent = [
        Packet(example.model_copy(update={"seq": seq, "at": 1000 + 10 * seq})) for seq in range(5)
    ]
    for packet in sent:
        outbox.add(packet, 0.0)
    assert outbox.is_behind(4, 39)
    assert not outbox.is_behind(5, 39), "not many"
    assert not outbox.is_behind(4, 40), "it may wait for what follows soon"
    for name in ("sink", "recorder"):
        assert outbox.is_behind(4, 39), "the other one is"
        keys = {example.topic: (sent[0].message.key,)}
        outbox.on_kept(Kept(by=name, prefixes=("bio/",), keys=keys))  # type: ignore[arg-type]
    assert not outbox.is_behind(4, 0)


def test_nobody_waits_at_the_end_for_who_has_been_away_for_long() -> None:
    outbox = Outbox("capture/drive", ("sink", "recorder"))
    outbox.on_kept(Kept(by="sink", prefixes=("emotion/",)))
    assert not outbox.may_be_emptied(0.0), "everybody has everything"
    outbox.add(frame(0), 0.0)
    assert outbox.may_be_emptied(0.0)
    list(outbox.overdue({"sink"}, 1.0))
    assert outbox.may_be_emptied(1.0 + RETURN_S / 2), "it may be back in a moment"
    assert not outbox.may_be_emptied(1.0 + RETURN_S)
    list(outbox.on_ready({"recorder"}, 10.0))
    assert outbox.may_be_emptied(10.0)


def test_what_is_not_confirmed_for_long_is_sent_again_to_who_is_there() -> None:
    outbox = Outbox("capture/drive", ("sink", "recorder"))
    outbox.add(frame(0), 0.0)
    outbox.add(frame(1), 3.0)
    assert list(outbox.overdue({"sink"}, OVERDUE_S - 0.1)) == []
    assert list(outbox.overdue({"sink"}, OVERDUE_S)) == [("sink", frame(0))]
    assert list(outbox.overdue({"sink"}, OVERDUE_S + 0.1)) == []
    assert list(outbox.overdue({"sink"}, OVERDUE_S + 3)) == [("sink", frame(1))]


def test_in_live_delivery_markers_alone_are_kept_and_confirmed() -> None:
    outbox = Outbox("hub", ("recorder",), markers_only=True)
    outbox.add(frame(0), 0.0)
    assert outbox.is_empty
    for i in range(MARKERS_KEPT + 1):
        outbox.add(marker(str(i)), 0.0)
    again = [packet for _, packet in outbox.on_ready({"recorder"}, 1.0)]
    assert len(again) == MARKERS_KEPT
    assert again[-1] == marker(str(MARKERS_KEPT))
    keeper = recorder("live")
    for packet in (frame(0), marker("brake")):
        assert keeper.admit(packet.message, is_sent_again=False)
        assert not keeper.admit(packet.message, is_sent_again=False), "nothing twice"
        keeper.kept([packet.message])
    (kept,) = receipt(keeper, 1.0)
    assert kept.prefixes == ("marker/",)
    assert kept.keys == {"marker/s1": (marker("brake").message.key,)}


def test_markers_are_the_same_only_if_everything_about_them_is() -> None:
    first = PACKETS["Marker"].message
    assert isinstance(first, Marker)
    changes: tuple[dict[str, object], ...] = (
        {"label": "x"}, {"source": "x"}, {"extra": {}}, {"at": first.at + 1},
    )  # fmt: skip
    others = [first.model_copy(update=change) for change in changes]
    assert len({first.key, *(other.key for other in others)}) == 5
    assert first.model_copy(deep=True).key == first.key


def test_receipts_come_a_few_times_a_second_and_say_that_the_consumer_is_there() -> None:
    keeper = recorder()
    assert len(receipt(keeper, 10.0)) == 1
    assert receipt(keeper, 10.0 + RECEIPT_S) == []
    assert len(receipt(keeper, 10.0 + REPEAT_S)) == 1
    keeper.kept([frame(seq).message for seq in range(MOST_KEYS + 1)])
    sizes = [sum(map(len, kept.keys.values())) for kept in receipt(keeper, 11.5)]
    assert sizes == [MOST_KEYS, 1]
    keeper.kept([frame(0).message])
    assert receipt(keeper, 11.5 + RECEIPT_S / 2) == []
    assert [kept.ended for kept in receipt(keeper, 11.6, ended=True)] == [False, True]


def test_what_a_consumer_remembers_is_bounded() -> None:
    keeper = recorder()
    for seq in range(KNOWN_KEYS + 2):
        keeper.admit(frame(seq).message, is_sent_again=False)
    assert keeper.admit(frame(0).message, is_sent_again=True)
    assert not keeper.admit(frame(KNOWN_KEYS).message, is_sent_again=True)


def test_answers_before_a_checkpoint_need_no_receipt_of_their_own() -> None:
    keeper = Keeper("sink", ("emotion/",), "lossless")
    emotion = PACKETS["Emotion"].message
    assert isinstance(emotion, Emotion)
    for seq in range(3):
        keeper.admit(emotion.model_copy(update={"seq": seq}), is_sent_again=False)
    keeper.kept_before(emotion.topic, (emotion.epoch, 2))
    (kept,) = receipt(keeper, 1.0)
    assert [seq for _, seq in kept.keys[emotion.topic]] == [0, 1]


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_whoever_dies_whenever_every_message_is_on_disk_once(seed: int, count: int) -> None:
    """A publisher, a line that loses what is on it, and a consumer that dies at any moment."""
    chance = random.Random(seed)
    outbox = Outbox("capture/drive", ("recorder",))
    disk: list[Message] = []
    held: list[Message] = []
    keeper = recorder()

    def deliver(packet: Packet, *, is_sent_again: bool) -> None:
        if chance.random() < 0.8 and keeper.admit(packet.message, is_sent_again=is_sent_again):
            held.append(packet.message)

    def write() -> None:
        disk.extend(held)
        keeper.kept(held)
        held.clear()
        found = receipt(keeper, chance.random() * 1e6)
        for kept in chance.sample(found, chance.randint(0, len(found))):
            outbox.on_kept(kept)

    for seq in range(count):
        packet = frame(seq)
        outbox.add(packet, 0.0)
        deliver(packet, is_sent_again=False)
        if chance.random() < 0.3:
            write()
        if chance.random() < 0.1:  # it dies with all that it holds
            held.clear()
            keeper = recorder()
            keeper.prime(disk)
    while not outbox.is_empty:
        for _, packet in outbox.on_ready({"recorder"}, 0.0):
            deliver(packet, is_sent_again=True)
        write()
    assert sorted(m.seq for m in disk if isinstance(m, Frame)) == list(range(count))


@pytest.mark.parametrize("kind", ["Health", "Resend", "Control", "Watermark", "Kept"])
def test_what_is_repeated_anyway_is_not_kept(kind: str) -> None:
    outbox = Outbox("x", ("sink",))
    outbox.add(PACKETS[kind], 0.0)
    assert outbox.is_empty


def test_markers_are_kept_up_to_a_size() -> None:
    outbox = Outbox("hub", ("recorder", "sink"), markers_only=True)
    example = PACKETS["Marker"].message
    for number in range(2000):
        extra = {"text": "x" * 50_000}
        outbox.add(Packet(example.model_copy(update={"at": number, "extra": extra})), 0.0)
    assert outbox._bytes <= MARKER_BYTES
    newest = [packet.message.time for _, packet in outbox.on_ready({"recorder", "sink"}, 1.0)]
    assert newest.count(1999) == 2


def test_nothing_is_kept_for_thousands_of_made_up_recorders() -> None:
    outbox = Outbox("hub", ("recorder",), markers_only=True)
    for number in range(5000):
        outbox.on_kept(Kept(by=f"recorder/n{number}", prefixes=("marker/",)))
        list(outbox.on_ready({f"recorder/m{number}"}, 0.0))
    outbox.add(marker("x"), 0.0)
    assert len(outbox._keepers) == MOST_KEEPERS
    assert [name for name, _ in outbox.on_ready({"recorder"}, 1.0)] == ["recorder"]
