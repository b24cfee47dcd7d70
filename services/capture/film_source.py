"""Films and network streams, read through PyAV, with the container's times, rotation and pixels."""

import contextlib
import math
import re
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from affectline.common.address import display_text, redact
from affectline.common.errors import AffectlineError
from affectline.common.vision.jpeg_header import PictureSize
from affectline.services.capture.container_check import Completeness, check_completeness
from affectline.services.capture.frame_image import JpegImage, Planes
from affectline.services.capture.frame_source import Notes, SourceEnd, SourceFrame
from affectline.services.capture.orientation import Orientation, orientation_of
from affectline.services.capture.presentation_clock import (
    JUMP_NS,
    STREAM_JUMP_NS,
    PresentationClock,
)

DEFAULT_RATE: Final = 25.0
"""Frames a second of a film without times and without a rate."""
ERRORS: Final = (av.FFmpegError, OSError, ValueError, RuntimeError, MemoryError)
"""Errors that PyAV raises for data that it cannot read."""
SMALL_FRAME: Final = 1280 * 720
"""Pixels: a frame up to this size is decoded faster than it is analysed (decision 12)."""
NETWORK_TIMEOUT_S: Final = 5.0
ERRORS_IN_A_ROW: Final = 100
"""A container that gives this many errors in a row counts as ended."""
ENDS_SHORT: Final = 0.1
"""A film counts as truncated if this share of its length is missing, and at least half a second."""
ZERO_BASED: Final = frozenset({"avi", "matroska", "mov"})
"""Containers with their own time line, on which a video may begin late. Others, such as transport
streams, count from an arbitrary time, and players begin where the first of their streams does."""
DECLARE_LENGTH: Final = ZERO_BASED | {"asf", "flv"}
"""Containers whose length is written down. Of others, it is estimated from the time stamps."""
NO_FILMS: Final = frozenset({"tty", "ass", "srt", "webvtt"})
"""Text formats that FFmpeg would render as video."""

PLANAR: Final = frozenset({"yuv420p", "yuvj420p"})
"""Pixel formats whose planes are those of a JPEG file, but for their range."""
OTHER_COLOURS: Final = frozenset({1, 4, 7, 8, 9, 10})
"""Colour spaces other than BT.601 (FFmpeg's ``AVColorSpace``): BT.709, FCC, SMPTE 240M, YCgCo and
BT.2020. Where none is declared, BT.601 is assumed."""

WIDEST_PIXEL: Final = 4.0
"""A film that declares pixels more than this many times as wide as high, or as high as wide, is not
believed."""
NEARLY_SQUARE: Final = 0.01
"""Pixels that are wider or narrower by less than this share are left as they are."""


class UnknownContainerError(AffectlineError):
    """PyAV does not recognize this file; another library may."""


