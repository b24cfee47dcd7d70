"""What commands cost that run no networks: help, report, replay, lists of sessions."""

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.benchmarks.environment import FOLDER, ROOT
from tests.benchmarks.results import (
    CommandTimes,
    GrowthPoint,
    ReplayRate,
    ReportCost,
    Spread,
)
from tests.pipelines import AFFECTLINE, free_port

TURNS: Final = 7
SESSIONS: Final = (1, 10, 100, 1000)
REPLAY_FROM: Final = "56m"
"""Where in the hour the replay begins: 4 minutes, 6000 frames, are left."""
TABLES: Final = ("stream/", "emotion/", "bio/", "state/", "marker/")
"""Topics of what tables are made of: everything but frames and crops."""
_SOURCES: Final = ("tests/hour_session.py", "tests/signed_sessions.py", "tests/recordings.py")
"""What the hour's session depends on, beside the messages and the recording's format."""


_MEASURE: Final = """
import resource, subprocess, sys, time
begun = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
seconds = time.perf_counter() - begun
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
"""Runs a command from a small process: a child's peak begins with what its parent holds."""


class Finished(NamedTuple):
    """What a command took."""

    seconds: float
    cpu_s: float
    peak_mb: float


def run_command(words: Sequence[str]) -> Finished:
    """Run a command to its end.

    Raises:
        RuntimeError: It failed.
    """
    measured = [sys.executable, "-c", _MEASURE, *words]
    done = subprocess.run(measured, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words[-3:])} failed: {done.stderr[-300:]}")
    seconds, cpu_s, peak_kib = map(float, done.stdout.split())
    return Finished(seconds, cpu_s, peak_kib * 1024 / 1e6)


def measure_commands(turns: int = TURNS) -> CommandTimes:
    """Run the shortest commands in turns."""
    python = sys.executable
    commands = (
        [python, "-c", "pass"],
        [python, "-c", "import affectline"],
        [*AFFECTLINE, "--help"],
    )
    times: list[list[float]] = [[] for _ in commands]
    for command in commands:
        run_command(command)  # it may have to compile modules
    for _ in range(turns):
        for one, command in zip(times, commands, strict=True):
            one.append(run_command(command).seconds * 1e3)
    nothing, importing, helping = (Spread.of(one) for one in times)
    return CommandTimes(nothing_ms=nothing, import_ms=importing, help_ms=helping)


def find_hour() -> Path:
    """The session folder of an hour with sensors, which is written once."""
    files = [ROOT / name for name in _SOURCES]
    for folder in ("common/wire", "common/recording", "services/recorder"):
        files += sorted((ROOT / folder).rglob("*.py"))
    content = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    hour = FOLDER / f"hour-{content[:8]}"
    if not hour.exists():
        for earlier in FOLDER.glob("hour-*"):
            shutil.rmtree(earlier)
        begun = FOLDER / f"begun-{os.getpid()}"
        try:
            run_command([sys.executable, "-m", "tests.hour_session", str(begun)])
            begun.rename(hour)
        finally:
            shutil.rmtree(begun, ignore_errors=True)
    return hour


def borrow(session: Path, folder: Path) -> Path:
    """A session folder with the same recording, in which commands may write."""
    folder.mkdir(parents=True)
    for file in session.glob("session.*"):
        os.link(file, folder / file.name) if _is_beside(file, folder) else shutil.copy(file, folder)
    return folder


def _is_beside(file: Path, folder: Path) -> bool:
    return file.stat().st_dev == folder.stat().st_dev


def measure_report(hour: Path, folder: Path) -> ReportCost:
    """Write the report of an hour.

    Args:
        hour: Its session folder.
        folder: For temporary files.
    """
    session = borrow(hour, folder / "reported")
    taken = run_command([*AFFECTLINE, "report", str(session)])
    return ReportCost(
        seconds=taken.seconds, cpu_s=taken.cpu_s, peak_mb=taken.peak_mb, results=3600 * 25
    )


def measure_replay(hour: Path, folder: Path) -> ReplayRate:
    """Replay the end of an hour as fast as possible, into tables alone.

    Args:
        hour: Its session folder.
        folder: For temporary files.
    """
    out = folder / "replayed"
    options = ["--rate", "max", "--from", REPLAY_FROM, "--out", str(out), "--json"]
    topics = ["--topics", ",".join(TABLES)]
    started = time.perf_counter()
    command = [*AFFECTLINE, "replay", str(hour), *options, *topics, "--port", str(free_port())]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    whole_s = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"affectline replay failed: {done.stderr[-500:]}")
    summary = json.loads(done.stdout)
    with (out / "emotions.csv").open(encoding="utf-8", newline="") as file:
        rows = sum(1 for _ in csv.reader(file)) - 1
    if rows < summary["frames"]:
        raise RuntimeError(f"{rows} rows for {summary['frames']} frames")
    return ReplayRate(frames=summary["frames"], seconds=_busy_s(summary, whole_s), whole_s=whole_s)


def _busy_s(summary: dict[str, float], whole_s: float) -> float:
    """From the first result to the end of the run."""
    before = summary.get("first_emotion_s")
    return summary["seconds"] - before if before else whole_s


def measure_sessions(session: Path, folder: Path) -> list[GrowthPoint]:
    """List folders of more and more sessions, which are all alike.

    Args:
        session: One of them.
        folder: For temporary files.
    """
    points = []
    for count in SESSIONS:
        listed = folder / f"sessions-{count}"
        for number in range(count):
            borrow(session, listed / f"drive-{number:04}")
        taken = run_command([*AFFECTLINE, "sessions", str(listed), "--json"])
        figures = {"seconds": taken.seconds, "cpu_s": taken.cpu_s, "peak_mb": taken.peak_mb}
        points.append(GrowthPoint(at=count, figures=figures))
    return points
