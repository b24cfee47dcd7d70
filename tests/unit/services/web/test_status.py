"""Words for what is missing, from what is said and from silence."""

from typing import Any

import pytest

from affectline.common.wire.biometrics import Samples
from affectline.common.wire.health import Health
from affectline.common.wire.messages import Emotion, Frame, StreamEnd, StreamStart
from affectline.services.web.status import (
    GONE_S,
    NO_PICTURE_S,
    NO_SAMPLE_S,
    SILENT_S,
    StatusTracker,
)
from tests.samples import AT, EMOTION, EPOCH, FRAME, PACKETS


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def standing(clock: Clock) -> StatusTracker:
    return StatusTracker(clock)


def health(service: str, at_s: float = 0.0, **changes: Any) -> Health:
    about = {"pid": 1, "state": "ready", "counters": {"in": 0, "out": 0}} | changes
    return Health.model_validate({"service": service, "at": round(at_s * 1e9), **about})


def start(*, replay: bool = False) -> StreamStart:
    return StreamStart(
        stream="drive", epoch=EPOCH, started_at=AT, source="0", live=True, replay=replay
    )


def word(standing: StatusTracker) -> tuple[str, str]:
    told = standing.tell()["streams"]["drive"]
    return told["word"], told["detail"]


def test_silence_is_no_pipeline(standing: StatusTracker, clock: Clock) -> None:
    assert not standing.tell()["running"]
    standing.take(health("hub"))
    assert standing.tell()["running"]
    clock.now += SILENT_S + 1
    assert not standing.tell()["running"]


def test_a_stream_that_is_well_needs_no_word(standing: StatusTracker) -> None:
    for message in (start(), FRAME, EMOTION):
        standing.take(message)
    assert word(standing) == ("", "")


def test_a_camera_that_was_lost_is_said_by_its_process(standing: StatusTracker) -> None:
    for message in (start(), FRAME, EMOTION):
        standing.take(message)
    standing.take(health("capture/drive", state="degraded", detail="trying again in 2 s"))
    assert word(standing) == ("no camera", "trying again in 2 s")
    standing.take(health("capture/drive"))
    assert word(standing) == ("", "")


def test_a_camera_that_never_came_is_known_from_its_process_alone(standing: StatusTracker) -> None:
    standing.take(health("capture/drive", state="degraded", detail="camera 0 does not answer"))
    assert word(standing) == ("no camera", "camera 0 does not answer")


def test_a_capture_process_that_dies_is_noticed(standing: StatusTracker, clock: Clock) -> None:
    standing.take(health("capture/drive"))
    standing.take(FRAME)
    clock.now += SILENT_S + 0.1
    assert word(standing) == ("no camera", "its process does not answer")


def test_pictures_that_stop_are_noticed(standing: StatusTracker, clock: Clock) -> None:
    for message in (start(), FRAME, EMOTION):
        standing.take(message)
    clock.now += NO_PICTURE_S + 0.1
    assert word(standing) == ("no camera", "no picture for 2 s")
    frame = Frame(**FRAME.identity | {"seq": 8})
    standing.take(frame)
    assert word(standing) == ("waiting", "for the first answer")
    standing.take(Emotion(**frame.identity, published_at=AT))
    assert word(standing) == ("", "")


def test_an_end_says_why(standing: StatusTracker) -> None:
    standing.take(start())
    end = StreamEnd(
        stream="drive",
        epoch=EPOCH,
        ended_at=AT,
        last_seq=3,
        reason="truncated",
        detail="cut at 4 s",
    )
    standing.take(end)
    assert word(standing) == ("ended", "cut at 4 s")
    standing.take(start())
    assert word(standing) == ("waiting", "for the first picture")


def test_a_paused_replay_is_not_a_lost_camera(standing: StatusTracker, clock: Clock) -> None:
    for message in (start(replay=True), FRAME, EMOTION, PACKETS["Samples"].message):
        standing.take(message)
    clock.now += 100
    assert word(standing) == ("", "")
    assert standing.tell()["lost_sensors"] == []


def test_sensors_are_lost_by_silence_by_quality_and_by_their_own_word(
    standing: StatusTracker, clock: Clock
) -> None:
    good = PACKETS["Samples"].message
    assert isinstance(good, Samples)
    standing.take(good)
    assert standing.tell()["sensors"][0]["word"] == ""
    clock.now += NO_SAMPLE_S + 1
    told = standing.tell()["sensors"][0]
    assert (told["word"], told["detail"]) == ("sensor lost", "nothing for 6 s")
    standing.take(good.model_copy(update={"quality": 0.0}))
    told = standing.tell()["sensors"][0]
    assert (told["word"], told["detail"]) == ("sensor lost", "no skin contact")
    standing.take(health("biometrics/anna-ble", state="degraded", detail="strap is gone"))
    assert standing.tell()["lost_sensors"] == [
        {"name": "biometrics/anna-ble", "detail": "strap is gone"}
    ]


def test_processes_have_rates_and_go_away(standing: StatusTracker, clock: Clock) -> None:
    standing.take(health("detector/drive", 1, counters={"in": 100, "out": 90}))
    standing.take(health("detector/drive", 3, counters={"in": 150, "out": 140, "skipped": 4}))
    (told,) = standing.tell()["services"]
    assert (told["rate"], told["skipped"], told["state"]) == (25.0, 4, "ready")
    standing.take(health("detector/drive", 4, pid=2, counters={"in": 1, "out": 1}))
    assert standing.tell()["services"][0]["rate"] == 0.0, "another process: counts from 0"
    clock.now += SILENT_S + 1
    assert standing.tell()["services"][0]["state"] == "away"
    clock.now += GONE_S
    assert standing.tell()["services"] == []
