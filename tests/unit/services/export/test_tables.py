from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.messages import Packet
from affectline.services.export.tables import make_tables
from tests.recordings import SECOND, START


def test_a_signal_that_comes_late_has_empty_cells_before() -> None:
    first = State(subject="a", at=START)
    later = State.model_validate(
        {"subject": "a", "at": START + SECOND, "signals": {"skin": {"value": 2.5}}}
    )
    made = make_tables([Packet(first), Packet(later), Packet(first)])["states"]
    assert made["skin_value"] == [None, 2.5, None]
    assert len({len(column) for column in made.values()}) == 1


def test_nothing_becomes_no_table() -> None:
    assert make_tables([]) == {}
    samples = Samples(
        subject="a", signal="x", unit="1", epoch=1, seq=0, at=START, rate=1.0, values=(1.0,)
    )
    assert list(make_tables([Packet(samples)])) == ["samples"]
