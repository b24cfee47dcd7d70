"""Curves: thinned out, told once, and told again to who comes late."""

from affectline.common.wire.biometrics import Samples, SignalContribution, State
from affectline.common.wire.face_signs import DOUBTS
from affectline.common.wire.messages import Emotion, Marker, StreamStart
from affectline.services.dashboard.curves import BACK_MS, KEPT_MS, STEP_MS, Curves
from tests.samples import EMOTION

MS = 1_000_000


def emotion(at_ms: int) -> Emotion:
    return EMOTION.model_copy(update={"captured_at": at_ms * MS})


def heart(at_ms: int, value: float, quality: float = 1.0) -> Samples:
    return Samples(
        subject="anna", signal="heart_rate", unit="/min", epoch=1, seq=0, at=at_ms * MS,
        offsets=(0,), values=(value,), quality=quality,
    )  # fmt: skip


def state(at_ms: int, rate: float, quality: float = 1.0) -> State:
    signals = {"heart": SignalContribution(value=rate, unit="/min", quality=quality)}
    return State(subject="anna", at=at_ms * MS, nervousness=12.34, signals=signals)


def test_points_are_told_once_and_no_closer_than_anybody_can_see() -> None:
    curves = Curves()
    for at_ms in range(10_000, 12_000, 40):
        curves.add(emotion(at_ms))
    update = curves.update()
    assert update is not None
    points = update["series"]["emotion/drive/1"]["points"]
    assert [point[0] for point in points] == list(range(10_000, 12_000, STEP_MS))
    assert abs(sum(points[0][1:8]) - 100) < 0.5, "percent"
    assert curves.update() is None


def test_a_doubt_between_two_points_is_told_with_the_next() -> None:
    curves = Curves()
    for at_ms in range(0, 1_000, 40):
        doubts = ("eyes_shut",) if at_ms == 240 else ("dark", "too_small") if at_ms >= 600 else ()
        face = EMOTION.faces[0].model_copy(update={"doubts": doubts})
        curves.add(emotion(at_ms).model_copy(update={"faces": (face,)}))
    update = curves.update()
    assert update is not None
    told = {point[0]: point[8] for point in update["series"]["emotion/drive/1"]["points"]}
    both = 1 << DOUBTS.index("dark") | 1 << DOUBTS.index("too_small")
    shut = 1 << DOUBTS.index("eyes_shut")
    assert told == {0: 0, 200: 0, 400: shut, 600: both, 800: both}


def test_valence_and_arousal_are_those_of_the_largest_face() -> None:
    curves = Curves()
    small = EMOTION.faces[0].model_copy(
        update={"track": 9, "box": (0, 0, 9, 9), "valence": -0.5, "arousal": 0.1}
    )
    both = {"captured_at": 1_000 * MS, "faces": (small, EMOTION.faces[0])}
    curves.add(EMOTION.model_copy(update=both))
    update = curves.update()
    assert update is not None
    assert update["series"]["affect/drive"] == {
        "unit": "-1 to 1", "synthetic": False, "points": [[1_000, 0.712, 0.491]],
    }  # fmt: skip
    curves.add(EMOTION.model_copy(update={"captured_at": 2_000 * MS, "faces": ()}))
    assert curves.update() is None, "nobody in sight is no point"


def test_pose_and_eyes_are_those_of_the_largest_face() -> None:
    curves = Curves()
    signs = {
        "yaw": -12.34, "pitch": 3.0, "roll": 0.06, "eye_opening_left": 0.912,
        "eye_opening_right": None,
    }  # fmt: skip
    face = EMOTION.faces[0].model_copy(update=signs)
    curves.add(EMOTION.model_copy(update={"captured_at": 1_000 * MS, "faces": (face,)}))
    update = curves.update()
    assert update is not None
    assert update["series"]["pose/drive"]["points"] == [[1_000, -12.3, 3.0, 0.1]]
    assert update["series"]["eyes/drive"] == {
        "unit": "% open", "synthetic": False, "points": [[1_000, 91.2, None]],
    }  # fmt: skip


