"""Reads a session folder independently of the pipeline's own accounting."""

import csv
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from affectline.common.recording.reader import FILE, SessionReader
from affectline.common.wire import codec
from affectline.common.wire.messages import Emotion, Frame
from affectline.services.sessions.columns import LOST
from tests.chaos.film import read_number
from tests.pipelines import run


class FrameId(NamedTuple):
    """Identity of a frame in the only stream."""

    epoch: int
    seq: int


@dataclass
class Timeline:
    """What ``emotions.csv`` contains about each frame."""

    with_result: set[FrameId] = field(default_factory=set)
    lost: set[FrameId] = field(default_factory=set)
    skipped: Counter[str] = field(default_factory=Counter)
    """Number of skipped frames by reason, counted like the summary does."""
    repeated: int = 0
    """Rows of a frame that appears again after other frames."""
    disordered: int = 0
    """Frames that come after a later one."""
    backwards: int = 0
    """Frames with a time before that of the row above."""
    first_s: float | None = None
    last_s: float | None = None
    """Times of the first and the last frame."""

    @property
    def all(self) -> set[FrameId]:
        """All frames that have a row of any kind."""
        return self.with_result | self.lost


def read_timeline(folder: Path) -> Timeline:
    """Read ``emotions.csv``."""
    found = Timeline()
    reasons: dict[FrameId, set[str]] = {}
    before: FrameId | None = None
    with (folder / "emotions.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            frame = FrameId(int(row["epoch"]), int(row["seq"]))
            if row["reason"] == LOST:
                found.repeated += frame in found.all
                found.lost.add(frame)
            else:
                found.repeated += frame != before and frame in found.all
                found.with_result.add(frame)
                reasons.setdefault(frame, set()).add(row["reason"])
                _read_time(found, float(row["time_s"]))
            found.disordered += before is not None and frame < before
            before = frame
    for given in reasons.values():
        found.skipped.update(given - {""})
    return found


def _read_time(found: Timeline, time_s: float) -> None:
    found.first_s = time_s if found.first_s is None else found.first_s
    found.backwards += found.last_s is not None and time_s < found.last_s
    found.last_s = time_s


@dataclass
class RecordedFrames:
    """What ``session.mcap`` contains about each frame."""

    frames: set[FrameId] = field(default_factory=set)
    answers: set[FrameId] = field(default_factory=set)
    repeated_frames: int = 0
    repeated_answers: int = 0
    """Frames and results that are there more than once."""
    mistaken: list[FrameId] = field(default_factory=list)
    """Frames that show another number than their own."""
    numbers: list[int] = field(default_factory=list)
    """The numbers that the images show, in the order of the file."""


def read_recording(folder: Path, *, shows_numbers: bool) -> RecordedFrames:
    """Read ``session.mcap``.

    Args:
        folder: The session folder.
        shows_numbers: Images are not pixelated, so their numbers can be read.
    """
    found = RecordedFrames()
    with SessionReader(folder / FILE) as reader:
        for recorded in reader.messages():
            if recorded.kind not in ("Frame", "Emotion"):
                continue
            packet = codec.decode(recorded.parts)
            message = packet.message
            assert isinstance(message, Frame | Emotion)
            frame = FrameId(message.epoch, message.seq)
            known = found.frames if isinstance(message, Frame) else found.answers
            found.repeated_frames += isinstance(message, Frame) and frame in known
            found.repeated_answers += isinstance(message, Emotion) and frame in known
            known.add(frame)
            if isinstance(message, Frame) and shows_numbers:
                number = read_number(bytes(packet.parts[0]))
                found.numbers.append(-1 if number is None else number)
                if number != frame.seq:
                    found.mistaken.append(frame)
    return found


class Check(NamedTuple):
    """What ``affectline check`` reports about a recording."""

    is_sound: bool
    problems: str
    missing: dict[str, set[FrameId]]
    """Frames that it reports as missing, by kind of message, ``Frame`` or ``Emotion``."""
    clock_steps_s: list[float]
    """The reported clock steps, in seconds."""


def check(folder: Path) -> Check:
    """Run ``affectline check``, as a user would."""
    done = run("check", str(folder), "--json")
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return Check(False, done.stderr.strip(), {}, [])
    missing: dict[str, set[FrameId]] = {}
    for sequence in answer["sequences"]:
        for hole in sequence["holes"]:
            seqs = range(hole["first_seq"], hole["last_seq"] + 1)
            of_kind = missing.setdefault(sequence["message"], set())
            of_kind.update(FrameId(sequence["epoch"], seq) for seq in seqs)
    steps = [step["by_s"] for step in answer["clock_steps"]]
    return Check(done.returncode == 0, "; ".join(answer["problems"]), missing, steps)


def count_samples(folder: Path) -> int:
    """Count distinct samples in ``samples.csv``."""
    with (folder / "samples.csv").open(newline="") as file:
        return len({(row["signal"], row["at"]) for row in csv.DictReader(file)})
