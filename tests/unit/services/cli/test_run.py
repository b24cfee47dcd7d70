"""The progress of a run."""

import time

import pytest
from rich.progress import Progress

from affectline.common.wire.messages import Packet, StreamStart
from affectline.services.cli.run import RunProgress
from tests.samples import EMOTION


def test_progress_counts_frames_and_the_time_to_the_first_emotion() -> None:
    observer = RunProgress(time.monotonic() - 5)
    observer.progress = Progress(disable=True)
    start = StreamStart(
        stream=EMOTION.stream, epoch=EMOTION.epoch, started_at=0, received_at=0, session_start=0,
        kind="film", source="a.mp4", live=False, frames=500,
    )  # fmt: skip
    observer.on_message(Packet(start))
    assert observer.first_emotion_s is None
    observer.on_message(Packet(EMOTION))
    first = observer.first_emotion_s
    assert first == pytest.approx(5, abs=1)
    observer.on_message(Packet(EMOTION.model_copy(update={"seq": 99, "faces": ()})))
    (task,) = observer.progress.tasks
    assert (task.completed, task.total) == (100, 500)
    assert task.description == f"{EMOTION.stream}  no face"
    assert observer.first_emotion_s == first
