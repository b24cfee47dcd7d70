"""Words for what is missing, from what is said and from silence."""

from typing import Any

import pytest

from affectline.common.runtime.run_watch import SILENT_S
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.health import Health
from affectline.common.wire.kept import Kept
from affectline.common.wire.messages import Emotion, Frame, StreamDone, StreamEnd, StreamStart
from affectline.common.wire.watermark import Watermark
from affectline.services.web.status import (
    GONE_S,
    NO_FRAME_S,
    NO_SAMPLE_S,
    StatusTracker,
)
from tests.fake_clock import Clock
from tests.samples import AT, EMOTION, EPOCH, FRAME, PACKETS


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tracker(clock: Clock) -> StatusTracker:
    return StatusTracker(clock)


def health(service: str, at_s: float = 0.0, **changes: Any) -> Health:
    about = {"pid": 1, "state": "ready", "counters": {"in": 0, "out": 0}} | changes
    return Health.model_validate({"service": service, "at": round(at_s * 1e9), **about})


def start(*, replay: bool = False) -> StreamStart:
    return StreamStart(
        stream="drive",
        epoch=EPOCH,
        started_at=AT,
        received_at=AT,
        session_start=AT,
        kind="film",
        source="0",
        live=True,
        replay=replay,
    )


def stream_status(tracker: StatusTracker) -> tuple[str, str]:
    entry = tracker.to_dict()["streams"]["drive"]
    return entry["status"], entry["detail"]


def test_silence_is_no_pipeline(tracker: StatusTracker, clock: Clock) -> None:
    assert not tracker.to_dict()["running"]
    tracker.add(health("hub"))
    assert tracker.to_dict()["running"]
    clock.now += SILENT_S + 1
    assert not tracker.to_dict()["running"]


def test_a_stream_that_is_well_needs_no_word(tracker: StatusTracker) -> None:
    for message in (start(), FRAME, EMOTION):
        tracker.add(message)
    assert stream_status(tracker) == ("", "")


def test_a_camera_that_was_lost_is_said_by_its_process(tracker: StatusTracker) -> None:
    for message in (start(), FRAME, EMOTION):
        tracker.add(message)
    tracker.add(health("capture/drive", state="degraded", detail="trying again in 2 s"))
    assert stream_status(tracker) == ("no camera", "trying again in 2 s")
    tracker.add(health("capture/drive"))
    assert stream_status(tracker) == ("", "")


def test_a_camera_that_never_came_is_known_from_its_process_alone(tracker: StatusTracker) -> None:
    tracker.add(health("capture/drive", state="degraded", detail="camera 0 does not answer"))
    assert stream_status(tracker) == ("no camera", "camera 0 does not answer")


def test_a_capture_process_that_dies_is_noticed(tracker: StatusTracker, clock: Clock) -> None:
    tracker.add(health("capture/drive"))
    tracker.add(FRAME)
    clock.now += SILENT_S + 0.1
    assert stream_status(tracker) == ("no camera", "its process does not respond")


def test_pictures_that_stop_are_noticed(tracker: StatusTracker, clock: Clock) -> None:
    for message in (start(), FRAME, EMOTION):
        tracker.add(message)
    clock.now += NO_FRAME_S + 0.1
    assert stream_status(tracker) == ("no camera", "no frame for 2 s")
    frame = Frame(**FRAME.identity | {"seq": 8})
    tracker.add(frame)
    assert stream_status(tracker) == ("waiting", "for the first result")
    tracker.add(Emotion(**frame.identity, published_at=AT))
    assert stream_status(tracker) == ("", "")


def test_an_end_says_why(tracker: StatusTracker) -> None:
    tracker.add(start())
    end = StreamEnd(
        stream="drive",
        epoch=EPOCH,
        ended_at=AT,
        received_at=AT,
        last_seq=3,
        reason="truncated",
        detail="cut at 4 s",
    )
    tracker.add(end)
    assert stream_status(tracker) == ("ended", "cut at 4 s")
    tracker.add(start())
    assert stream_status(tracker) == ("waiting", "for the first frame")


def test_a_paused_replay_is_not_a_lost_camera(tracker: StatusTracker, clock: Clock) -> None:
    for message in (start(replay=True), FRAME, EMOTION, PACKETS["Samples"].message):
        tracker.add(message)
    clock.now += 100
    assert stream_status(tracker) == ("", "")
    assert tracker.to_dict()["lost_sensors"] == []


