"""Films made of the benchmarks' clip: longer ones, larger ones, and ones with more faces.

They are kept in ``.cache/bench/films``, because making the large ones takes minutes.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.clips import LIVE_RATE, LIVE_SIZE, Clip, write_live_clip
from tests.benchmarks.environment import FOLDER

FILMS: Final = FOLDER / "films"
CANVAS: Final = (1280, 720)
CELLS: Final = (4, 2)
"""Columns and rows of faces in a film of several."""
MOST_FACES: Final = CELLS[0] * CELLS[1]
_FACE_SIDE: Final = 300
"""Side in pixels of the part of the clip that a cell shows: its face and some of what is around."""
_GRAY: Final = 96
_QUALITY: Final = {"crf": "20", "preset": "veryfast"}
"""About the rate of bits that a camera's film of this size has."""
_TIME_BASE: Final = Fraction(1, 90_000)


class FilmShelf:
    """Films made of a clip, each made once.

    Args:
        clip: What they are made of.
        folder: Where they are kept.
    """

    def __init__(self, clip: Clip, folder: Path = FILMS) -> None:
        self.clip, self._folder = clip, folder
        content = hashlib.sha256(clip.path.read_bytes()).hexdigest()
        self._prefix = f"{clip.path.stem}-{content[:8]}"

    def loop(self, frames: int, rate: float | None = None) -> Clip:
        """The clip over and over, its packets copied and not encoded again.

        Args:
            frames: The film's number of frames.
            rate: Frames a second; None: the clip's own.
        """
        speed = "own" if rate is None else f"{rate:g}"
        path = self._make(
            f"copies-{frames}-{speed}.mp4", lambda at: write_loop(self.clip, at, frames, rate)
        )
        return Clip(path, self.clip.size, frames)

    def live(self, frames: int) -> Clip:
        """The clip at 30 frames a second and 640x360; encoded again only if it has another size."""
        if self.clip.size == LIVE_SIZE and _codec(self.clip.path) == "h264":
            return self.loop(frames, LIVE_RATE)
        path = self._make(f"live-{frames}.mp4", lambda at: write_live_clip(self.clip, at, frames))
        return Clip(path, LIVE_SIZE, frames)

    def enlarge(self, size: tuple[int, int], frames: int, rate: float = LIVE_RATE) -> Clip:
        """The clip in another size.

        Args:
            size: Width and height in pixels.
            frames: The film's number of frames.
            rate: Frames a second.
        """

        def pictures() -> Iterator[NDArray[np.uint8]]:
            for picture in self._pictures(frames):
                larger = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
                yield np.asarray(larger, np.uint8)

        name = f"{size[0]}x{size[1]}-{frames}-{rate:g}.mp4"
        return Clip(self._make(name, lambda at: encode_film(at, pictures(), rate)), size, frames)

    def faces(self, count: int, frames: int) -> Clip:
        """A film of 1280x720 that shows the clip's face so many times, on gray."""

        def pictures() -> Iterator[NDArray[np.uint8]]:
            window = None
            for picture in self._pictures(frames):
                window = window or _find_window(picture)
                yield tile(picture, window, count)

        path = self._make(
            f"faces-{count}-{frames}.mp4", lambda at: encode_film(at, pictures(), LIVE_RATE)
        )
        return Clip(path, CANVAS, frames)

    def _pictures(self, frames: int) -> Iterator[NDArray[np.uint8]]:
        left = frames
        while left:
            before = left
            for picture in read_pictures(self.clip.path):
                yield picture
                left -= 1
                if not left:
                    return
            if left == before:
                raise RuntimeError(f"{self.clip.path} has no frames")

    def _make(self, name: str, write: Callable[[Path], object]) -> Path:
        path = self._folder / f"{self._prefix}-{name}"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            begun = path.with_name(f"begun-{os.getpid()}-{path.name}")
            try:
                write(begun)
                begun.replace(path)
            finally:
                begun.unlink(missing_ok=True)
        return path


