"""The fusion stage: whose messages are whose, and calibration by marker."""

from typing import Any

import pytest

from affectline.common.runtime.event_time import LIVE_WAIT_S
from affectline.common.runtime.stage import StageContext
from affectline.common.settings.fusion import FusionSettings
from affectline.common.settings.hub import Delivery
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import State
from affectline.common.wire.control import Calibrate, Control
from affectline.common.wire.messages import Emotion, Marker, Packet, StreamDone, StreamStart
from affectline.services.fusion.spec import FusionProcess
from affectline.services.fusion.stage import MOST_SUBJECTS, Fusion
from tests.samples import EMOTION
from tests.unit.services.fusion.test_subject import FEAR, SECOND, START, rate, skin


def stage(
    settings: FusionSettings | None = None,
    delivery: Delivery = "lossless",
    people: bool = False,
    **more: Any,
) -> Fusion:
    process = FusionProcess(settings=settings or FusionSettings(), streams_are_people=people)
    fusion = Fusion(process, **more)
    fusion.context = StageContext("fusion", delivery)
    fusion.setup()
    return fusion


def feed(fusion: Fusion, *messages: Message) -> list[State]:
    return [
        packet.message
        for message in messages
        for packet in fusion.handle(Packet(message))
        if isinstance(packet.message, State)
    ]


def emotion(at_s: float, stream: str = "front") -> Emotion:
    big = EMOTION.faces[0].model_copy(update={"probabilities": FEAR})
    small = EMOTION.faces[0].model_copy(update={"box": (0, 0, 20, 20)})
    return EMOTION.model_copy(
        update={
            "stream": stream,
            "seq": round(at_s * 10),
            "captured_at": START + round(at_s * SECOND),
            "faces": (small, big, EMOTION.faces[1]),
        }
    )


def marker(at_s: float, **extra: str | float) -> Marker:
    return Marker(
        session="s1", at=START + round(at_s * SECOND), label="calibrate", extra=dict(extra)
    )


