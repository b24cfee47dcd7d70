"""The promises of a run, and whether it kept them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from affectline.common.recording.reader import FILE
from affectline.services.cli.run import EXIT_INTERRUPTED
from tests.benchmarks.noise import DISTURBED_CORES
from tests.chaos.evidence import (
    FrameId,
    RecordedFrames,
    Timeline,
    check,
    count_samples,
    read_recording,
    read_timeline,
)
from tests.chaos.results import CellResult

if TYPE_CHECKING:
    from tests.chaos.trial import Observation

NEXT_FRAME_S: Final = 3.0
"""Frames must flow again within this time after a process has died."""
DESCRIPTORS: Final = 4
"""How many more descriptors are tolerated: a connection may be about to be made."""


def judge(seen: Observation, out: Path, result: CellResult, next_frame_s: float) -> None:
    """Fill in the measurements of a cell, and the promises that it broke.

    Args:
        seen: Observations from outside the pipeline.
        out: The session folder.
        result: The result to complete.
        next_frame_s: Frames must flow again within this time.
    """
    _measure_times(seen, result)
    promises = _judge_end(seen, result)
    promises += _judge_frames(seen, out, result)
    promises += _judge_footprint(seen, result)
    late = _judge_times(seen, result, next_frame_s)
    result.broken += promises + late
    if promises or (late and result.other_cores <= DISTURBED_CORES):
        result.verdict = "broken"
    elif late:
        result.verdict = "undecided"
        result.broken.append(f"{result.other_cores:.1f} cores were busy with other work")


def _measure_times(seen: Observation, result: CellResult) -> None:
    result.pause_s = _longest_pause(seen.fault_at, seen.answered_at)
    if seen.hung_until:
        result.hung_s = max(seen.hung_until.values()) - seen.fault_at
    if seen.cell.processes and seen.back_at.keys() == set(seen.cell.processes):
        result.back_s = max(seen.back_at.values()) - seen.fault_at
    if seen.cell.mode.has_page:
        shown = [at for at in seen.shown_at if at > seen.fault_at]
        result.page_pause_s = _longest_pause(seen.fault_at, shown)
    result.resent = seen.counters.get("capture", {}).get("resent", 0)


def _longest_pause(begin: float, times: list[float]) -> float | None:
    return max((b - a for a, b in pairwise([begin, *times])), default=None)


def _judge_end(seen: Observation, result: CellResult) -> list[str]:
    """Judge how the run ended."""
    if seen.cell.ends_run:
        lines = [
            line for line in seen.log.splitlines() if "cannot write" in line or " died" in line
        ]
        result.said = lines[-1] if lines else ""
        if seen.code != 1 or not result.said:
            return [f"the run ended with code {seen.code} and reported {result.said!r}"]
        return []
    expected = EXIT_INTERRUPTED if seen.cell.fault == "camera" else 0
    if seen.code != expected:
        last = seen.log.strip().splitlines()[-1:] or ["nothing"]
        return [f"the run ended with code {seen.code}: {last[0]}"]
    return []


def _judge_times(seen: Observation, result: CellResult, next_frame_s: float) -> list[str]:
    if seen.cell.ends_run:
        return []
    if result.pause_s is None:  # a replay may be over before an outsider has connected again
        return [] if result.rows == result.sent else ["no more frames were analysed"]
    pause_s = result.pause_s - (result.hung_s or 0.0)
    return [f"{pause_s:.1f} s without a frame"] if pause_s > next_frame_s else []


def _judge_frames(seen: Observation, out: Path, result: CellResult) -> list[str]:
    timeline = read_timeline(out)
    sent = _sent(seen, timeline)
    result.sent, result.rows = len(sent), len(timeline.with_result)
    result.lost, result.skipped = len(timeline.lost), timeline.skipped.total()
    broken = _judge_timeline(timeline)
    if not seen.cell.ends_run:
        result.unaccounted = len(sent - timeline.all)
        broken += _judge_counts(seen, timeline, result)
    if seen.samples is not None and not seen.cell.ends_run:
        result.samples = count_samples(out)
        if result.samples != seen.samples:
            broken.append(f"{result.samples} of {seen.samples} samples have a row")
    if seen.cell.mode.records:
        broken += _judge_recording(seen, out, sent, result)
    return broken


def _sent(seen: Observation, timeline: Timeline) -> set[FrameId]:
    """Return every frame that was sent: all of a film, or a camera's up to the newest row."""
    newest: dict[int, int] = {}
    for frame in timeline.all:
        newest[frame.epoch] = max(frame.seq, newest.get(frame.epoch, 0))
    if seen.frames is not None and newest:
        newest = {min(newest): seen.frames - 1}
    return {FrameId(epoch, seq) for epoch, last in newest.items() for seq in range(last + 1)}


