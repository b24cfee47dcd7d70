"""The detector's part of ``docs/benchmarks.md``."""

from collections.abc import Iterable, Sequence
from typing import Final

from tests.benchmarks.results import ClipTimes, OptionTimes, Spread
from tests.benchmarks.targets import SIGNS_MS, Judge, judge_ratio, judge_signs
from tests.markdown import format_table

_SIGNS: Final = ("landmarks", "landmarks + pose", "landmarks + pose + eyes")
"""What is told of each face, more and more."""


def format_detector(clips: Sequence[ClipTimes], judge: Judge | None = None) -> Iterable[str]:
    """Yield the section; nothing where no clip was at hand."""
    if not clips:
        return
    yield (
        "## Detector\n\n"
        "CPU milliseconds a frame of the detector's own stage on one core, from the frame's JPEG "
        "to its faces (`services/detector/stage.py`: decode, track, crop, signs), without the "
        "sockets. Every frame is given to all rows of a clip in turn, so that what disturbs the "
        "machine disturbs all alike, and the whole clip again: a frame's time is the median of "
        f"its {clips[0].rounds} runs. Measured at `{clips[0].commit}` "
        f"({clips[0].date}). Without landmarks only new faces are confirmed by them. "
        "Poses are read in any case, for the doubts, so saying them costs nothing more."
    )
    yield format_table(
        "clip | detector | measures of each face | mean: | p50: | p99: | frames with a face:",
        [_row(clip, one) for clip in clips for one in clip.options],
    )
    yield (
        "`haar+net` in times of `haar`, both without landmarks (median, lowest and highest of "
        "the rounds), is to be at most 1 where the cascade has a face. Milliseconds that each "
        f"sign adds to a face in `haar+net` are to be at most {SIGNS_MS:g} together:"
    )
    yield format_table(
        "clip | `haar+net` / `haar`: | | landmarks: | pose: | eyes: | together: | "
        "| other work, cores:",
        [_compare(clip, judge) for clip in clips],
    )


def _row(clip: ClipTimes, one: OptionTimes) -> tuple[str, ...]:
    size = f"{clip.clip}, {clip.size[0]}x{clip.size[1]}"
    times = (f"{ms:.1f}" for ms in (one.mean, one.p50, one.p99))
    return size, f"`{one.backend}`", one.signs or "nothing", *times, f"{one.found} of {clip.frames}"


def _compare(clip: ClipTimes, judge: Judge | None) -> tuple[str, ...]:
    less = ("", *_SIGNS)
    steps = [clip.added_ms(more, before) for more, before in zip(_SIGNS, less, strict=False)]
    added = [*steps, clip.added_ms(_SIGNS[-1])]
    return (
        clip.clip,
        _spread(clip.ratio),
        judge_ratio(clip, judge) or "no face",
        *("" if ms is None else f"{ms:.2f}" for ms in added),
        judge_signs(clip, judge) or "no face",
        f"{clip.other_cores:.2f}",
    )


def _spread(ratio: Spread) -> str:
    return f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
