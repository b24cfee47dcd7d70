"""The images of a session, from its recording or from the analysed film."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.recording.reader import FILE
from affectline.common.settings.sources import CaptureSettings, SourceSettings, begins_at
from affectline.common.vision.decode import decode
from affectline.common.wire.messages import Frame
from affectline.services.sessions.recording import read_packets

TOLERANCE_S: Final = 0.0005
"""A frame counts as begun this much earlier, because the tables' times are rounded."""


class SessionFrame(NamedTuple):
    """A frame of a session."""

    time_s: float
    """Seconds on the session's time line."""
    stream: str
    image: NDArray[np.uint8]
    """``(H, W, 3) uint8`` RGB."""


def read_frames(
    folder: Path, info: dict[str, Any], session_start: int, stream: str | None
) -> Iterator[SessionFrame]:
    """Yield the frames of a session, sorted by time.

    Args:
        folder: The session folder.
        info: Its ``session.json``.
        session_start: Zero of its time line in ns since the Unix epoch.
        stream: Only frames of this stream; None: of all.

    Raises:
        AffectlineError: No images are available.
    """
    if (folder / FILE).is_file():
        yield from _recorded(folder, session_start, stream)
        return
    yield from _of_film(folder, info, session_start, stream)


def _recorded(folder: Path, session_start: int, stream: str | None) -> Iterator[SessionFrame]:
    has_frames = False
    for packet in read_packets(folder / FILE):
        frame = packet.message
        if not isinstance(frame, Frame) or stream not in (None, frame.stream):
            continue
        image = decode(frame, packet.parts[0]) if packet.parts else None
        if image is not None:
            has_frames = True
            time_s = (frame.captured_at - session_start) / 1e9
            yield SessionFrame(time_s, frame.stream, np.ascontiguousarray(image[:, :, ::-1]))
    if not has_frames:
        raise AffectlineError(
            f"{folder / FILE}: contains no images" + (f" of {stream}" if stream else ""),
            "record sessions with a --privacy other than features to keep images",
        )


def _of_film(
    folder: Path, info: dict[str, Any], session_start: int, stream: str | None
) -> Iterator[SessionFrame]:
    from affectline.services.capture.sources import open_source

    listed = info.get("settings", {}).get("sources", [])
    named = [SourceSettings.model_validate(one) for one in listed]
    chosen = [one for one in named if stream in (None, one.name)]
    if len(chosen) != 1 or chosen[0].kind != "film":
        raise AffectlineError(
            f"{folder}: was not recorded, and its source is not a single film that can be "
            f"opened again",
            "record sessions with --record, or name one of the streams: "
            + ", ".join(one.name for one in named),
        )
    (one,) = chosen
    film = open_source(one, CaptureSettings())
    offset_s = (begins_at(one, session_start) - session_start) / 1e9
    try:
        while (frame := film.read()) is not None:
            time_s = offset_s + (frame.media_time or 0) / 1e9
            yield SessionFrame(time_s, one.name, np.ascontiguousarray(frame.image[:, :, ::-1]))
    finally:
        film.close()


def pick(frames: Iterator[SessionFrame], at: Sequence[float]) -> list[NDArray[np.uint8]]:
    """The frames shown at given times: for each time, the last frame that has begun by then.

    Args:
        frames: Frames sorted by time.
        at: Seconds on the session's time line, in any order.

    Raises:
        AffectlineError: A time is before the first frame, or more than 1 s after the last.
    """
    order = sorted(range(len(at)), key=lambda i: at[i])
    found: dict[int, NDArray[np.uint8]] = {}
    shown: SessionFrame | None = None
    waiting = list(order)
    for frame in frames:
        while waiting and frame.time_s > at[waiting[0]] + TOLERANCE_S:
            if shown is None:
                raise _nothing_at(at[waiting[0]], f"the first frame is at {frame.time_s:g} s")
            found[waiting.pop(0)] = shown.image
        shown = frame
        if not waiting:
            break
    for i in waiting:
        if shown is None or at[i] > shown.time_s + 1:
            last = (
                "there is no frame" if shown is None else f"the last one is at {shown.time_s:g} s"
            )
            raise _nothing_at(at[i], last)
        found[i] = shown.image
    return [found[i] for i in range(len(at))]


def _nothing_at(time_s: float, why: str) -> AffectlineError:
    return AffectlineError(
        f"no frame at {time_s:g} s: {why}", "times are seconds from the session's start"
    )
