"""Answers are taken where the same was asked of the same frame, and found out elsewhere."""

from affectline.common.measurements import Measurements


def answer(measurements: Measurements, frame: bytes, question: str, value: int) -> int:
    measurements.begin_frame(frame)
    return measurements.find(question, lambda: value)


def test_what_was_kept_answers_the_same_question_about_the_same_frame() -> None:
    first = Measurements(keep=True)
    assert answer(first, b"one", "eye", 1) == 1
    then = Measurements(lambda _: [first.made])
    assert answer(then, b"one", "eye", 2) == 1
    assert answer(then, b"one", "mesh", 3) == 3, "another question"
    assert answer(then, b"two", "eye", 4) == 4, "another frame"
    assert (then.found, then.measured) == (1, 2)
    assert then.made == {}, "nothing is kept unless that is wanted"


def test_no_answer_is_an_answer() -> None:
    first = Measurements(keep=True)
    first.begin_frame(b"one")
    assert first.find("face", lambda: None) is None
    then = Measurements(lambda _: [{}, first.made])
    then.begin_frame(b"one")
    assert then.find("face", lambda: "a face") is None


def test_answers_are_asked_for_frame_by_frame() -> None:
    asked: list[int] = []

    def find(frame: int) -> list[dict[bytes, dict[object, object]]]:
        asked.append(frame)
        return []

    measurements = Measurements(find)
    for frame in (b"one", b"two", b"two"):
        measurements.begin_frame(frame)
    assert asked == [0, 1, 2]
