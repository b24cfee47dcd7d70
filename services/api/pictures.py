"""The images of a session, from its recording or from the analysed film."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.recording.reader import FILE
from affectline.common.settings.sources import CaptureSettings, SourceSettings
from affectline.common.vision.decode import decode
from affectline.common.wire.messages import Frame
from affectline.services.sessions.recording import read_packets

if TYPE_CHECKING:
    import pandas as pd

    from affectline.services.capture.frame_source import Source

TOLERANCE_S: Final = 0.0005
"""A frame counts as begun this much earlier, because the tables' times are rounded."""
LENGTH_TOLERANCE: Final = 0.1
"""Share of its length, and at least 1 s: containers say only roughly how long their film is."""


class SessionFrame(NamedTuple):
    """A frame of a session."""

    time_s: float
    """Seconds on the session's time line."""
    stream: str
    image: NDArray[np.uint8]
    """``(H, W, 3) uint8`` RGB."""


def read_frames(
    folder: Path,
    info: dict[str, Any],
    session_start: int,
    emotions: Callable[[], "pd.DataFrame"],
    stream: str | None,
) -> Iterator[SessionFrame]:
    """Yield the frames of a session, sorted by time.

    Args:
        folder: The session folder.
        info: Its ``session.json``.
        session_start: Zero of its time line in ns since the Unix epoch.
        emotions: Gives its table of results, which says which frames of a film were analysed.
        stream: Only frames of this stream; None: of all.

    Raises:
        AffectlineError: No images are available, or the film is another one by now.
    """
    if (folder / FILE).is_file():
        yield from _recorded(folder, session_start, stream)
        return
    yield from _of_film(folder, info, emotions(), stream)


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
    folder: Path, info: dict[str, Any], emotions: "pd.DataFrame", stream: str | None
) -> Iterator[SessionFrame]:
    from affectline.services.capture.frame_image import resize
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
    analysed = _analysed_frames(emotions, one.name)
    film = open_source(one, CaptureSettings())
    try:
        _check_length(film, analysed, one, info)
        for expected in analysed:
            image = _find(film, expected, one)
            if image.shape[1::-1] != expected.size:
                image = _scaled(image, expected, one, info, resize)
            yield SessionFrame(expected.time_s, one.name, np.ascontiguousarray(image[:, :, ::-1]))
    finally:
        film.close()


class AnalysedFrame(NamedTuple):
    """A frame of a film, as the session's tables have it."""

    media_time_s: float
    time_s: float
    size: tuple[int, int]
    """Width and height in pixels."""


def _analysed_frames(emotions: "pd.DataFrame", stream: str) -> list[AnalysedFrame]:
    """The frames of a stream, in the order of the film, each once; a loop repeats none."""
    rows = emotions[(emotions["stream"] == stream) & emotions["media_time_s"].notna()]
    rows = rows.drop_duplicates("media_time_s").sort_values("media_time_s", kind="stable")
    columns = ("media_time_s", "time_s", "frame_width", "frame_height")
    return [
        AnalysedFrame(float(media_time_s), float(time_s), (int(width), int(height)))
        for media_time_s, time_s, width, height in zip(*(rows[n] for n in columns), strict=True)
    ]


def _check_length(
    film: "Source", analysed: Sequence[AnalysedFrame], source: SourceSettings, info: dict[str, Any]
) -> None:
    """Check that a film is as long as the session says, where the film says how long it is.

    Raises:
        AffectlineError: It is another film by now.
    """
    if film.duration_s is None or not analysed:
        return
    last_s, tolerance_s = analysed[-1].media_time_s, max(1.0, LENGTH_TOLERANCE * film.duration_s)
    streams, settings = info.get("checkpoint", {}).get("streams", {}), info.get("settings", {})
    # A film that a setting cuts off or thins out may go on after its last analysed frame
    is_whole = settings.get("duration") is None and settings.get("capture", {}).get("rate") is None
    was_read_to_its_end = is_whole and streams.get(source.name, {}).get("end") == "end"
    if film.duration_s < last_s - tolerance_s or (
        was_read_to_its_end and film.duration_s > last_s + tolerance_s
    ):
        raise _other_film(
            source, f"it is {film.duration_s:.1f} s long, and its last frame was at {last_s:.1f} s"
        )


def _find(film: "Source", expected: AnalysedFrame, source: SourceSettings) -> NDArray[np.uint8]:
    """The image of an analysed frame; frames that were not analysed are passed over."""
    while (frame := film.read()) is not None:
        ahead_s = (frame.media_time or 0) / 1e9 - expected.media_time_s
        if ahead_s > TOLERANCE_S:
            break
        if ahead_s >= -TOLERANCE_S:
            return np.asarray(frame.image, dtype=np.uint8)
    raise _other_film(source, f"it has no frame at {expected.media_time_s:g} s")


def _scaled(
    image: NDArray[np.uint8],
    expected: AnalysedFrame,
    source: SourceSettings,
    info: dict[str, Any],
    resize: Callable[[NDArray[np.uint8], tuple[int, int]], NDArray[np.uint8]],
) -> NDArray[np.uint8]:
    """An image in the size in which it was analysed, if the settings asked for another one."""
    height, width = image.shape[:2]
    wanted = info.get("settings", {}).get("capture", {}).get("width")
    if not wanted or (wanted, max(1, round(height * wanted / width))) != expected.size:
        was = "x".join(map(str, expected.size))
        raise _other_film(source, f"its frames are {width}x{height}, and were {was}")
    return resize(image, expected.size)


def _other_film(source: SourceSettings, why: str) -> AffectlineError:
    return AffectlineError(
        f"{source.source}: is not the film of this session any more: {why}",
        "put that film back, or record sessions with --record to keep their images",
    )


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
