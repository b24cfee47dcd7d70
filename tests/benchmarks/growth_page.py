"""How cost grows: a chart, and a sentence on the limit of each thing that grows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from tests.benchmarks.panels import Line, Panel, draw_panels
from tests.benchmarks.results import GrowthPoint, Results
from tests.benchmarks.targets import RATE

PICTURE: Final = "benchmarks-growth.svg"
FLAT_PERCENT: Final = 10.0
"""By how much memory may differ between films and still be called flat."""

Growth = Mapping[str, Sequence[GrowthPoint]]


def draw_growth(results: Results) -> str:
    """Draw all that was measured."""
    growth = results.growth
    return draw_panels(
        [
            Panel("CPU, ms a frame, by streams", "streams", [_line(growth, "streams", "cpu_ms")]),
            Panel(
                "Latency, ms, by streams", "streams",
                [_line(growth, "streams", "p50_ms"), _line(growth, "streams", "p99_ms")],
            ),
            Panel(
                "Memory, MB, by streams", "streams",
                [_line(growth, "streams", "rss_mb"), _line(growth, "streams", "pss_mb")],
            ),
            Panel(
                "CPU, ms a frame, by faces in it", "faces in a frame of 1280x720",
                [_line(growth, "faces", name) for name in _BY_FACES],
            ),
            Panel(
                "CPU, ms a frame, by its size", "megapixels",
                [_line(growth, "sizes", name) for name in ("cpu_ms", "capture_ms", "detector_ms")],
                name_x="{:.1f}".format,
            ),
            Panel("Memory, MB, by length of film", "length of the film (logarithmic)",
                  [_line(growth, "lengths", "rss_mb")], is_log=True, name_x=name_length),
            Panel("List of sessions, s", "sessions (logarithmic)",
                  [_line(growth, "sessions", "seconds")], is_log=True),
        ]
    )  # fmt: skip


_BY_FACES: Final = ("cpu_ms", "detector_ms", "classifier_ms")
_NAMES: Final = {
    "cpu_ms": "all processes", "detector_ms": "detector", "classifier_ms": "classifier",
    "capture_ms": "capture", "p50_ms": "p50", "p99_ms": "p99", "rss_mb": "RSS", "pss_mb": "PSS",
    "seconds": "wall time",
}  # fmt: skip


def name_length(minutes: float) -> str:
    """The length of a film with its unit."""
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    return f"{minutes:g} min" if minutes < 60 else f"{minutes / 60:.3g} h"


def _line(growth: Growth, of: str, name: str) -> Line:
    return Line(_NAMES[name], select(growth.get(of, ()), name))


def select(points: Sequence[GrowthPoint], name: str) -> list[tuple[float, float]]:
    """The points at which a figure was measured, with its values."""
    return [(point.at, point.figures[name]) for point in points if name in point.figures]


def fit(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Value at 0 and growth by 1, by least squares; there are two points or more."""
    at, values = zip(*points, strict=True)
    slope, base = np.polyfit(at, values, 1)
    return float(base), float(slope)


def format_growth(results: Results) -> Iterator[str]:
    """Yield the section; nothing where nothing was measured."""
    sentences = list(explain_growth(results.growth, results.machine.cores))
    if sentences:
        yield "## Growth\n\n![How cost grows](benchmarks-growth.svg)"
        yield "\n".join(f"* {sentence}" for sentence in sentences)


def explain_growth(growth: Growth, cores: int) -> Iterator[str]:
    """Say for each thing that grows what it costs, and where its limit is.

    Args:
        growth: What was measured.
        cores: Of the machine.
    """
    for name, explain in (
        ("streams", _explain_streams), ("faces", _explain_faces), ("sizes", _explain_sizes),
        ("lengths", _explain_lengths), ("sessions", _explain_sessions),
    ):  # fmt: skip
        points = growth.get(name, ())
        if len(points) > 1:
            yield explain(points, cores)


def _explain_streams(points: Sequence[GrowthPoint], cores: int) -> str:
    first, last = points[0].figures, points[-1].figures
    complete = [point.at for point in points if point.figures["skipped_percent"] <= 1]
    text = (
        f"**Streams**: one stream of {RATE} frames/s takes {first['cpu_ms'] * RATE / 1e3:.2f} "
        f"cores, so {cores} cores would hold {cores * 1e3 / RATE / first['cpu_ms']:.1f} if nothing "
        f"ever waited; up to {max(complete, default=0):.0f} skipped 1 % or less, and "
        f"{points[-1].at:.0f} skipped {last['skipped_percent']:.0f} %."
    )
    memory = select(points, "rss_mb")
    if len(memory) > 1:
        text += (
            f" Each has a capture and a detector process, which take {fit(memory)[1]:.0f} MB (RSS)."
        )
    return text


def _explain_faces(points: Sequence[GrowthPoint], cores: int) -> str:
    base, slope = fit(select(points, "cpu_ms"))
    parts = ", ".join(
        f"{fit(values)[1]:.1f} ms in the {name}"
        for name in ("detector", "classifier")
        if len(values := select(points, f"{name}_ms")) > 1
    )
    most = (cores * 1e3 / RATE - base) / slope if slope > 0 else 0.0
    return (
        f"**Faces**: a frame of 1280x720 costs {base:.1f} ms, and each face in it {slope:.1f} ms "
        f"more ({parts}); at {RATE} frames/s {cores} cores hold about {max(0.0, most):.0f} faces, "
        "and the detector follows 8 by default."
    )


def _explain_sizes(points: Sequence[GrowthPoint], cores: int) -> str:
    base, slope = fit(select(points, "cpu_ms"))
    _, capture = fit(select(points, "capture_ms"))
    most = (cores * 1e3 / RATE - base) / slope if slope > 0 else 0.0
    return (
        f"**Frame sizes**: each megapixel costs {slope:.1f} ms, {capture:.1f} ms of them in the "
        f"capture process, which decodes and encodes all of it; at {RATE} frames/s {cores} cores "
        f"hold {max(0.0, most):.1f} megapixels (1920x1080 has 2.1, 4K 8.3)."
    )


def _explain_lengths(points: Sequence[GrowthPoint], _cores: int) -> str:
    memory = select(points, "rss_mb")
    least, most = min(mb for _, mb in memory), max(mb for _, mb in memory)
    difference = 100 * (most / least - 1)
    flat = "is flat" if difference <= FLAT_PERCENT else f"differs by {difference:.0f} %"
    longest, busiest = points[-1], max(points, key=lambda point: point.figures["frames"])
    return (
        f"**Film lengths**: memory {flat} ({least:.0f} to {most:.0f} MB from "
        f"{points[0].at * 60:.0f} s to {longest.at:.0f} minutes), so only the disk limits a film. "
        f"The longest shows {longest.figures['frames']:.0f} frames at a low rate, the one of "
        f"{busiest.at:.0f} minutes {busiest.figures['frames']:.0f}: what grows with time would "
        "show in the former, what grows with frames in the latter."
    )


def _explain_sessions(points: Sequence[GrowthPoint], _cores: int) -> str:
    base, slope = fit(select(points, "seconds"))
    return (
        f"**Sessions in the list**: `affectline sessions` takes {max(0.0, base):.1f} s, and "
        f"{slope * 1e3:.1f} ms for each session, whose `session.json` and recording's index it "
        f"opens: {points[-1].at:.0f} sessions take {points[-1].figures['seconds']:.1f} s."
    )