class FilmSource:
    """A film or a network stream.

    Args:
        source: The source as users spell it, for messages.
        place: What to open: a path or an address.
        live: A stream that never ends by itself; its frames get the times at which they arrive.
        path: Path of a file that can be opened again.

    Raises:
        AffectlineError: The source cannot be opened, or has no frame.
    """

    def __init__(self, source: str, place: str, *, live: bool, path: Path | None = None) -> None:
        self._shown, self._path = redact(source), path
        self.live = live
        self.damage = Notes("could not be decoded")
        self.remarks = Notes("in its time stamps closed up", is_urgent=True)
        self._broken = ""
        self._untimed = 0
        """Frames without a time stamp."""
        self._before: deque[Packet[VideoStream]] = deque(maxlen=2)
        """The two packets before the newest one."""
        self._in_part: set[int | None] = set()
        """Time stamps of the damaged frames that have been counted, in units of the stream."""
        self._is_by_http = not live and place.startswith(("http://", "https://"))
        self._container = open_container(self._shown, place, live=live)
        try:
            self._begin(live)
        except BaseException:
            self._container.close()
            raise

    def _begin(self, live: bool) -> None:
        self._stream = find_video(self._container, self._shown)
        # Frame threads each hold a frame back, and cost more than they save for small frames
        is_large = self._stream.width * self._stream.height > SMALL_FRAME
        self._stream.thread_type = "AUTO" if is_large and not live else "SLICE"
        self._converter = _Converter()
        # A camera in the network that sends JPEG: what it has compressed is passed on
        self._is_passed_on = live and self._stream.codec_context.name == "mjpeg"
        self.rate = declared_rate(self._stream)
        self.frames = self._stream.frames or None
        self.duration_s = None if live else declared_duration_s(self._container, self._stream)
        names = set(self._container.format.name.split(","))
        start = self._container.start_time or 0  # in us
        self._is_marked_early = "mpegts" in names
        self._origin_ns = 0 if names & ZERO_BASED else 1000 * start
        step = round(1e9 / max(1.0, self.rate or DEFAULT_RATE))
        jump = JUMP_NS if names & ZERO_BASED else STREAM_JUMP_NS
        length_ns = round(1e9 * (self._stamped_length_s(names) or 0))
        self._clock = PresentationClock(step, jump, self.remarks, length_ns)
        self._count, self._last_stamp = 0, 0
        self._frames = self._decode()
        self._first = self.read()
        if self._first is None:
            why = ", ".join(filter(None, (self.damage.describe("frame"), self._broken)))
            raise AffectlineError(
                f"--source {self._shown}: has no readable frame" + (f" ({why})" if why else ""),
                "the server may not send parts of files, which a film with its index at the end "
                "needs: download it, and name the file"
                if self._is_by_http
                else "check it with a video player",
            )
        if live:
            self._first = None  # it only proves that there are frames, and will soon be stale

    def _stamped_length_s(self, names: set[str]) -> float | None:
        """The length that a container declares, in s; None for one that FFmpeg estimates."""
        if self.live or not names & DECLARE_LENGTH:
            return None
        whole = self._container.duration
        return max(self.duration_s or 0.0, whole / 1e6 if whole else 0.0)

    def read(self) -> SourceFrame | None:
        """The next frame, upright according to the container's display matrix; None at the end."""
        if getattr(self, "_first", None) is not None:
            frame, self._first = self._first, None
            return frame
        return self._pass_on() if self._is_passed_on else self._read_decoded()

    def _read_decoded(self) -> SourceFrame | None:
        while (decoded := next(self._frames, None)) is not None:
            try:
                image = self._converter.convert(decoded, _pixel_aspect(self._stream))
            except ERRORS as error:
                self.damage.add(f"after {self._last_stamp / 1e9:.3f} s ({_reason(error)})")
                continue
            time = None if self.live else self._place(decoded)
            self._count += 1
            return SourceFrame(image, time)
        return None

    def _place(self, frame: VideoFrame) -> int:
        """The time of a frame in ns, also if it has no time stamp."""
        stamp = self._to_ns(frame.pts)
        if stamp is None:
            if not self._count and self._stream.start_time is None:
                self.rate = rate_without_times(self._stream) or DEFAULT_RATE
                self._clock = PresentationClock(round(1e9 / self.rate), JUMP_NS, self.remarks)
            self._untimed += 1
        time = self._clock.place(stamp)
        self._last_stamp = time if stamp is None else stamp
        return time

    def _pass_on(self) -> SourceFrame | None:
        damaged = 0
        for packet in self._packets():
            if packet.size:
                try:
                    image = JpegImage(bytes(packet))
                except ValueError as error:
                    self.damage.add(f"frame {self._count} ({error})")
                    damaged += 1
                    if damaged == ERRORS_IN_A_ROW:
                        self._broken = "only damaged frames"
                        return None
                    continue
                self._count += 1
                return SourceFrame(image)
        return None

    def seek(self, stamp: int) -> None:
        """Continue reading at a key frame.

        Args:
            stamp: Its presentation time in units of the stream, as `find_key_frames` returns it.
        """
        self._container.seek(stamp, stream=self._stream)
        self._first = None
        self._frames = self._decode()
        jump = 1 << 62  # the place where it resumes must not count as a jump
        self._clock = PresentationClock(
            round(1e9 / (self.rate or DEFAULT_RATE)), jump, self.remarks
        )

    def _to_ns(self, stamp: int | None) -> int | None:
        """A time stamp of the stream in ns from the beginning of the container."""
        base = self._stream.time_base
        if stamp is None or base is None:
            return None
        ns = (stamp * base.numerator * 10**9 + base.denominator // 2) // base.denominator
        return ns - self._origin_ns

    def _decode(self) -> Iterator[VideoFrame]:
        for packet in self._packets():
            self._check(packet)
            try:
                decoded = packet.decode()
            except ERRORS as error:  # FFmpeg's errors belong to these classes
                self.damage.add(f"after {self._last_stamp / 1e9:.3f} s ({_reason(error)})")
                self._in_part.add(packet.pts)
                continue
            for frame in decoded:
                if frame.is_corrupt and not self.live:
                    self._note_part(frame.pts)
                yield frame

    def _check(self, packet: "Packet[VideoStream]") -> None:
        """Count packets that lack a part, once the next two are known.

        In transport streams FFmpeg marks the packet before the damaged one. Where two of them are
        joined, there is a mark as well, although all is whole: behind it come the last packet of
        the first and a key frame.
        """
        if self.live:
            return
        before = self._before
        if not packet.size:  # the end
            for one in before:
                if one.is_corrupt:
                    self._note_part(one.pts)
        elif len(before) == before.maxlen and before[0].is_corrupt:
            are_whole = not (before[1].is_corrupt or packet.is_corrupt)
            is_joint = packet.is_keyframe and are_whole and not before[0].is_keyframe
            if not is_joint:
                self._note_part(before[self._is_marked_early].pts)
        before.append(packet)

    def _note_part(self, stamp: int | None) -> None:
        """Count a frame that lacks a part, once, whoever notices it."""
        if stamp is None or stamp not in self._in_part:
            self._in_part.add(stamp)
            ns = self._to_ns(stamp)
            where = (
                f"after {self._last_stamp / 1e9:.3f} s" if ns is None else f"at {ns / 1e9:.3f} s"
            )
            self.damage.add(f"{where} (in part)")

    def _packets(self) -> "Iterator[Packet[VideoStream]]":
        """Packets up to the one that flushes the decoder; errors in between are skipped."""
        errors = 0
        while errors < ERRORS_IN_A_ROW:
            try:
                for packet in self._container.demux(self._stream):
                    yield packet
                    errors = 0
            except ERRORS as error:
                errors += 1
                self._broken = _reason(error)
                if self.live or isinstance(
                    error, av.error.ExitError | TimeoutError | ConnectionError
                ):
                    break
            else:
                self._broken = ""
                return
        self._broken = self._broken or "no data"

    def ending(self) -> SourceEnd:
        if self.live:
            why = f" ({self._broken})" if self._broken else ""
            return SourceEnd("lost", f"{self._shown} sends no more frames{why}")
        texts = [self.damage.describe("frame"), self.remarks.describe("jump"), self._on_untimed()]
        detail = "; ".join(filter(None, texts))
        if missing := self._missing():
            said = f"{self._shown} is truncated: read {self._count} frames, {missing}"
            return SourceEnd("truncated", "; ".join(filter(None, (said, detail))))
        if self.damage.count:
            return SourceEnd("damaged", f"{self._shown}: {detail}")
        return SourceEnd("end", detail and f"{self._shown}: {detail}")

    def _on_untimed(self) -> str:
        """What was done with frames without a time stamp, in words; empty if there are none."""
        if not self._untimed:
            return ""
        if self._untimed == self._count:
            return f"the file has no times: {self.rate or DEFAULT_RATE:g} frames/s assumed"
        frames = "1 frame" if self._untimed == 1 else f"{self._untimed} frames"
        return f"{frames} without a time stamp placed one step after the frame before"

    def _missing(self) -> str:
        """What is missing of the film, in words; empty if it is whole."""
        whole = Completeness.UNKNOWN, 0
        if self._path is not None:
            with contextlib.suppress(OSError):  # the disk was removed: report on what was read
                whole = check_completeness(self._path)
        state, missing_bytes = whole
        step_s = 1 / (self.rate or DEFAULT_RATE)
        end_s, length = self._last_stamp / 1e9 + step_s, self.duration_s
        # Times that jump say nothing about the length
        short_s = length - end_s if length and not self.remarks.count else 0.0
        texts = []
        if state is Completeness.CUT_OFF:
            texts.append(f"{missing_bytes} bytes are missing at its end")
        elif state is Completeness.WHOLE and not self.damage.count:
            short_s = 0.0  # its last frame is shown for long
        if length and (short_s > max(0.5, ENDS_SHORT * length) or (texts and short_s > step_s)):
            texts.insert(0, f"up to {end_s:.1f} of {length:.1f} s")
        if self._broken:
            texts.append(self._broken)
        return ", ".join(texts)

    def close(self) -> None:
        self._container.close()


class DecodedImage:
    """A decoded frame of a film.

    Args:
        planes: Its luminance and colour differences.
        decoded: The same as the decoder gave it.
        orientation: Makes it upright.
        reformatter: Converts it to BGR.
    """

    def __init__(
        self,
        planes: Planes,
        decoded: VideoFrame,
        orientation: Orientation,
        reformatter: VideoReformatter,
    ) -> None:
        self._planes, self._decoded = planes, decoded
        self._orientation, self._reformatter = orientation, reformatter
        self.size = PictureSize(planes.luma.shape[1], planes.luma.shape[0])

    def to_planes(self) -> Planes:
        return self._planes

    def to_bgr(self) -> NDArray[np.uint8]:
        width, height = self.size[::-1] if self._orientation.is_swapped else self.size
        bgr = self._reformatter.reformat(self._decoded, width, height, format="bgr24", threads=1)
        return self._orientation.apply(np.asarray(bgr.to_ndarray(), dtype=np.uint8))


class _Converter:
    """Converts what decoders give, one frame after the other."""

    def __init__(self) -> None:
        # Each keeps what it has prepared for its formats
        self._to_planes, self._to_bgr = VideoReformatter(), VideoReformatter()

    def convert(self, decoded: VideoFrame, pixel_aspect: float) -> DecodedImage:
        """Convert a frame to an upright one with square pixels.

        Args:
            decoded: The frame.
            pixel_aspect: Width of a pixel in its heights.
        """
        orientation = orientation_of(decoded)
        planes = self._planes_of(decoded)
        if pixel_aspect != 1:
            planes = planes.resize(*_square_size(decoded.width, decoded.height, pixel_aspect))
        planes = Planes(*(orientation.apply(plane) for plane in planes))
        return DecodedImage(planes, decoded, orientation, self._to_bgr)

    def _planes_of(self, decoded: VideoFrame) -> Planes:
        """Luminance and colour differences as JPEG has them."""
        name, colours = decoded.format.name, int(decoded.colorspace)
        if name not in PLANAR or colours in OTHER_COLOURS:
            decoded = self._to_planes.reformat(
                decoded,
                format="yuvj420p",
                dst_colorspace=Colorspace.ITU601,
                dst_color_range=ColorRange.JPEG,
                threads=1,  # the other cores have other work
            )
            return Planes(*map(_rows, decoded.planes))
        planes = Planes(*map(_rows, decoded.planes))
        is_full = name == "yuvj420p" or decoded.color_range == ColorRange.JPEG
        return planes if is_full else planes.to_full_range()


def _pixel_aspect(stream: VideoStream) -> float:
    """Width of a pixel in its heights; 1 unless the film declares something plausible."""
    declared = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    aspect = float(declared) if declared else 1.0
    is_plausible = 1 / WIDEST_PIXEL <= aspect <= WIDEST_PIXEL
    return aspect if is_plausible and abs(math.log(aspect)) > NEARLY_SQUARE else 1.0


def _square_size(width: int, height: int, pixel_aspect: float) -> tuple[int, int]:
    """The size of a frame with square pixels; the side with too few pixels grows."""
    if pixel_aspect > 1:
        return round(width * pixel_aspect), height
    return width, round(height / pixel_aspect)


def _rows(plane: VideoPlane) -> NDArray[np.uint8]:
    """A plane as ``(H, W) uint8``, without the bytes that fill its rows up."""
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)  # type: ignore[call-overload]
    return np.asarray(rows[:, : plane.width], dtype=np.uint8)


