"""What faces say, as rows of words for the page."""

from typing import Any

from affectline.common.wire.biometrics import State
from affectline.common.wire.face_signs import Blink, FaceSigns
from affectline.common.wire.messages import Emotion
from affectline.services.dashboard.sign_readings import GONE_NS, SignReadings
from tests.samples import AT, EMOTION

BARE = {name: field.default for name, field in FaceSigns.model_fields.items()}


def emotion(at: int = AT, **changes: Any) -> Emotion:
    face = EMOTION.faces[0].model_copy(update=changes)
    return EMOTION.model_copy(update={"captured_at": at, "faces": (face,)})


def values(readings: SignReadings) -> dict[str, str]:
    (face,) = readings.history()["faces"]
    return {row["name"]: row["value"] for row in face["rows"]}


def test_a_face_is_described_in_words_and_once() -> None:
    readings = SignReadings()
    readings.add(emotion())
    assert values(readings) == {
        "head": "12° to their right, 3° up, rolled 6° clockwise",
        "eyes": "left 94%, right 90% open",
        "blinks": "1 a minute, the last took 167 ms",
        "PERCLOS": "2.1% of 58 s",
        "gaze": "ahead",
        "mouth": "31% open",
    }
    update = readings.update()
    assert update == readings.history()
    assert readings.update() is None, "nothing new"
    assert update["faces"][0]["doubts"] == ["speaking"]
    notes = {row["name"]: row["note"] for row in update["faces"][0]["rows"]}
    assert "not calibrated" in notes["gaze"]
    assert "not validated" in notes["PERCLOS"]


def test_the_unknown_says_why() -> None:
    readings = SignReadings()
    readings.add(emotion(**BARE | {"eyes_unknown": "looking_down", "perclos_known_s": 4.0}))
    found = values(readings)
    assert found["eyes"] == "unknown: looking down, which lowers open lids"
    assert found["PERCLOS"] == "not known yet: 4 s of 20 s"
    assert found["blinks"] == "0 in 4 s"


def test_where_nobody_measured_there_is_nothing() -> None:
    readings = SignReadings()
    readings.add(emotion(**BARE))
    readings.add(State(subject="anna", at=AT))
    assert readings.history() == {"kind": "signs", "faces": [], "people": []}


def test_blinks_are_those_of_the_last_minute() -> None:
    readings = SignReadings()
    for second in range(90):
        at = AT + second * 10**9
        blink = Blink(at=at, duration_ms=150) if second % 3 == 0 else None
        readings.add(emotion(at, blink=blink, perclos_known_s=60.0))
    assert values(readings)["blinks"] == "20 a minute, the last took 150 ms"


def test_who_has_left_is_forgotten_and_so_is_a_former_time_line() -> None:
    readings = SignReadings()
    readings.add(emotion())
    readings.add(emotion(AT + 2 * GONE_NS, track=2))
    assert [face["track"] for face in readings.history()["faces"]] == [2]
    readings.clear()
    assert readings.update() == {"kind": "signs", "faces": [], "people": []}


def test_a_person_is_described_with_quality_and_reason() -> None:
    readings = SignReadings()
    readings.add(State.example())
    (person,) = readings.history()["people"]
    drowsiness, looks = person["rows"]
    assert (person["subject"], drowsiness["value"]) == ("driver", "38 of 100, long blinks: 1")
    assert drowsiness["note"] == "quality 90%: the eyes were not seen for 6 s of 60"
    assert looks["value"] == "away for 1.2 s, 25% of the last minute, longest 2.4 s"