@pytest.mark.parametrize("streams", [{}, {"rear": "passenger"}])
def test_streams_that_are_taken_for_one_person_are_named(
    streams: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    fusion = stage(FusionSettings(streams=streams))
    feed(fusion, *(emotion(at, stream) for at in range(3) for stream in ("front", "rear")))
    told = "front and rear are taken to show the same person, person; if they do not, set fusion"
    assert caplog.text.count(told) == (not streams)
    assert caplog.text.count("the same person") == (not streams)


def test_a_face_without_a_sensor_belongs_to_the_default_subject() -> None:
    states = feed(stage(), emotion(0), emotion(1))
    assert [state.subject for state in states] == ["person", "person"]
    assert states[-1].valence == pytest.approx(-0.64)


@pytest.mark.parametrize(
    ("streams", "without", "beside"),
    [
        ({}, {"front", "rear"}, {"driver"}),
        ({"rear": "passenger"}, {"front", "passenger"}, {"driver", "passenger"}),
    ],
)
def test_several_streams_are_several_people_until_one_person_has_sensors(
    streams: dict[str, str], without: set[str], beside: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    fusion = stage(FusionSettings(streams=streams), people=True)

    def subjects(at_s: float) -> set[str]:
        return {s.subject for s in feed(fusion, emotion(at_s), emotion(at_s, "rear"))}

    assert subjects(0) == subjects(1) == without
    assert "the same person" not in caplog.text
    assert [state.subject for state in feed(fusion, skin(2, 3.0))] == ["driver"]
    assert subjects(3) == beside
    assert caplog.text.count("front and rear are taken to show the same person") == (not streams)
    second = skin(4, 3.0).model_copy(update={"subject": "second"})
    assert [state.subject for state in feed(fusion, second)] == ["second"]
    assert subjects(5) == without, "nobody can tell which of the two they show"


def test_a_repeated_emotion_changes_nothing() -> None:
    states = feed(stage(), emotion(0), emotion(1), emotion(0), emotion(1))
    assert len(states) == 2


def test_the_end_of_a_stream_is_confirmed_once() -> None:
    end = StreamDone(stream="front", epoch=1, last_seq=7, done_at=START)
    fusion = stage()
    (confirmed,) = fusion.handle(Packet(end))
    assert isinstance(confirmed.message, StreamDone)
    assert (confirmed.message.by, confirmed.message.last_seq) == ("fusion", 7)
    assert not list(fusion.handle(confirmed))


def test_the_face_is_the_sensors_subject_once_there_is_one() -> None:
    states = feed(stage(), emotion(0), emotion(1), skin(2, 3.0), emotion(3), skin(4, 3.0))
    assert [state.subject for state in states] == ["person", "person", "driver", "driver", "driver"]
    assert states[-1].valence is not None
    assert states[-1].nervousness is not None


def beside(at_s: float, *yaws_and_sizes: tuple[float, int]) -> Emotion:
    """A result with several faces, whose tracks are numbered from 1; ten a second."""
    faces = tuple(
        EMOTION.faces[0].model_copy(
            update={"track": i, "box": (0, 0, size, size), "yaw": yaw, "pitch": 0.0, "doubts": ()}
        )
        for i, (yaw, size) in enumerate(yaws_and_sizes, start=1)
    )
    return emotion(at_s).model_copy(update={"faces": faces})


def yaw_of(state: State) -> float | None:
    assert state.off_road
    return state.off_road.contributions["yaw"].value


def test_the_same_face_is_followed_until_another_is_twice_as_large() -> None:
    fusion = stage()
    driver, larger, much_larger, alone = feed(
        fusion,
        beside(0, (5.0, 100), (-60.0, 80)),
        beside(0.1, (5.0, 100), (-60.0, 130)),
        beside(0.2, (5.0, 100), (-60.0, 150)),
        beside(0.3, (7.0, 100)),
    )
    assert [yaw_of(s) for s in (driver, larger, much_larger, alone)] == [5.0, 5.0, -60.0, 7.0]


def test_a_frame_that_nobody_looked_at_is_no_frame_without_a_face() -> None:
    def last(**change: object) -> State:
        fusion = stage()
        feed(fusion, *(beside(i / 10, (5.0, 100)) for i in range(600)))
        nothing = [beside(60 + i / 10).model_copy(update={"faces": (), **change}) for i in range(9)]
        return feed(fusion, *nothing)[-1]

    skipped, empty = last(missing="behind").off_road, last().off_road
    assert skipped
    assert (skipped.now, skipped.unknown) == ("ahead", 0)
    assert empty
    assert empty.now == "unknown"
    assert empty.unknown > 0


def test_settings_assign_streams_to_subjects() -> None:
    fusion = stage(FusionSettings(streams={"rear": "child"}))
    states = feed(fusion, skin(0, 3.0), emotion(1, "rear"), emotion(2, "front"))
    assert [state.subject for state in states] == ["driver", "child", "driver"]
    states = feed(stage(FusionSettings(subject="anna")), skin(0, 3.0), emotion(1))
    assert {state.subject for state in states} == {"anna"}


def test_other_tools_may_use_other_units() -> None:
    usual = feed(stage(), *(skin(second, 3.0) for second in range(20)))
    message = skin(0, 3.0)
    nano = {"unit": "nS"}
    others = feed(stage(), *(skin(i, 3000.0).model_copy(update=nano) for i in range(20)))
    assert others[-1].signals["skin"].value == pytest.approx(3.0)
    assert [state.quality for state in others] == [state.quality for state in usual]
    fusion = stage()
    assert not feed(fusion, message.model_copy(update={"unit": "ohm"}))
    assert fusion.context.counters["invalid"] == 1
    warm = message.model_copy(update={"signal": "temperature", "unit": "[degRe]"})
    assert not feed(fusion, warm)
    assert fusion.context.counters["invalid"] == 1


def test_a_replay_that_begins_again_repeats_its_states() -> None:
    fusion = stage()
    start = StreamStart(
        stream="front",
        epoch=7,
        started_at=START,
        received_at=START,
        session_start=START,
        kind="film",
        source="0",
        live=True,
        replay=True,
    )
    rounds = []
    for i in range(3):
        again = start.model_copy(update={"epoch": 7 + i})
        faces = [emotion(j / 10).model_copy(update={"epoch": 7 + i}) for j in range(40)]
        signals = [skin(j / 2, 3.0) for j in range(8)]
        rounds.append(feed(fusion, again, *signals, *faces))
    assert [len(states) for states in rounds] == [len(rounds[0])] * 3
    assert [state.at for state in rounds[2]] == [state.at for state in rounds[0]]


def test_a_camera_that_restarts_continues_in_time() -> None:
    fusion = stage()
    start = StreamStart(
        stream="front",
        epoch=7,
        started_at=START,
        received_at=START,
        session_start=START,
        kind="film",
        source="0",
        live=True,
    )
    feed(fusion, start, *(skin(second, 3.0) for second in range(5)))
    later = {"epoch": 8, "started_at": START + 5 * SECOND, "replay": True}
    (state,) = feed(fusion, start.model_copy(update=later), skin(5, 3.0))
    assert state.at == START + round(5.375 * SECOND)
    assert state.signals["skin"].value == pytest.approx(3.0)


def test_two_subjects_do_not_mix() -> None:
    fusion = stage()
    other = rate(1, 70).model_copy(update={"subject": "passenger"})
    states = feed(fusion, skin(0, 3.0), other, emotion(2))
    assert [state.subject for state in states] == ["driver", "passenger", "person"]


def test_a_marker_starts_a_calibration() -> None:
    fusion = stage()
    feed(fusion, *(skin(second / 2, 3.0) for second in range(40)))
    feed(fusion, marker(20, seconds=30))
    during = feed(fusion, *(skin(20 + second / 2, 3.0) for second in range(2, 40)))
    assert during[-1].baseline == "calibrating"
    after = feed(fusion, *(skin(40 + second / 2, 3.0) for second in range(40)))
    assert after[-1].baseline == "calibrated"
    assert after[-1].baseline_s == pytest.approx(30, abs=1)


def test_a_calibration_may_start_before_any_subject_appears() -> None:
    fusion = stage()
    feed(fusion, marker(0))
    states = feed(fusion, *(skin(second, 3.0) for second in range(70)))
    assert states[30].baseline == "calibrating"
    assert states[-1].baseline == "calibrated"


@pytest.mark.parametrize("seconds", [0, -5, "soon", 1e9, True])
def test_an_invalid_calibration_is_counted_and_ignored(seconds: str | float) -> None:
    fusion = stage()
    feed(fusion, skin(0, 3.0), marker(1, seconds=seconds))
    states = feed(fusion, skin(2, 3.0))
    assert states[-1].baseline == "continuous"
    assert fusion.context.counters["invalid"] == 1


def test_a_calibration_of_one_subject_leaves_the_others() -> None:
    fusion = stage()
    other = [rate(second, 70).model_copy(update={"subject": "p2"}) for second in range(20)]
    feed(fusion, *(skin(second, 3.0) for second in range(20)), *other, marker(20, subject="driver"))
    states = feed(
        fusion,
        skin(21, 3.0),
        skin(22, 3.0),
        other[-1].model_copy(update={"at": START + 23 * SECOND}),
    )
    assert states[-1].baseline == "continuous"
    assert states[-2].baseline == "calibrating"


def test_a_calibration_of_nobody_who_is_there_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fusion = stage()
    feed(fusion, skin(0, 3.0), marker(1), marker(1, subject="driver"), marker(1, subject="Driver"))
    feed(fusion, marker(2, subject="Driver"))
    assert [record.getMessage() for record in caplog.records] == [
        "calibrate: nobody called Driver is measured or seen; there are: driver"
    ]


def test_later_subjects_are_calibrated_too_while_it_lasts() -> None:
    fusion = stage()
    feed(fusion, skin(0, 3.0), marker(1, seconds=30), marker(1, subject="p3", seconds=600))
    late = [rate(at_s, 70) for at_s in (20, 100, 200)]
    named = [m.model_copy(update={"subject": f"p{i + 1}"}) for i, m in enumerate(late)]
    states = feed(fusion, *named)
    assert [s.baseline for s in states] == ["calibrating", "none", "calibrating"]


def test_a_picture_without_face_or_subject_gives_no_state() -> None:
    empty = emotion(0).model_copy(update={"faces": ()})
    assert not feed(stage(), empty)
    (_, state) = feed(
        stage(), skin(0, 3.0), empty.model_copy(update={"captured_at": START + 9**11})
    )
    assert state.signals["face"].reason == "no face in sight"


def test_states_continue_in_silence_in_live_delivery() -> None:
    now_s = 0.0
    fusion = stage(delivery="live", clock=lambda: now_s)

    def tick() -> list[State]:
        return [p.message for p in fusion.tick() if isinstance(p.message, State)]

    assert not feed(fusion, skin(0, 3.0)), "it is held: an earlier one may come"
    now_s = LIVE_WAIT_S
    (first,) = tick()
    silent = []
    for _ in range(40):
        now_s += 1
        silent += tick()
    assert len(silent) == 40
    assert silent[-1].at - first.at == 40 * SECOND
    assert silent[-1].quality == 0


def test_without_loss_silence_is_no_time() -> None:
    now_s = 0.0
    fusion = stage(clock=lambda: now_s)
    assert feed(fusion, skin(0, 3.0))
    now_s = 40.0
    assert not list(fusion.tick())


def test_a_command_calibrates_as_a_marker_does() -> None:
    def calibrated(message: Message) -> State:
        fusion = stage()
        feed(fusion, skin(0, 3.0), message)
        return feed(fusion, *(skin(at_s, 3.0) for at_s in range(1, 9)))[-1]

    action = Calibrate(subject="driver", seconds=5)
    by_command = calibrated(Control(target="fusion", at=START, action=action))
    assert by_command == calibrated(marker(0, subject="driver", seconds=5))
    assert by_command.baseline == "calibrated"


def test_people_who_are_made_up_are_forgotten_before_those_who_are_measured() -> None:
    seconds = 0.0
    fusion = stage(clock=lambda: seconds)
    feed(fusion, rate(0, 70.0))
    for number in range(1000):
        seconds += 1
        feed(fusion, rate(number, 70.0).model_copy(update={"subject": f"n{number}"}))
        feed(fusion, rate(number + 0.5, 70.0), marker(number, subject=f"m{number}"))
    assert len(fusion._subjects) == MOST_SUBJECTS
    assert len(fusion._calibrations) <= MOST_SUBJECTS
    assert rate(0, 70.0).subject in fusion._subjects
