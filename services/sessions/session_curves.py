"""The curves of a session or a part of it, downsampled to what a screen can show.

Each curve is divided into a fixed number of bins, which keep the lowest and the highest value. For
the seven expressions, which are stacked, the bins keep the means. The chunks of a recording are
read in an order that spreads them evenly over time: an overview of a long session is available at
once and fills in while it is shown.
"""

import json
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

from affectline.common.clock import monotonic
from affectline.common.errors import InvalidMessage
from affectline.common.labels import LABELS
from affectline.common.recording.light_reader import ChunkPlace, LightReader
from affectline.common.recording.reader import SessionReader
from affectline.common.recording.time_line import read_time_line
from affectline.common.wire import codec
from affectline.common.wire.biometrics import USABLE_QUALITY
from affectline.common.wire.face_signs import DOUBTS
from affectline.common.wire.messages import Marker

BINS: Final = 1000
"""Bins of a curve, which has at most twice as many points."""
READY_S: Final = 0.7
"""Seconds until the first overview is shown, however much has been read by then."""
SLACK_NS: Final = 2_000_000_000
"""Chunks up to this far outside the requested span are read too."""
LEAST_GAP_S: Final = 1.5
"""Points further apart than this are not connected."""
SPARSE: Final = 12
"""While a session is being read, points are connected across this many mean distances between read
chunks: a signal with one value a second is in few of them."""
PREFIXES: Final = ("emotion/", "bio/", "state/")
SIGNALS: Final = ("heart_rate", "skin_conductance")
UNITS: Final = {"/min": "bpm", "uS": "µS"}
"""Display units of these signals."""
KINDS: Final = (
    "expression",
    "affect",
    "heart_rate",
    "skin_conductance",
    "nervousness",
    "pose",
    "eyes",
)
"""Kinds of curves, from top to bottom."""
LINES: Final[Mapping[str, tuple[str, ...]]] = {
    "affect": ("valence", "arousal"), "heart_rate": ("heart",), "heart_beats": ("heart",),
    "skin_conductance": ("skin",), "nervousness": ("nervousness",),
    "pose": ("yaw", "pitch", "roll"), "eyes": ("left-eye", "right-eye"),
}  # fmt: skip
"""By kind of curve: its lines, named by their colours (`affectline.common.palette`)."""
KIND_UNITS: Final = {
    "affect": "-1 to 1",
    "pose": "°",
    "eyes": "% of their usual opening",
    "nervousness": "0 to 100",
}


class Span(NamedTuple):
    """A part of a session, in seconds of its time line."""

    begin: float
    end: float

    @property
    def bin_s(self) -> float:
        return max(1e-6, (self.end - self.begin) / BINS)


class LineBins:
    """One line: the lowest and the highest value of each bin."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._lowest: list[tuple[float, float] | None] = [None] * BINS
        self._highest: list[tuple[float, float] | None] = [None] * BINS

    def add(self, second: float, value: float) -> None:
        """Add a value; values that are not finite or outside the span are ignored."""
        place = int((second - self._span.begin) / self._span.bin_s)
        if not (0 <= place < BINS and math.isfinite(value)):
            return
        low, high = self._lowest[place], self._highest[place]
        if low is None or value < low[1]:
            self._lowest[place] = second, value
        if high is None or value > high[1]:
            self._highest[place] = second, value

    def points(self) -> list[tuple[float, float]]:
        """Seconds and values, sorted by time."""
        found: list[tuple[float, float]] = []
        for low, high in zip(self._lowest, self._highest, strict=True):
            if low is not None and high is not None:
                found += sorted({low, high})
        return [(round(second, 3), round(value, 3)) for second, value in found]


class BandBins:
    """The expressions of a stream's largest face: means and doubts in each bin."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._sums: list[list[float] | None] = [None] * BINS
        self._counts = [0] * BINS
        self._doubts = [0] * BINS

    def add(self, second: float, shares: list[float], doubts: int) -> None:
        """Add a face's probabilities, and the doubts about it as bits."""
        place = int((second - self._span.begin) / self._span.bin_s)
        if not 0 <= place < BINS:
            return
        before = self._sums[place]
        sums = shares if before is None else [a + b for a, b in zip(before, shares, strict=True)]
        self._sums[place] = sums
        self._counts[place] += 1
        self._doubts[place] |= doubts

    def points(self) -> list[list[float]]:
        """For each bin with a face: its middle in seconds, seven percentages, and the doubts."""
        begin, width = self._span.begin, self._span.bin_s
        return [
            [
                round(begin + (place + 0.5) * width, 3),
                *(round(100 * total / count, 1) for total in sums),
                doubts,
            ]
            for place, (sums, count, doubts) in enumerate(
                zip(self._sums, self._counts, self._doubts, strict=True)
            )
            if sums is not None
        ]