def read_pictures(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures of a film, ``(H, W, 3) uint8`` BGR."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def _codec(path: Path) -> str:
    with av.open(str(path)) as container:
        return str(container.streams.video[0].codec_context.name)


def write_loop(clip: Clip, path: Path, frames: int, rate: float | None) -> None:
    """Copy the packets of a clip with a constant rate, again and again, until there are enough."""
    with av.open(str(clip.path)) as source, av.open(str(path), "w") as film:
        video = source.streams.video[0]
        own = video.average_rate or Fraction(25)
        step = round(_TIME_BASE.denominator / (Fraction(rate) if rate else own))
        stream = film.add_stream_from_template(video)
        stream.time_base = _TIME_BASE
        # Numbers of the frames, in the order of showing and of decoding
        copies: list[tuple[bytes, int, int, bool]] = []
        for packet in source.demux(video):
            if packet.pts is None or packet.dts is None or packet.time_base is None:
                continue
            shown, decoded = (
                round(moment * packet.time_base * own) for moment in (packet.pts, packet.dts)
            )
            copies.append((bytes(packet), shown, decoded, packet.is_keyframe))
        for number in range(frames):
            turn, which = divmod(number, len(copies))
            data, shown, decoded, is_key = copies[which]
            copy = av.Packet(data)
            copy.stream, copy.time_base, copy.is_keyframe = stream, _TIME_BASE, is_key
            copy.pts = (turn * len(copies) + shown) * step
            copy.dts = (turn * len(copies) + decoded) * step
            copy.duration = step  # otherwise the film's edit list ends before the last frame
            film.mux(copy)


def encode_film(path: Path, pictures: Iterable[NDArray[np.uint8]], rate: float) -> None:
    """Write a film, as H.264 where there is an encoder for it, else as MPEG-4 part 2."""
    has_h264 = "libx264" in av.codecs_available
    with av.open(str(path), "w") as film:
        stream = None
        for picture in pictures:
            if stream is None:
                stream = film.add_stream("libx264" if has_h264 else "mpeg4", rate=Fraction(rate))
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                if has_h264:
                    stream.options = dict(_QUALITY)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        if stream is not None:
            film.mux(stream.encode(None))


def tile(picture: NDArray[np.uint8], window: tuple[int, int, int], count: int) -> NDArray[np.uint8]:
    """Show a part of a picture several times, each in a cell of its own, on gray.

    Args:
        picture: ``(H, W, 3) uint8`` BGR.
        window: ``(x, y, side)`` of the part, in pixels.
        count: How often, 0 to `MOST_FACES`.

    Returns:
        ``(720, 1280, 3) uint8``.
    """
    x, y, side = window
    part = cv2.resize(picture[y : y + side, x : x + side], (_FACE_SIDE, _FACE_SIDE))
    canvas = np.full((CANVAS[1], CANVAS[0], 3), _GRAY, np.uint8)
    width, height = CANVAS[0] // CELLS[0], CANVAS[1] // CELLS[1]
    for number in range(count):
        row, column = divmod(number, CELLS[0])
        left = column * width + (width - _FACE_SIDE) // 2
        top = row * height + (height - _FACE_SIDE) // 2
        canvas[top : top + _FACE_SIDE, left : left + _FACE_SIDE] = part
    return canvas


def _find_window(picture: NDArray[np.uint8]) -> tuple[int, int, int]:
    """A square around the largest face, ``(x, y, side)``; the middle where there is none."""
    height, width = picture.shape[:2]
    cascade = cv2.CascadeClassifier(
        str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml")
    )
    found = cascade.detectMultiScale(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), 1.1, 5)
    middle, side = (width / 2, height / 2), float(min(width, height))
    with contextlib.suppress(ValueError):
        x, y, w, h = max(found, key=lambda box: int(box[2]) * int(box[3]))
        middle, side = (x + w / 2, y + h / 2), min(1.8 * float(w), side)
    half = side / 2
    left = min(max(0.0, middle[0] - half), width - side)
    top = min(max(0.0, middle[1] - half), height - side)
    return round(left), round(top), round(side)
