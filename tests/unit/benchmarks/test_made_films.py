"""Films made of a clip have the frames that they should have."""

from pathlib import Path

import av
import numpy as np
import pytest

from tests.benchmarks.clips import Clip, read_rate
from tests.benchmarks.made_films import (
    CANVAS,
    MOST_FACES,
    FilmShelf,
    read_pictures,
    tile,
    write_loop,
)
from tests.films import film, picture


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    return Clip(film(tmp_path / "clip.mp4", 7, rate=25), (64, 48), 7)


def times_s(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.time or 0) for frame in container.decode(video=0)]


@pytest.mark.parametrize(("rate", "expected"), [(None, 25.0), (50.0, 50.0), (0.5, 0.5)])
def test_a_clip_is_looped_without_encoding_it_again(
    clip: Clip, tmp_path: Path, rate: float | None, expected: float
) -> None:
    write_loop(clip, tmp_path / "loop.mp4", 21, rate)
    times = times_s(tmp_path / "loop.mp4")
    assert times == pytest.approx([number / expected for number in range(21)], abs=1e-3)
    once, looped = (list(read_pictures(path)) for path in (clip.path, tmp_path / "loop.mp4"))
    assert all(np.array_equal(looped[n], once[n % 7]) for n in range(21))


@pytest.mark.skipif("libx264" not in av.codecs_available, reason="no encoder for H.264 here")
def test_no_frame_is_lost_of_a_clip_whose_frames_are_reordered(tmp_path: Path) -> None:
    path = tmp_path / "reordered.mp4"
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=24)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        stream.options = {"bf": "3", "b_strategy": "0"}
        for number in range(24):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), format="bgr24")))
        film.mux(stream.encode(None))
    write_loop(Clip(path, (128, 96), 24), tmp_path / "loop.mp4", 24, 30)
    assert times_s(tmp_path / "loop.mp4") == pytest.approx([n / 30 for n in range(24)], abs=1e-3)
    with av.open(str(tmp_path / "loop.mp4")) as looped:
        video = looped.streams.video[0]
        unit = float(video.time_base or 0)
        # A last packet that is too short ends the film before the frame that is shown last
        lasting = [one.duration * unit for one in looped.demux(video) if one.duration]
    assert lasting == pytest.approx([1 / 30] * 24, abs=1e-3)


def test_films_are_made_once(clip: Clip, tmp_path: Path) -> None:
    shelf = FilmShelf(clip, tmp_path / "films")
    first = shelf.enlarge((128, 96), 10)
    written = first.path.stat().st_mtime_ns
    assert shelf.enlarge((128, 96), 10).path.stat().st_mtime_ns == written
    assert [one.shape for one in read_pictures(first.path)] == [(96, 128, 3)] * 10
    assert read_rate(first.path) == 30
    assert [path for path in (tmp_path / "films").iterdir() if "begun" in path.name] == []


def test_a_clip_of_another_size_is_shown_live_at_the_usual_one(clip: Clip, tmp_path: Path) -> None:
    live = FilmShelf(clip, tmp_path / "films").live(5)
    assert [one.shape for one in read_pictures(live.path)] == [(360, 640, 3)] * 5


def test_faces_are_shown_in_cells_of_their_own() -> None:
    shown = picture(0, (400, 300))
    shown[:] = 200
    for count in (0, 1, MOST_FACES):
        canvas = tile(shown, (50, 20, 200), count)
        assert canvas.shape == (CANVAS[1], CANVAS[0], 3)
        assert np.count_nonzero(canvas == 200) == count * 300 * 300 * 3


def test_a_film_of_faces_has_the_size_of_its_canvas(clip: Clip, tmp_path: Path) -> None:
    found = FilmShelf(clip, tmp_path / "films").faces(2, 3)
    assert [one.shape for one in read_pictures(found.path)] == [(720, 1280, 3)] * 3