def test_a_late_page_gets_what_was_before_and_nothing_twice() -> None:
    curves = Curves()
    curves.add(heart(1_000, 60))
    curves.update()
    curves.add(heart(2_000, 61))
    curves.add(Marker(session="s", at=2_500 * MS, label="<b>now</b>"))
    before, update = curves.history(), curves.update()
    assert update is not None
    assert before["series"]["heart_rate/anna"]["points"] == [[1_000, 60]]
    assert update["series"]["heart_rate/anna"]["points"] == [[2_000, 61]]
    assert (before["markers"], len(update["markers"])) == ([], 1)
    assert curves.history()["markers"][0]["label"] == "<b>now</b>"


def test_a_curve_that_has_only_begun_is_no_history_yet() -> None:
    curves = Curves()
    curves.add(heart(1_000, 60))
    assert curves.history()["series"] == {}, "a page cannot draw a curve without a point"
    update = curves.update()
    assert update is not None
    assert update["series"]["heart_rate/anna"]["points"] == [[1_000, 60]]


def test_only_the_last_minutes_are_kept() -> None:
    curves = Curves()
    for second in range(0, 2 * KEPT_MS // 1000):
        curves.add(heart(second * 1000, 60))
    curves.update()
    points = curves.history()["series"]["heart_rate/anna"]["points"]
    assert points[-1][0] - points[0][0] <= KEPT_MS


def test_a_face_that_has_gone_leaves_no_curve_for_ever() -> None:
    """One passes every ten seconds."""
    curves = Curves()
    for track in range(1, 361):
        face = EMOTION.faces[0].model_copy(update={"track": track})
        curves.add(emotion(track * 10_000).model_copy(update={"faces": (face,)}))
        curves.update()
    shown = curves.history()["series"]
    kept = range(360 - KEPT_MS // 10_000, 361)
    assert {name for name in shown if name.startswith("emotion/")} == {
        f"emotion/drive/{track}" for track in kept
    }
    curves.add(heart(4_000_000, 61))  # of a device whose clock is ahead
    curves.update()
    assert curves.history()["series"].keys() == {*shown, "heart_rate/anna"}


def test_time_that_goes_back_begins_anew() -> None:
    curves = Curves()
    curves.add(heart(10_000, 60))
    curves.add(emotion(10_000))
    curves.update()
    curves.add(heart(10_000 - BACK_MS - 1, 70))
    update = curves.update()
    assert update is not None
    assert update["reset"]
    assert list(update["series"]) == ["heart_rate/anna"]


def test_the_heart_rate_is_what_the_device_says_or_what_fusion_makes_of_its_beats() -> None:
    curves = Curves()
    curves.add(state(1_000, 64.0))
    update = curves.update()
    assert update is not None
    assert update["series"]["heart_rate/anna"]["unit"] == "bpm, from beats"
    assert update["series"]["nervousness/anna"]["points"] == [[1_000, 12.3]]
    curves.add(heart(2_000, 61))
    curves.add(state(3_000, 64.0))
    update = curves.update()
    assert update is not None
    curve = update["series"]["heart_rate/anna"]
    assert (curve["unit"], curve["points"]) == ("bpm", [[2_000, 61]])


def test_the_axis_of_a_film_counts_from_the_sessions_start() -> None:
    start = StreamStart.example().model_copy(update={"session_start": 9_000 * MS})
    frame = emotion(10_000).model_copy(update={"media_time": 400 * MS})
    camera = emotion(10_000).model_copy(update={"media_time": None})
    for messages, zero in (
        ([start, frame], 9_000.0),
        ([frame], 9_600.0),  # the start was before we listened: the film's own
        ([start.model_copy(update={"kind": "camera"}), camera], None),
    ):
        curves = Curves()
        for message in messages:
            curves.add(message)
        update = curves.update()
        assert update is not None
        assert update["zero"] == curves.history()["zero"] == zero


def test_the_axis_of_a_camera_after_a_film_is_the_time_of_day() -> None:
    curves = Curves()
    curves.add(emotion(10_000).model_copy(update={"media_time": 400 * MS}))
    curves.clear()
    curves.add(emotion(90_000).model_copy(update={"media_time": None}))
    assert curves.history()["zero"] is None


def test_what_a_lost_sensor_says_is_no_curve() -> None:
    curves = Curves()
    curves.add(heart(1_000, 250, quality=0.0))
    curves.add(state(1_000, 64.0, quality=0.0))
    curves.add(heart(2_000, 61))
    update = curves.update()
    assert update is not None
    assert update["series"]["heart_rate/anna"]["points"] == [[2_000, 61]]