def open_container(shown: str, place: str, *, live: bool) -> InputContainer:
    """Open a file or an address.

    Args:
        shown: The name to use in messages.
        place: Path or address.
        live: Whether it is a network stream.

    Raises:
        AffectlineError: The file or address cannot be opened.
    """
    options: dict[str, str] = {}
    is_address = "://" in place
    if place.lower().startswith("rtsp"):
        options["rtsp_transport"] = "tcp"
    timeout = (NETWORK_TIMEOUT_S, NETWORK_TIMEOUT_S) if is_address else None
    try:
        container = av.open(place, options=options, timeout=timeout)
    except ERRORS as error:  # never show its text: it contains the address
        if is_address:
            raise AffectlineError(
                f"--source {shown}: no answer ({_reason(error)})",
                "check the address and the network",
            ) from None
        raise UnknownContainerError(
            f"--source {shown}: not a video that can be opened ({_reason(error)})",
            "convert it, for example with: ffmpeg -i IN -c:v libx264 OUT.mp4",
        ) from error
    if container.format.name in NO_FILMS:
        container.close()
        raise AffectlineError(
            f"--source {shown}: not a video, but a text file", "name a video file"
        )
    return container


def find_video(container: InputContainer, shown: str) -> VideoStream:
    """The video stream of a container; cover images do not count.

    Raises:
        AffectlineError: The container has no video.
    """
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not videos:
        raise AffectlineError(f"--source {shown}: has no video", "name a file with a video")
    best = container.streams.best("video")
    return next((s for s in videos if best is not None and s.index == best.index), videos[0])


