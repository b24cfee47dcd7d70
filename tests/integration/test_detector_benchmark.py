"""The measurements of the detector, on a short film with faces and without."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from affectline.services.capture.sample_clip import find_sample
from tests.benchmarks.detector_runs import DetectorOptions, DetectorRun, read_clip, run_in_turn
from tests.benchmarks.detector_times import LANES, measure_clip
from tests.benchmarks.films import Film
from tests.benchmarks.recall import BACKENDS, measure_film

FRAMES = 8
FIRST = 20
"""Frame of the sample clip from which on the cascade has the face, too."""


@pytest.fixture(scope="module")
def short_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many frames with a face, then as many of a gray wall."""
    path = tmp_path_factory.mktemp("films") / "short.mp4"
    sample = cv2.VideoCapture(str(find_sample()))
    pictures = [sample.read()[1] for _ in range(FIRST + FRAMES)][FIRST:]
    sample.release()
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (width, height))
    for picture in [*pictures, *(np.full_like(pictures[0], 127) for _ in range(FRAMES))]:
        writer.write(picture)
    writer.release()
    return path


def test_the_detectors_time_is_measured_for_every_choice(short_film: Path) -> None:
    times = measure_clip("short", read_clip(short_film, FRAMES), rounds=2)
    assert (times.frames, times.ratio.n, len(times.options)) == (FRAMES, 2, len(LANES))
    for option in times.options:
        assert FRAMES - 2 <= option.found <= option.faces <= FRAMES
        assert 0 < option.p50 <= option.p99
    assert times.added_ms("landmarks + pose + eyes") is not None


def test_rounds_begin_anew_and_faces_are_the_same_in_each(short_film: Path) -> None:
    clip = read_clip(short_film, FRAMES)
    options = DetectorOptions("net")
    used, fresh = DetectorRun(options.settings), DetectorRun(options.settings)
    (first,) = run_in_turn(clip, [used], rounds=2)
    (again,), (alone,) = run_in_turn(clip, [used], 1), run_in_turn(clip, [fresh], 1)
    assert first.ms.shape == (2, FRAMES)
    assert len({one.faces for one in (first, again, alone)}) == 1
    assert [len(tracks) for tracks in again.tracks] == [len(tracks) for tracks in alone.tracks]


def test_faces_are_counted_by_what_frames_show(short_film: Path) -> None:
    film = Film(short_film, [(0, FRAMES - 1)], [(FRAMES, 2 * FRAMES)])
    found = measure_film(film, rounds=1)
    assert (found.film, found.frames, found.shown, found.empty) == ("short", 16, FRAMES, FRAMES)
    for runs in (found.plain, found.framed):
        assert tuple(one.backend for one in runs) == BACKENDS
        assert all(FRAMES - 2 <= one.found <= FRAMES and one.tracks == 1 for one in runs)
        assert all(one.false_faces == 0 for one in runs)
