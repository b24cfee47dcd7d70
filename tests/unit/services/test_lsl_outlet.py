import math

from common.messages import Emotion
from common.senses import State
from services.lsl_outlet import emotion_row, state_row
from tests.samples import AT, EMOTION, HAPPY

SEEN = EMOTION.faces[0]


def test_the_largest_face_is_offered() -> None:
    small = SEEN.model_copy(update={"box": (0, 0, 10, 10), "probabilities": HAPPY[::-1]})
    emotion = EMOTION.model_copy(update={"faces": (small, SEEN)})
    assert emotion_row(emotion) == list(HAPPY)


def test_no_face_and_no_answer_are_no_numbers() -> None:
    nobody = Emotion.model_validate(EMOTION.model_dump() | {"faces": ()})
    assert all(math.isnan(value) for value in emotion_row(nobody))
    unknown = SEEN.model_copy(update={"probabilities": None, "missing": "stale"})
    row = emotion_row(EMOTION.model_copy(update={"faces": (unknown,)}))
    assert len(row) == 7
    assert all(math.isnan(value) for value in row)


def test_what_is_not_known_of_a_state_is_no_number() -> None:
    row = state_row(State(subject="driver", at=AT, arousal=0.5, quality=0.25))
    assert row[0] == 0.5
    assert math.isnan(row[1])
    assert math.isnan(row[2])
    assert row[3] == 0.25