def test_sensors_are_lost_by_silence_by_quality_and_by_their_own_word(
    tracker: StatusTracker, clock: Clock
) -> None:
    good = PACKETS["Samples"].message
    assert isinstance(good, Samples)
    tracker.add(good)
    assert tracker.to_dict()["sensors"][0]["status"] == ""
    clock.now += NO_SAMPLE_S + 1
    entry = tracker.to_dict()["sensors"][0]
    assert (entry["status"], entry["detail"]) == ("sensor lost", "no samples for 6 s")
    tracker.add(good.model_copy(update={"quality": 0.0}))
    entry = tracker.to_dict()["sensors"][0]
    assert (entry["status"], entry["detail"]) == ("sensor lost", "no skin contact")
    tracker.add(health("biometrics/anna/ble", state="degraded", detail="strap is gone"))
    assert tracker.to_dict()["lost_sensors"] == [
        {"name": "biometrics/anna/ble", "detail": "strap is gone"}
    ]


def test_processes_have_rates_and_go_away(tracker: StatusTracker, clock: Clock) -> None:
    tracker.add(health("detector/drive", 1, counters={"in": 100, "out": 90}))
    tracker.add(health("detector/drive", 3, counters={"in": 150, "out": 140, "skipped": 4}))
    (entry,) = tracker.to_dict()["services"]
    assert (entry["rate"], entry["skipped"], entry["state"]) == (25.0, 4, "ready")
    tracker.add(health("detector/drive", 4, pid=2, counters={"in": 1, "out": 1}))
    assert tracker.to_dict()["services"][0]["rate"] == 0.0, "another process: counts from 0"
    clock.now += SILENT_S + 1
    assert tracker.to_dict()["services"][0]["state"] == "away"
    clock.now += GONE_S
    assert tracker.to_dict()["services"] == []


def services(tracker: StatusTracker) -> dict[str, str]:
    return {one["name"]: one["state"] for one in tracker.to_dict()["services"]}


def test_processes_that_have_nothing_more_to_do_are_not_missed(
    tracker: StatusTracker, clock: Clock
) -> None:
    names = ("capture/drive", "detector/drive", "recorder/a", "biometrics/anna/csv", "fusion")
    for name in names:
        tracker.add(health(name))
    about = {"stream": "drive", "epoch": EPOCH}
    tracker.add(StreamEnd.example().model_copy(update=about))
    tracker.add(Kept(by="recorder/a", prefixes=(), keys={}, ended=True))
    tracker.add(Watermark(source="biometrics/anna/csv", at=AT, ended=True))
    tracker.add(Samples.example().model_copy(update={"subject": "anna"}))
    clock.now += NO_SAMPLE_S + 1
    assert services(tracker) == dict.fromkeys(names, "ended") | {"fusion": "away"}
    told = tracker.to_dict()
    assert told["lost_sensors"] == []
    assert [one["status"] for one in told["sensors"]] == [""]
    tracker.add(health("recorder/a", pid=2))
    clock.now += SILENT_S + 1
    assert services(tracker)["recorder/a"] == "away", "another process of that name"


def test_sensors_of_a_subject_are_not_those_of_a_longer_name(
    tracker: StatusTracker, clock: Clock
) -> None:
    for name in ("biometrics/p1/csv", "biometrics/p1-left/csv"):
        tracker.add(health(name))
    tracker.add(Samples.example().model_copy(update={"subject": "p1"}))
    tracker.add(Watermark(source="biometrics/p1/csv", at=AT, ended=True))
    clock.now += NO_SAMPLE_S + 1
    assert [one["status"] for one in tracker.to_dict()["sensors"]] == [""]


def test_another_run_has_nothing_of_the_last(tracker: StatusTracker, clock: Clock) -> None:
    for message in (start(replay=True), health("biometrics/p1/csv"), Samples.example()):
        tracker.add(message)
    clock.now += SILENT_S
    tracker.add(health("dashboard"))
    tracker.clear()
    told = tracker.update()
    assert told, "pages are told at once"
    assert [one["name"] for one in told["services"]] == ["dashboard"]
    assert (told["streams"], told["sensors"], told["lost_sensors"]) == ({}, [], [])
    for later in (start(), FRAME, EMOTION):
        tracker.add(later)
    clock.now += NO_FRAME_S + 0.1
    assert stream_status(tracker)[0] == "no camera", "the last run was a replay, this one is not"


def test_a_run_has_finished_when_all_streams_are_written(
    tracker: StatusTracker, clock: Clock
) -> None:
    assert not tracker.has_finished
    for message in (start(), FRAME, EMOTION, health("fusion")):
        tracker.add(message)
    about = {"stream": "drive", "epoch": EPOCH}
    tracker.add(StreamEnd.example().model_copy(update=about))
    tracker.add(StreamDone.example().model_copy(update=about | {"by": "fusion"}))
    assert not tracker.to_dict()["finished"], "the sink still writes"
    tracker.add(StreamDone.example().model_copy(update=about))
    clock.now += SILENT_S + 1
    assert tracker.to_dict()["finished"]
    assert services(tracker) == {"fusion": "ended"}
    tracker.add(start())
    assert not tracker.has_finished, "it has begun again"
