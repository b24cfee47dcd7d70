"""Reading, and what happens when it fails."""

import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from affectline.common.runtime.in_flight import InFlightWindow
from affectline.common.runtime.stage import StageContext
from affectline.common.settings.sources import CaptureSettings, SourceSettings
from affectline.services.capture.frame_source import Notes, SourceEnd, SourceFrame
from affectline.services.capture.reader import (
    BACKLOG,
    DEFAULT_RATE,
    PICTURE_STEP_NS,
    EncodedFrame,
    FilmTiming,
    SourceReader,
)
from tests.films import film, picture

SECOND = 1_000_000_000


def read(
    source: str, skip: int = 0, rate: float | None = None
) -> tuple[SourceReader, list[EncodedFrame]]:
    """Read a whole source as if all consumers were there and answered at once."""
    context = StageContext("capture/a", "lossless", ready={"detector/a", "classifier/1", "sink"})
    woken = threading.Event()
    context.wake = woken.set
    settings = CaptureSettings(rate=rate)
    named = SourceSettings(name="a", source=source)
    reader = SourceReader(named, settings, "fast", InFlightWindow(), context, skip)
    reader.open(patient=False)
    reader.start()
    pictures = []
    while reader.is_alive() or reader.queue:
        woken.wait(timeout=0.1)
        woken.clear()
        while (picture := reader.pop()) is not None:
            pictures.append(picture)
    reader.join()
    return reader, pictures


def test_going_on_gives_the_frames_that_are_missing(tmp_path: Path) -> None:
    path = str(film(tmp_path / "a.mp4", 50))
    for rate in (None, 5.0):
        _, whole = read(path, rate=rate)
        _, rest = read(path, skip=4, rate=rate)
        assert [(p.seq, p.media_time) for p in rest] == [(p.seq, p.media_time) for p in whole][4:]


def test_live_every_number_that_is_given_is_published_however_late(tmp_path: Path) -> None:
    context = StageContext("capture/a", "live", ready={"detector/a", "classifier/1", "sink"})
    named = SourceSettings(name="a", source=str(film(tmp_path / "a.mp4", 50)))
    reader = SourceReader(named, CaptureSettings(), "fast", InFlightWindow(), context, 0)
    reader.open(patient=False)
    reader.start()
    reader.join()  # its own loop hangs all the while
    waiting = [frame.seq for frame in iter(reader.pop, None)]
    assert waiting == list(range(BACKLOG))
    assert context.counters["skipped"] == 50 - BACKLOG


def test_whatever_goes_wrong_while_reading_is_not_kept_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(film(tmp_path / "a.mp4", 5))
    monkeypatch.setattr(SourceReader, "_encode", lambda *_: 1 / 0)
    reader, pictures = read(path)
    assert pictures == []
    assert isinstance(reader.failure, ZeroDivisionError)


def test_a_film_that_vanishes_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", 50)
    context = StageContext("capture/a", "lossless")
    named = SourceSettings(name="a", source=str(path))
    reader = SourceReader(named, CaptureSettings(), "fast", InFlightWindow(), context, 0)
    reader.open(patient=False)
    path.unlink()
    assert reader.opened
    count = 0
    while reader.opened.read() is not None:
        count += 1
    assert count == 50
    assert reader.opened.ending().reason == "end"
    reader.opened.close()


def test_a_camera_lost_before_anybody_is_there_is_asked_now_and_then_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    context = StageContext("capture/a", "lossless")
    named = SourceSettings(name="a", source="sample")
    window = InFlightWindow()
    reader = SourceReader(named, CaptureSettings(), "fast", window, context, 0)
    waits: list[float] = []
    monkeypatch.setattr(window.changed, "wait", lambda timeout: waits.append(timeout))
    asked = []

    class Lost:
        live = True
        rate: float | None = None
        frames: int | None = None
        duration_s: float | None = None
        damage = Notes("could not be read")
        remarks = Notes("left out")

        def read(self) -> None:
            asked.append(1)
            if len(asked) == 2:
                reader.stopping.set()

        def ending(self) -> SourceEnd:
            return SourceEnd("lost")

        def close(self) -> None: ...

    reader.opened = Lost()
    reader.run()
    assert len(asked) == 2
    assert waits[0] == 1, "a second between two reads"


