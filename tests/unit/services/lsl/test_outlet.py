import json
import math
import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from pydantic import JsonValue

from affectline.common.wire.biometrics import OffRoad, Samples, State
from affectline.common.wire.face_signs import DOUBTS, FaceSigns
from affectline.common.wire.messages import Emotion, Marker, Packet
from affectline.services.lsl.lsl_clock import LslClock
from affectline.services.lsl.outlet import (
    EMOTION_CHANNELS,
    LslOutlet,
    emotion_row,
    state_row,
)
from affectline.services.lsl.spec import LslProcess
from affectline.services.sessions.sign_channels import (
    DRIVER_CHANNELS,
    FACE_CHANNELS,
    driver_row,
    face_row,
    has_signs,
)
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
    assert offered == [17] * 3 + [18] * 3 + [20] * 3, "its emotion, faces and signs"


def test_what_a_sensor_sends_again_is_offered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, offered = LslOutlet(LslProcess()), list[int]()
    monkeypatch.setattr(stage, "_outlet", lambda *_: None)
    monkeypatch.setattr(stage, "_push_sample", lambda _outlet, _row, at: offered.append(at))
    samples = Samples.example()
    given = [samples.model_copy(update={"seq": n, "at": AT + n * 10**9}) for n in range(3)]
    marker = Marker(session="s1", at=AT, label="turn")
    for message in (*given[:2], marker, *given, marker):  # a new process reads the table again
        list(stage.handle(Packet(message)))
    assert len(offered) == 3 * len(samples.values) + 1


def test_extra_fields_follow_a_markers_label(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, offered = LslOutlet(LslProcess()), list[list[str]]()
    monkeypatch.setattr(stage, "_outlet", lambda *_: None)
    monkeypatch.setattr(stage, "_push_sample", lambda _outlet, row, _at: offered.append(row))
    told: dict[str, JsonValue] = {"km/h": 63.5, "wo": "Köln", "lanes": [1, 2]}
    for at, extra in enumerate((dict[str, JsonValue](), told)):
        list(stage.handle(Packet(Marker(session="s1", at=AT + at, label="turn", extra=extra))))
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


def test_signs_are_numbers_and_nan_where_unknown() -> None:
    names = [channel.name for channel in FACE_CHANNELS]
    row = dict(zip(names, face_row(SEEN), strict=True))
    assert (row["yaw"], row["pitch"], row["roll"]) == (-12.5, 3.0, -6.0)
    assert (row["blink_duration"], row["perclos"]) == (166.7, 0.021)
    assert (row["doubt_speaking"], row["doubt_dark"]) == (1.0, 0.0)
    assert all(math.isnan(value) for value in face_row(None))
    bare = face_row(FaceSigns())
    assert all(math.isnan(value) for value in bare[: -len(DOUBTS)])
    assert bare[-len(DOUBTS) :] == [0.0] * len(DOUBTS)
    assert has_signs(FaceSigns(doubts=("dark",)))
    assert not has_signs(FaceSigns())
    assert not has_signs(None)


def test_drowsiness_and_looks_away_are_numbers() -> None:
    names = [channel.name for channel in DRIVER_CHANNELS]
    row = dict(zip(names, driver_row(State.example()), strict=True))
    assert row == {
        "drowsiness": 38.0, "drowsiness_quality": 0.9, "long_blinks": 1, "away": 1.0,
        "away_share": 0.25, "away_longest": 2.4, "away_quality": 0.9,
    }  # fmt: skip
    learning = State(subject="a", at=AT, off_road=OffRoad())
    assert [math.isnan(value) for value in driver_row(learning)] == [True] * 6 + [False]


def test_a_stream_without_signs_has_no_stream_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, made = LslOutlet(LslProcess()), list[str]()
    stage._clock = LslClock(lambda: AT, lambda: 0.0)
    monkeypatch.setattr(stage, "_outlet", lambda name, *_: made.append(name))
    monkeypatch.setattr(stage, "_push_sample", lambda *_: None)
    bare = SEEN.model_copy(update={n: f.default for n, f in FaceSigns.model_fields.items()})
    list(stage.handle(Packet(EMOTION.model_copy(update={"faces": (bare,)}))))
    list(stage.handle(Packet(State(subject="anna", at=AT))))
    assert made == [
        "affectline-emotion-drive", "affectline-faces-drive", "affectline-state-anna",
    ]  # fmt: skip


def test_channels_have_units_and_notes_in_the_description() -> None:
    lsl = pytest.importorskip("mne_lsl.lsl", reason="needs mne-lsl (the sensors extra)")
    stage = LslOutlet(LslProcess())
    stage._lsl = lsl
    info = stage._outlet("affectline-face-test", "Face", FACE_CHANNELS).get_sinfo()
    assert info.get_channel_names() == [channel.name for channel in FACE_CHANNELS]
    assert info.get_channel_units() == [channel.unit for channel in FACE_CHANNELS]
    described = ElementTree.fromstring(info.as_xml)
    notes = {one.findtext("label"): one.findtext("note") for one in described.iter("channel")}
    assert notes == {channel.name: channel.note or None for channel in FACE_CHANNELS}
    emotion = stage._outlet("affectline-emotion-test", "Emotion", EMOTION_CHANNELS).get_sinfo()
    assert emotion.get_channel_units() == ["none"] * len(EMOTION_CHANNELS)


def test_the_library_says_nothing_when_it_is_loaded() -> None:
    pytest.importorskip("mne_lsl")
    script = (
        "from affectline.common.lsl_library import import_lsl\n"
        "from affectline.common.stderr import silence_stderr\n"
        "lsl = import_lsl()\n"
        "info = lsl.StreamInfo('a', 'b', 1, 0, 'float32', 'x')\n"
        "with silence_stderr(): outlet = lsl.StreamOutlet(info)\n"
    )
    environment = {name: text for name, text in os.environ.items() if name != "LSLAPICFG"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
