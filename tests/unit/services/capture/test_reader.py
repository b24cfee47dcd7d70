"""Reading, and what happens when it fails."""

import threading
from pathlib import Path

import pytest

from affectline.common.runtime.in_flight import InFlightWindow
from affectline.common.runtime.stage import StageContext
from affectline.common.settings.sources import CaptureSettings, SourceSettings
from affectline.services.capture.frame_source import Notes, SourceEnd
from affectline.services.capture.reader import BACKLOG, EncodedFrame, SourceReader
from tests.films import film


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
