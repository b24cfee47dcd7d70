"""Openings as they look from the front, and mouths that speak."""

import math
from collections.abc import Callable, Iterator

import pytest

from affectline.services.detector.head_pose import HeadPose
from affectline.services.detector.mouth import MouthReader, SpeechDetector
from tests.posed_faces import LOWER_LIP, UPPER_LIP, project, with_opening


@pytest.mark.parametrize("share", [0.0, 1.0, 3.0])
def test_turning_the_head_does_not_open_the_mouth(share: float) -> None:
    reader = MouthReader()
    vertices = with_opening((UPPER_LIP, LOWER_LIP), share)

    def read(pose: HeadPose) -> float:
        return reader.read(project(pose, vertices=vertices, distance_cm=100), pose).opening

    straight = read(HeadPose(0, 0, 0))
    assert straight == pytest.approx(0.13 * share, abs=0.02)
    for yaw in (-40, 0, 40):
        for pitch in (-20, 0, 20):
            assert read(HeadPose(yaw, pitch, 20)) == pytest.approx(straight, rel=0.3, abs=0.01)


def speech(opening: Callable[[float], float], seconds: float, rate: float) -> Iterator[bool]:
    detector = SpeechDetector()
    for number in range(round(seconds * rate)):
        yield detector.add(round(number / rate * 1e9), opening(number / rate), 60.0)


@pytest.mark.parametrize("rate", [12, 25, 60])
def test_an_opening_that_alternates_is_speech(rate: float) -> None:
    told = list(speech(lambda at: 0.2 + 0.12 * math.sin(2 * math.pi * 3 * at), 4, rate))
    assert all(told[round(rate) :])


def test_smiles_yawns_and_trembling_are_not() -> None:
    yawn = [*speech(lambda at: 0.8 * math.sin(math.pi * min(1, at / 4)), 6, 30)]
    smile = [*speech(lambda at: 0.3 if 1 < at < 2 else 0.02, 4, 30)]
    trembling = [*speech(lambda at: 0.2 + 0.03 * math.sin(2 * math.pi * 5 * at), 4, 30)]
    assert not any(yawn + smile + trembling)


def test_it_ends_when_the_mouth_rests() -> None:
    told = [*speech(lambda at: 0.2 + 0.12 * math.sin(18 * at) * (at < 3), 6, 30)]
    assert told[80]
    assert not any(told[140:])