class ListedFrames:
    """Frames in memory as a source."""

    live = False
    rate: float | None = None
    duration_s: float | None = None

    def __init__(self, frames: list[SourceFrame]) -> None:
        self._frames = iter(frames)
        self.frames: int | None = len(frames)
        self.damage, self.remarks = Notes("could not be read"), Notes("left out")

    def read(self) -> SourceFrame | None:
        return next(self._frames, None)

    def ending(self) -> SourceEnd:
        return SourceEnd("damaged" if self.damage.count else "end")

    def close(self) -> None: ...


def test_a_frame_that_cannot_be_sent_has_no_number_however_often_the_film_is_continued() -> None:
    wide, small = np.zeros((1, 70_000, 3), np.uint8), np.zeros((1, 16, 3), np.uint8)
    images = [small, wide, small, small, wide, small]
    frames = [SourceFrame(image, number) for number, image in enumerate(images)]

    def rest(skip: int) -> list[tuple[int, int | None]]:
        context = StageContext("capture/a", "lossless", ready={"detector/a", "classifier", "sink"})
        reader = SourceReader(
            SourceSettings(name="a", source="a.mp4"), CaptureSettings(), "fast", InFlightWindow(),
            context, skip, open_source=lambda *_: ListedFrames(frames),
        )  # fmt: skip
        reader.open(patient=False)
        reader.run()
        assert reader.ending == SourceEnd("damaged"), "the frames skipped were damaged, too"
        return [(frame.seq, frame.media_time) for frame in reader.queue]

    assert rest(0) == [(0, 0), (1, 2), (2, 3), (3, 5)]
    assert rest(3) == [(3, 5)]


class ChangingSet(set[str]):
    """A set that another thread changes whenever it is iterated over."""

    def __iter__(self) -> Iterator[str]:
        for name in super().__iter__():
            self.add(f"{name}/other")
            yield name


def test_consumers_may_come_while_missing_ones_are_looked_for() -> None:
    context = StageContext("capture/a", "lossless", ready=ChangingSet({"classifier/1", "sink"}))
    named = SourceSettings(name="a", source="sample")
    reader = SourceReader(named, CaptureSettings(), "fast", InFlightWindow(), context, 0)
    assert reader.missing_consumers() == ["detector/a"]


@pytest.mark.parametrize(
    ("name", "step"), [("pictures", PICTURE_STEP_NS), ("film", SECOND / DEFAULT_RATE)]
)
def test_a_loop_goes_on_one_step_after_its_last_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, step: float
) -> None:
    if name == "film":
        source = film(tmp_path / "film.mp4", 3)
    else:
        source = tmp_path / name
        source.mkdir()
        for number in range(3):
            cv2.imwrite(str(source / f"{number}.png"), picture(number))
    context = StageContext("capture/a", "lossless", ready={"detector/a", "classifier", "sink"})
    named = SourceSettings(name="a", source=str(source), loop=True)
    reader = SourceReader(
        named, CaptureSettings(), "realtime", InFlightWindow(), context, 0,
        begin=lambda: FilmTiming(begins_at=SECOND, ends_at=SECOND + round(7.5 * step)),
    )  # fmt: skip
    clock = [0.0]

    def wait(seconds: float) -> bool:
        clock[0] += max(0, seconds)
        return False

    monkeypatch.setattr("affectline.services.capture.frame_pacer.monotonic", lambda: clock[0])
    monkeypatch.setattr(reader.stopping, "wait", wait)
    monkeypatch.setattr("affectline.services.capture.reader.PUBLISH_S", 0)
    reader.open(patient=False)
    reader.run()
    times = [frame.captured_at - SECOND for frame in reader.queue]
    assert times == pytest.approx([number * step for number in range(8)])
    assert clock[0] == pytest.approx(7 * step / SECOND), "in real time, the rounds included"
