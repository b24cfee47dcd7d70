"""What ``affectline subscribe`` prints of a message in one row."""

import pytest

from affectline.common.wire.biometrics import Samples, State
from affectline.services.cli.subscribe import summarize
from tests.samples import AT, PACKETS


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("Marker", "hard braking  km/h=63.5"),
        ("Samples", "812.5 ms  the last of 2  quality 50% no skin contact"),
        ("State", "nervousness 64  (heart +31)  arousal +0.40  valence -0.20  quality 80%"),
        ("Control", "seek  position_s=12.5  rate=2.0"),
        ("Health", "ready  3.0 ms  clock -1250.5 ± 0.2 ms  in 8 out 8"),
    ],
)
def test_a_row_has_what_matters(kind: str, row: str) -> None:
    assert summarize(PACKETS[kind].message) == row


def test_unknown_and_synthetic_values_are_marked() -> None:
    state = State(subject="anna", at=AT, synthetic=True)
    assert summarize(state) == "nervousness unknown  quality 0%  synthetic"
    samples = Samples(
        subject="anna", signal="skin_conductance", unit="uS", epoch=1, seq=0, at=AT, rate=4.0,
        values=(3.14159,), synthetic=True,
    )  # fmt: skip
    assert summarize(samples) == "3.142 uS  synthetic"


@pytest.mark.parametrize("kind", PACKETS)
def test_every_message_has_a_row(kind: str) -> None:
    assert summarize(PACKETS[kind].message)
