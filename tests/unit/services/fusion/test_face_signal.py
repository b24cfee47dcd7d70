"""Facial expression: position on the circumplex, baseline, and how long a face counts."""

import pytest

from affectline.services.fusion.face_signal import FRESH_S, STALE_S, FaceSignal
from tests.unit.services.fusion.test_subject import CALM, FEAR


def test_without_a_face_there_is_nothing() -> None:
    face = FaceSignal()
    face.close_second(1.0)
    assert (face.affect(1.0), face.deviation(1.0), face.reliability(1.0)) == (None, None, 0.0)
    assert face.baseline.mean is None


def test_a_face_counts_less_and_less() -> None:
    face = FaceSignal()
    face.add_expression(FEAR, 10.0)
    middle = (FRESH_S + STALE_S) / 2
    ages = [face.reliability(10.0 + age_s) for age_s in (0, FRESH_S, middle, STALE_S)]
    assert ages == pytest.approx([1, 1, 0.5, 0])
    assert face.affect(10.0 + middle)
    assert face.affect(10.0 + STALE_S) is None


def test_fear_deviates_from_a_calm_baseline() -> None:
    face = FaceSignal()
    for second in range(60):
        face.add_expression(CALM, second + 0.5)
        face.close_second(second + 1.0)
    assert face.deviation(60.0) == 0
    face.add_expression(FEAR, 60.0)
    deviation = face.deviation(60.0)
    assert deviation is not None
    assert deviation > 3
    face.clear_samples()
    assert face.deviation(60.0) is None
    assert face.baseline.seconds == 60