def _judge_timeline(timeline: Timeline) -> list[str]:
    found = {
        "rows are repeated": timeline.repeated,
        "frames come after later ones": timeline.disordered,
        "rows go back in time": timeline.backwards,
        "frames are both lost and present": len(timeline.lost & timeline.with_result),
    }
    return [f"{count} {what}" for what, count in found.items() if count]


def _judge_counts(seen: Observation, timeline: Timeline, result: CellResult) -> list[str]:
    broken = []
    if result.unaccounted:
        broken.append(f"{result.unaccounted} frames have no row and are not counted as lost")
    if more := len(timeline.all) - (result.sent or 0) + (result.unaccounted or 0):
        broken.append(f"{more} rows belong to frames that were never sent")
    said = {name: seen.summary.get(name) for name in ("frames", "lost", "skipped")}
    true = {"frames": result.rows, "lost": result.lost, "skipped": result.skipped}
    if seen.summary and said != true:
        broken.append(f"the summary says {said}, the rows {true}")
    if seen.cell.mode.is_lossless and (result.lost or result.skipped):
        broken.append(f"{result.lost} lost and {result.skipped} skipped in lossless delivery")
    return broken


def _judge_recording(
    seen: Observation, out: Path, sent: set[FrameId], result: CellResult
) -> list[str]:
    if not (out / FILE).exists():
        return ["there is no recording"]
    recorded = read_recording(out, shows_numbers=seen.cell.mode.shows_numbers)
    result.recorded, result.answers = len(recorded.frames), len(recorded.answers)
    broken = _judge_pictures(seen, recorded)
    return (
        broken if seen.cell.ends_run else broken + _judge_check(seen, out, sent, recorded, result)
    )


def _judge_pictures(seen: Observation, recorded: RecordedFrames) -> list[str]:
    """Judge whether each image is there once, in order, and shows its frame's number."""
    broken = []
    if recorded.repeated_frames or recorded.repeated_answers:
        broken.append(
            f"{recorded.repeated_frames} frames and {recorded.repeated_answers} results are "
            "recorded twice"
        )
    if seen.frames is not None and recorded.mistaken:
        broken.append(f"{len(recorded.mistaken)} recorded frames show another frame")
    if recorded.numbers != sorted(recorded.numbers):
        broken.append("recorded images are not in order")
    return broken


def _judge_check(
    seen: Observation, out: Path, sent: set[FrameId], recorded: RecordedFrames, result: CellResult
) -> list[str]:
    """Compare what is missing with what ``affectline check`` reports."""
    broken, answer = list[str](), check(out)
    lacking = {"Frame": sent - recorded.frames, "Emotion": sent - recorded.answers}
    if seen.cell.mode.is_lossless and any(lacking.values()):
        frames, answers = (len(lacking[kind]) for kind in ("Frame", "Emotion"))
        broken.append(f"{frames} frames and {answers} results are not recorded")
    said = {kind: answer.missing.get(kind, set()) for kind in lacking}
    result.unsaid = sum(len(lacking[kind] - said[kind]) for kind in lacking)
    if result.unsaid:
        broken.append(f"check does not name {result.unsaid} missing frames and results")
    if wrong := sum(len(said[kind] - lacking[kind]) for kind in lacking):
        broken.append(f"check reports {wrong} frames and results as missing that are there")
    if not answer.is_sound:
        broken.append(f"check: {answer.problems}")
    if seen.cell.clock_s and [round(by_s) for by_s in answer.clock_steps_s] != [seen.cell.clock_s]:
        broken.append(f"check says that the clock was set by {answer.clock_steps_s} s")
    return broken


def _judge_footprint(seen: Observation, result: CellResult) -> list[str]:
    more = result.after.descriptors - result.before.descriptors
    if more > DESCRIPTORS and not seen.cell.ends_run:
        return [f"{more} more descriptors are open"]
    return []
