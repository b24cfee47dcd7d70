"""Doubts about a face lower its quality, and drop nothing."""

import pytest

from affectline.common.settings.fusion import FusionSettings
from affectline.common.wire.face_signs import DOUBTS, Doubt
from affectline.services.fusion.face_doubts import DOUBT_FACTORS, WHY, FaceDoubts
from affectline.services.fusion.subject import SubjectState
from tests.unit.services.fusion.test_subject import CALM, SECOND, START


def test_every_doubt_has_a_factor_and_a_reason() -> None:
    assert set(DOUBT_FACTORS) == set(WHY) == set(DOUBTS)
    assert all(0 < factor < 1 for factor in DOUBT_FACTORS.values())
    grave = max(DOUBT_FACTORS["turned_away"], DOUBT_FACTORS["covered"])
    assert grave < min(f for d, f in DOUBT_FACTORS.items() if d not in {"turned_away", "covered"})


def test_doubts_multiply_and_are_those_of_the_last_second() -> None:
    doubts = FaceDoubts()
    assert (doubts.factor, doubts.reason) == (1.0, "")
    doubts.add(("dark", "covered"), 0.0)
    assert doubts.factor == pytest.approx(DOUBT_FACTORS["dark"] * DOUBT_FACTORS["covered"])
    assert doubts.reason == "the face is covered"
    doubts.add((), 0.5)
    assert doubts.factor == pytest.approx((1 + DOUBT_FACTORS["dark"] * 0.3) / 2)
    doubts.add((), 1.6)
    assert (doubts.factor, doubts.reason) == (1.0, "")


@pytest.mark.parametrize("doubt", DOUBTS)
def test_a_doubtful_face_counts_less_in_a_state(doubt: Doubt) -> None:
    def last(*doubts: Doubt) -> tuple[float, str, float | None, float]:
        person = SubjectState("driver", FusionSettings())
        states = [
            person.add_expression(CALM, START + i * SECOND // 10, doubts) for i in range(1500)
        ]
        state = next(state for state in reversed(states) if state)
        face = state.signals["face"]
        return face.quality, face.reason, state.valence, state.quality

    quality, reason, valence, whole = last()
    lower, why, still, less = last(doubt)
    assert (quality, reason) == (1, "")
    assert why == WHY[doubt]
    assert lower == pytest.approx(DOUBT_FACTORS[doubt])
    assert still == valence, "nothing is dropped"
    assert less == pytest.approx(whole * DOUBT_FACTORS[doubt])