class KeyFrame(NamedTuple):
    """A frame at which decoding of a film can start."""

    stamp: int
    """Its presentation time, in units of the stream."""
    number: int
    """How many frames come before it."""
    seconds: float
    """Its time from the beginning of the stream."""


def find_key_frames(path: Path) -> list[KeyFrame]:
    """The key frames of a film, found without decoding it; none if its packets have no times.

    Raises:
        AffectlineError: The film cannot be opened, or has no video.
    """
    shown = display_text(str(path))
    with open_container(shown, str(path.absolute()), live=False) as container:
        stream = find_video(container, shown)
        packets = [p for p in container.demux(stream) if p.size]
        if not packets or any(p.pts is None for p in packets) or stream.time_base is None:
            return []
        stamps = sorted(p.pts for p in packets if p.pts is not None)
        keys = sorted(p.pts for p in packets if p.is_keyframe and p.pts is not None)
        base = float(stream.time_base)
    return [
        KeyFrame(stamp, bisect_left(stamps, stamp), (stamp - stamps[0]) * base) for stamp in keys
    ]


def declared_rate(stream: VideoStream) -> float | None:
    """Frames a second, if the container declares a plausible rate."""
    # An average below 1 means a film with jumps rather than a slow one
    rates = (stream.average_rate, stream.guessed_rate, stream.average_rate)
    plausible = [float(rate) for rate in rates if rate and 0 < rate <= 1000]
    return next((rate for rate in plausible if rate >= 1), plausible[-1] if plausible else None)


def rate_without_times(stream: VideoStream) -> float | None:
    """Frames a second of a stream without a container, as the encoder wrote it, if it did.

    Its average is what FFmpeg assumes for files without times: 25.
    """
    rates = (stream.codec_context.framerate, stream.guessed_rate, stream.average_rate)
    return next((float(rate) for rate in rates if rate and 1 <= rate <= 1000), None)


def declared_duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    """When a film ends, in s from the beginning of its container, if the container declares it."""
    if stream.duration and stream.time_base:
        begin = float((stream.start_time or 0) * stream.time_base)
        names = set(container.format.name.split(","))
        if not names & ZERO_BASED:
            begin -= (container.start_time or 0) / 1_000_000
        return float(begin + stream.duration * stream.time_base)
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag:
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
    has_others = len(container.streams) > 1
    return container.duration / 1e6 if container.duration and not has_others else None


def _reason(error: BaseException) -> str:
    """The reason of an error, without the address that FFmpeg's errors contain."""
    if isinstance(error, av.error.ExitError):
        return "it took too long"
    text = getattr(error, "strerror", None)
    return text[0].lower() + text[1:] if text else type(error).__name__
