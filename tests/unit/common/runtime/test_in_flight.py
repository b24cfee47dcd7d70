"""Frames under way: answered, lost and found."""

import pytest

from affectline.common.runtime.in_flight import RESEND_NS, STUCK_NS, InFlightWindow
from affectline.common.wire.messages import Packet
from tests.samples import FRAME


def filled(count: int) -> tuple[InFlightWindow, list[Packet]]:
    window = InFlightWindow()
    packets: list[Packet] = [Packet(FRAME.model_copy(update={"seq": seq})) for seq in range(count)]
    for seq, packet in enumerate(packets):
        window.add(seq, packet, now=0)
    return window, packets


def test_an_answer_makes_room() -> None:
    window, _ = filled(3)
    assert window.on_answer(0, now=1) == []
    assert len(window) == 2
    assert window.on_answer(0, now=1) == []


def test_a_frame_overtaken_by_an_answer_was_lost() -> None:
    window, packets = filled(4)
    assert window.on_answer(2, now=RESEND_NS) == packets[:2]
    assert window.on_answer(3, now=RESEND_NS + 1) == [], "not twice at once"
    assert window.on_answer(9, now=2 * RESEND_NS) == packets[:2]


def test_silence_brings_everything_again() -> None:
    window, packets = filled(3)
    assert window.overdue(now=STUCK_NS - 1) == []
    assert window.overdue(now=STUCK_NS) == packets
    assert window.overdue(now=STUCK_NS + 1) == []
    assert InFlightWindow().overdue(now=STUCK_NS) == []


def test_a_detector_that_comes_back_gets_all_and_so_does_the_source() -> None:
    window, packets = filled(3)
    window.on_answer(1, now=1)
    for who in ("detector/s", "capture/s"):
        came = {who, "fusion"}
        again = window.missed_by(came, "s", "capture/s", now=2)
        assert again == [packets[0], packets[2]], who


def test_a_new_detector_gets_what_is_answered_and_on_no_disk() -> None:
    window, packets = filled(3)
    for seq in (0, 1):
        window.on_answer(seq, now=1, keepers=("sink", "recorder"))
    window.on_kept("sink", (0, 1))
    window.on_kept("recorder", (0,))
    assert window.missed_by({"capture/s"}, "s", "capture/s", now=2) == packets[2:]
    assert window.missed_by({"detector/s"}, "s", "capture/s", now=2) == packets[1:]
    assert len(window) == 1, "room for more: only the unanswered ones are in flight"


@pytest.mark.parametrize(
    "late",
    ["sink", "recorder", "classifier/2", "detector/other", "capture/other", "fusion", "dashboard"],
)
def test_who_takes_no_frames_of_the_stream_has_nothing_said_again(late: str) -> None:
    window, packets = filled(2)
    assert window.missed_by({late}, "s", "capture/s", now=1) == []
    assert window.overdue(now=STUCK_NS) == packets, "and puts nothing off"