class CurveBins:
    """All curves of a span of a session.

    Args:
        span: The part of the session.
        zero: Zero of the session's time line in ns since the Unix epoch.
    """

    def __init__(self, span: Span, zero: int) -> None:
        self._span, self._zero = span, zero
        self._bands: dict[str, BandBins] = {}
        self._lines: dict[tuple[str, str], list[LineBins]] = {}
        self._units: dict[tuple[str, str], str] = {}
        self._synthetic: set[tuple[str, str]] = set()

    def add(self, topic: str, fields: Mapping[str, Any]) -> None:
        """Add a message; malformed messages are ignored."""
        add = {"emotion": self._add_face, "bio": self._add_samples, "state": self._add_state}
        try:
            add[topic.partition("/")[0]](fields)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError):
            return

    def _add_face(self, fields: Mapping[str, Any]) -> None:
        if fields.get("file") is not None or not fields["faces"]:
            return
        face = max(fields["faces"], key=lambda one: one["box"][2] * one["box"][3])
        second, of = (fields["captured_at"] - self._zero) / 1e9, str(fields["stream"])
        shares = face.get("probabilities")
        if shares is not None and len(shares) == len(LABELS):
            doubts = sum(1 << DOUBTS.index(one) for one in set(face.get("doubts") or ()))
            known = [float(share) for share in shares]
            self._bands.setdefault(of, BandBins(self._span)).add(second, known, doubts)
        self._add("affect", of, second, (face.get("valence"), face.get("arousal")))
        self._add("pose", of, second, (face.get("yaw"), face.get("pitch"), face.get("roll")))
        eyes = (face.get("eye_opening_left"), face.get("eye_opening_right"))
        self._add("eyes", of, second, [None if one is None else 100 * one for one in eyes])

    def _add_samples(self, fields: Mapping[str, Any]) -> None:
        kind, of = fields["signal"], str(fields["subject"])
        if kind not in SIGNALS or fields.get("quality", 1.0) < USABLE_QUALITY:
            return
        unit = str(fields["unit"])
        begin, rate, offsets = fields["at"], fields.get("rate") or 1.0, fields.get("offsets")
        for i, value in enumerate(fields["values"]):
            after = offsets[i] if offsets else round(i * 1e9 / rate)
            second = (begin + after - self._zero) / 1e9
            self._add(kind, of, second, (value,), UNITS.get(unit, unit), fields.get("synthetic"))

    def _add_state(self, fields: Mapping[str, Any]) -> None:
        second, of = (fields["at"] - self._zero) / 1e9, str(fields["subject"])
        synthetic = fields.get("synthetic")
        self._add("nervousness", of, second, (fields.get("nervousness"),), "", synthetic)
        heart = (fields.get("signals") or {}).get("heart") or {}
        if heart.get("unit") == "/min" and heart.get("quality", 1.0) >= USABLE_QUALITY:
            unit = "bpm, from beats"
            self._add("heart_beats", of, second, (heart.get("value"),), unit, synthetic)

    def _add(
        self, kind: str, of: str, second: float, values: Any, unit: str = "", synthetic: Any = False
    ) -> None:
        if all(value is None for value in values):
            return
        lines = self._lines.get((kind, of))
        if lines is None:
            lines = self._lines[kind, of] = [LineBins(self._span) for _ in LINES[kind]]
            self._units[kind, of] = unit or KIND_UNITS.get(kind, "")
        if synthetic:
            self._synthetic.add((kind, of))
        for line, value in zip(lines, values, strict=True):
            if value is not None:
                line.add(second, float(value))

    def to_list(self) -> list[dict[str, Any]]:
        """The curves for the browser, from top to bottom."""
        found: list[dict[str, Any]] = [
            {
                "kind": "expression", "of": of, "unit": "%", "synthetic": False,
                "bands": bins.points(),
            }
            for of, bins in self._bands.items()
        ]  # fmt: skip
        for (kind, of), lines in self._lines.items():
            if kind == "heart_beats" and ("heart_rate", of) in self._lines:
                continue  # fusion's estimate is for devices that send only beats or waves
            found.append({
                "kind": "heart_rate" if kind == "heart_beats" else kind, "of": of,
                "unit": self._units[kind, of], "synthetic": (kind, of) in self._synthetic,
                "lines": [
                    {"name": name, "points": line.points()}
                    for name, line in zip(LINES[kind], lines, strict=True)
                ],
            })  # fmt: skip
        return sorted(found, key=lambda one: (KINDS.index(one["kind"]), one["of"]))


