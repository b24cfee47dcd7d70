"""Films whose frames have the times that a test wants, written with PyAV."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.films import picture

MS = Fraction(1, 1000)
SOUND_RATE = 48_000


def timed_film(
    path: Path,
    times_ms: Iterable[int],
    *,
    size: tuple[int, int] = (64, 48),
    sound_ms: int | None = None,
    created: str = "",
    codec: str = "mpeg4",
    pixel_aspect: Fraction | None = None,
    quarters: int = 0,
    is_mirrored: bool = False,
) -> Path:
    """A film with a frame at each of these times.

    Args:
        path: Where; its ending chooses the container.
        times_ms: Presentation times.
        size: Width and height in pixels.
        sound_ms: With silence of this length, which begins at 0.
        created: What the container says of its creation, as in ``2026-11-28T09:15:00Z``.
        codec: Of the video.
        pixel_aspect: Width of a pixel in its heights, as the film declares it.
        quarters: Quarter turns counter-clockwise that make it upright, as the container declares.
        is_mirrored: Afterwards it is to be mirrored, left to right.
    """
    with av.open(str(path), "w") as container:
        if created:
            container.metadata["creation_time"] = created
        video = container.add_stream(codec, rate=25)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.codec_context.time_base = video.time_base = MS
        video.codec_context.max_b_frames = 0
        if pixel_aspect:
            video.codec_context.sample_aspect_ratio = pixel_aspect
        if quarters or is_mirrored:
            video.set_display_rotation(90 * quarters, hflip=is_mirrored)
        sound = None
        if sound_ms is not None:
            sound = container.add_stream("libmp3lame", rate=SOUND_RATE, layout="mono")
            assert isinstance(sound, av.AudioStream)
            for begin in range(0, sound_ms * SOUND_RATE // 1000, 1152):
                silence = av.AudioFrame.from_ndarray(
                    np.zeros((1, 1152), np.float32), format="fltp", layout="mono"
                )
                silence.sample_rate, silence.pts = SOUND_RATE, begin
                silence.time_base = Fraction(1, SOUND_RATE)
                container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
        for number, time in enumerate(times_ms):
            frame = av.VideoFrame.from_ndarray(picture(number, size), format="bgr24")
            frame.pts, frame.time_base = time, MS
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def join(path: Path, *parts: Path) -> Path:
    """Put files one behind the other, as ``cat`` does: transport streams are made for it."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path
