from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.messages import Packet
from affectline.services.export.tables import make_tables
from affectline.services.sessions.columns import EMOTIONS, STATES
from tests.recordings import SECOND, START
from tests.samples import EMOTION, EPOCH, PACKETS


def test_a_signal_that_comes_late_has_empty_cells_before() -> None:
    first = State(subject="a", at=START)
    later = State.model_validate(
        {"subject": "a", "at": START + SECOND, "signals": {"skin": {"value": 2.5}}}
    )
    made = make_tables([Packet(first), Packet(later), Packet(first)])["states"]
    skin = STATES.header.index("skin_value")
    assert [row[skin] for row in made] == [None, 2.5, None]


def test_nothing_becomes_no_table() -> None:
    assert make_tables([]) == {}
    samples = Samples(
        subject="a", signal="x", unit="1", epoch=1, seq=0, at=START, rate=1.0, values=(1.0,)
    )
    assert list(make_tables([Packet(samples)])) == ["samples"]


def test_frames_without_a_result_have_their_rows_where_they_were() -> None:
    frames = [EMOTION.model_copy(update={"seq": seq, "faces": ()}) for seq in (3, 5, 8)]
    other = EMOTION.model_copy(update={"stream": "rear", "seq": 4, "faces": ()})
    end = PACKETS["StreamEnd"].message.model_copy(update={"last_seq": 9})
    messages = (frames[0], other, *frames[1:], end)
    rows = make_tables(map(Packet, messages))["emotions"]
    cells = [dict(zip(EMOTIONS.header, row, strict=True)) for row in rows]
    assert [(one["stream"], one["seq"], one["reason"]) for one in cells] == [
        ("drive", 3, None), ("rear", 4, None), ("drive", 4, "lost"), ("drive", 5, None),
        ("drive", 6, "lost"), ("drive", 7, "lost"), ("drive", 8, None), ("drive", 9, "lost"),
    ]  # fmt: skip
    assert {one["epoch"] for one in cells} == {EPOCH}
