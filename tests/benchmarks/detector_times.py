"""CPU time of the detector process on each clip, by backend and by what it tells of each face."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from tests.benchmarks.detector_runs import (
    ClipRun,
    DetectorOptions,
    DetectorRun,
    EncodedClip,
    read_clip,
    run_in_turn,
)
from tests.benchmarks.environment import OtherWork, find_commit
from tests.benchmarks.results import ClipTimes, OptionTimes, Spread

ROUNDS: Final = 3
FRAMES: Final = 120
"""Of each clip, its first ones."""
ALL: Final = DetectorOptions("haar+net", landmarks=True, pose=True, eyes=True)
LANES: Final = (
    DetectorOptions("haar"),
    DetectorOptions("haar+net"),
    DetectorOptions("net"),
    DetectorOptions("haar+net", landmarks=True),
    DetectorOptions("haar+net", landmarks=True, pose=True),
    ALL,
)


def measure_clips(
    clips: Sequence[Path], step: Callable[[str], None], rounds: int = ROUNDS
) -> list[ClipTimes]:
    """Measure each clip.

    Args:
        clips: Films.
        step: Called with the name of each measurement as it begins.
        rounds: How often each is run.
    """
    found = []
    for path in clips:
        step(f"detector, {path.stem}")
        found.append(measure_clip(path.stem, read_clip(path, FRAMES), rounds))
    return found


def measure_clip(name: str, clip: EncodedClip, rounds: int = ROUNDS) -> ClipTimes:
    """Measure a clip in all ways, frame by frame in turn.

    Args:
        name: Of the clip.
        clip: It.
        rounds: How often it is run.
    """
    detectors = [DetectorRun(one.settings) for one in LANES]
    other_work = OtherWork()
    runs = run_in_turn(clip, detectors, rounds)
    haar, net = runs[0].ms.sum(axis=1), runs[1].ms.sum(axis=1)
    return ClipTimes(
        clip=name, size=clip.size, frames=len(clip.frames), rounds=rounds,
        options=[_summarise(one, run) for one, run in zip(LANES, runs, strict=True)],
        ratio=Spread.of((net / haar).tolist()), other_cores=other_work.cores(),
        commit=find_commit(), date=time.strftime("%Y-%m-%d"),
    )  # fmt: skip


def _summarise(options: DetectorOptions, run: ClipRun) -> OptionTimes:
    ms = run.frame_ms
    return OptionTimes(
        backend=options.backend, signs=options.signs, mean=float(ms.mean()),
        p50=float(np.quantile(ms, 0.5)), p99=float(np.quantile(ms, 0.99)),
        found=sum(bool(tracks) for tracks in run.tracks), faces=run.faces,
    )  # fmt: skip
