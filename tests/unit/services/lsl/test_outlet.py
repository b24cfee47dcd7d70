import json
import math

import pytest
from pydantic import JsonValue

from affectline.common.wire.biometrics import State
from affectline.common.wire.messages import Emotion, Marker, Packet
from affectline.services.lsl.lsl_clock import LslClock
from affectline.services.lsl.outlet import (
    EMOTION_CHANNELS,
    LslOutlet,
    emotion_row,
    state_row,
)
from affectline.services.lsl.spec import LslProcess
from tests.samples import AT, EMOTION, HAPPY

SEEN = EMOTION.faces[0]


def test_the_largest_face_is_offered() -> None:
    small = SEEN.model_copy(update={"box": (0, 0, 10, 10), "probabilities": HAPPY[::-1]})
    emotion = EMOTION.model_copy(update={"faces": (small, SEEN)})
    assert emotion_row(emotion) == [*HAPPY, SEEN.valence, SEEN.arousal]
    former = SEEN.model_copy(update={"valence": None, "arousal": None})
    row = emotion_row(EMOTION.model_copy(update={"faces": (former,)}))
    assert row[:7] == list(HAPPY)
    assert all(math.isnan(value) for value in row[7:])


def test_a_result_that_is_published_again_is_offered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, offered = LslOutlet(LslProcess()), list[int]()
    stage._clock = LslClock(lambda: AT, lambda: 0.0)
    monkeypatch.setattr(stage, "_outlet", lambda *_: None)
    monkeypatch.setattr(stage, "_push_sample", lambda _outlet, _row, at: offered.append(at))
    for epoch, seq in ((1, 7), (1, 8), (1, 7), (1, 8), (2, 0)):
        told = {"epoch": epoch, "seq": seq, "captured_at": 10 * epoch + seq}
        list(stage.handle(Packet(EMOTION.model_copy(update=told))))
    assert offered == [17, 18, 20]


def test_extra_fields_follow_a_markers_label(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, offered = LslOutlet(LslProcess()), list[list[str]]()
    monkeypatch.setattr(stage, "_outlet", lambda *_: None)
    monkeypatch.setattr(stage, "_push_sample", lambda _outlet, row, _at: offered.append(row))
    told: dict[str, JsonValue] = {"km/h": 63.5, "wo": "Köln", "lanes": [1, 2]}
    for extra in (dict[str, JsonValue](), told):
        list(stage.handle(Packet(Marker(session="s1", at=AT, label="turn", extra=extra))))
    assert offered == [["turn"], ['turn {"km/h": 63.5, "wo": "Köln", "lanes": [1, 2]}']]
    assert json.loads(offered[1][0].removeprefix("turn ")) == told


def test_no_face_and_no_answer_are_no_numbers() -> None:
    nobody = Emotion.model_validate(EMOTION.model_dump() | {"faces": ()})
    assert all(math.isnan(value) for value in emotion_row(nobody))
    unknown = SEEN.model_copy(update={"probabilities": None, "missing": "stale"})
    row = emotion_row(EMOTION.model_copy(update={"faces": (unknown,)}))
    assert len(row) == len(EMOTION_CHANNELS) == 9
    assert all(math.isnan(value) for value in row)


def test_what_is_not_known_of_a_state_is_no_number() -> None:
    row = state_row(State(subject="driver", at=AT, arousal=0.5, quality=0.25))
    assert row[0] == 0.5
    assert math.isnan(row[1])
    assert math.isnan(row[2])
    assert row[3] == 0.25