class CurvesReading:
    """The curves of a recording, available while they are read and afterwards. Thread-safe.

    Args:
        path: The session folder.
        span: Begin and end in seconds of the session; None: the whole session.
    """

    def __init__(self, path: Path, span: tuple[float, float] | None = None) -> None:
        self._path, self._wanted = path, span
        self._lock = threading.Lock()
        self._bins: CurveBins | None = None
        self._span = Span(0.0, 0.0)
        self._zero, self._seconds = 0, 0.0
        self._read, self._total = 0, 0
        self.is_complete = False

    def read(self, is_stopping: Callable[[], bool], on_ready: Callable[[], None]) -> None:
        """Read the recording.

        Args:
            is_stopping: Returns whether to stop before everything was read.
            on_ready: Called once, when there is something to show.

        Raises:
            AffectlineError: The recording cannot be read.
        """
        began, is_ready = monotonic(), False
        with SessionReader(self._path) as reader:
            times = read_time_line(reader)
            self._zero, self._seconds = times.zero, max(0.0, times.end_s)
            self._span = Span(*self._wanted) if self._wanted else Span(0.0, self._seconds + 1e-3)
            light = LightReader(reader)
            chunks = self._choose(light)
            self._total = len(chunks)
            bins = self._bins = CurveBins(self._span, self._zero)
            for place in spread(len(chunks)):
                if is_stopping():
                    return
                self._add_chunk(light, chunks[place], bins)
                if not is_ready and monotonic() - began > READY_S:
                    is_ready = True
                    on_ready()
        self.is_complete = True
        if not is_ready:
            on_ready()

    def _choose(self, light: LightReader) -> list[ChunkPlace]:
        """The chunks that may overlap the span."""
        begin, end = (self._zero + round(second * 1e9) for second in self._span)
        chunks = light.chunks()
        if self._wanted is None:
            return chunks
        return [c for c in chunks if c.last >= begin - SLACK_NS and c.first <= end + SLACK_NS]

    def _add_chunk(self, light: LightReader, chunk: ChunkPlace, bins: CurveBins) -> None:
        found = [
            (message.topic, codec.read_header(message.header))
            for message in light.messages(chunk, PREFIXES)
        ]
        with self._lock:
            for topic, fields in found:
                bins.add(topic, fields)
            self._read += 1

    def to_json(self) -> str:
        """The curves read so far, as JSON for the browser."""
        return json.dumps(self.to_dict(), separators=(",", ":"))

    def to_dict(self) -> dict[str, Any]:
        """The curves read so far, as a dictionary."""
        with self._lock:
            curves = self._bins.to_list() if self._bins else []
            share = self._read / self._total if self._total else 1.0
        step_s = (self._span.end - self._span.begin) / max(1, self._read)
        unread_s = 0.0 if self.is_complete else SPARSE * step_s
        return {
            "begin": self._span.begin, "end": self._span.end, "seconds": self._seconds,
            "zero": self._zero / 1e6, "complete": self.is_complete, "read": round(share, 3),
            "gap": max(LEAST_GAP_S, 2.5 * self._span.bin_s, unread_s),
            "curves": curves,
        }  # fmt: skip


def spread(count: int) -> Iterator[int]:
    """Yield the numbers below a count in an order that is evenly spread at any moment."""
    bits = max(0, count - 1).bit_length()
    for number in range(1 << bits):
        place = int(f"{number:0{bits}b}"[::-1], 2) if bits else 0
        if place < count:
            yield place


class SessionFacts:
    """A recording's markers, and the times of its frames.

    Args:
        path: The session folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def markers(self) -> tuple[Marker, ...]:
        """The markers as recorded, sorted by time."""
        found: list[Marker] = []
        with SessionReader(self._path) as reader:
            light = LightReader(reader)
            for chunk in light.having(light.chunks(), "marker/"):
                for topic, _, header in light.messages(chunk, ("marker/",)):
                    try:
                        message = codec.decode((topic.encode(), header)).message
                    except InvalidMessage:
                        continue
                    if isinstance(message, Marker):
                        found.append(message)
        return tuple(sorted(found, key=lambda marker: (marker.at, marker.label)))

    def frame_before(self, second: float) -> float:
        """Time of the last frame before a moment, in s; 0 if there is none."""
        with SessionReader(self._path) as reader:
            zero = read_time_line(reader).zero
            light = LightReader(reader)
            chunks = light.chunks()
            names = (
                ("frame/",) if any(t.startswith("frame/") for t in reader.topics()) else PREFIXES
            )
            for chunk in reversed([c for c in chunks if (c.first - zero) / 1e9 < second]):
                times = [one.log_time for one in light.messages(chunk, names)]
                before = [at for at in times if (at - zero) / 1e9 < second]
                if before:
                    return (max(before) - zero) / 1e9
        return 0.0
