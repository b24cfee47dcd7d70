"""A run of a pipeline as its user sees it: a progress bar, then a table of results."""

import json
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from affectline.common import file_access
from affectline.common.errors import AffectlineError
from affectline.common.logs import terminal
from affectline.common.runtime.keyboard import Keyboard
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.wire.messages import Emotion, Packet, StreamStart
from affectline.services.sessions.columns import SESSION_TABLES
from affectline.services.sessions.expression_figures import MEAN_PROBABILITY, SHARE_OF_FRAMES
from affectline.services.sessions.progress import expected_frames, new_progress
from affectline.services.sessions.run_summary import read_session, summarize_run
from affectline.services.sessions.sign_figures import sign_lines
from affectline.services.supervisor.forking import ForkServer
from affectline.services.supervisor.process import ProcessSpec
from affectline.services.supervisor.supervisor import Supervisor

EXIT_INTERRUPTED: Final = 130
"""Exit code of a program that Ctrl-C interrupted."""


def run_pipeline(
    settings: PipelineSettings,
    *,
    as_json: bool,
    processes: list[ProcessSpec] | None = None,
    keys_help: str = "",
    fork_server: ForkServer | None = None,
) -> int:
    """Run a pipeline and print its results; return the exit code.

    Args:
        settings: Complete settings, with sources, delivery, pace and session folder.
        as_json: Print the summary as one JSON object.
        processes: The processes, where they differ from those of ``up``; without a sink among them
            there is no summary.
        keys_help: What the keys do, printed at the beginning if standard input is a terminal;
            without it no keys are read.
        fork_server: Forks the processes; None: a new one.

    Raises:
        AffectlineError: It failed.
    """
    started = time.monotonic()
    file_access.restrict(group=settings.sink.group_access)
    folder = settings.sink.out or Path()
    console = terminal()
    told: list[bool] = []
    """Whether the reported results had faults."""

    def on_over() -> None:
        if observer.progress:
            observer.progress.stop()
        told.append(tell_results(folder, observer, supervisor.restarts, as_json=as_json))
        console.print("The page stays open until you close it or press Ctrl-C.", highlight=False)

    with ExitStack() as stack:
        observer = RunProgress(started)
        if console.is_terminal:
            observer.progress = stack.enter_context(new_progress(console))
        keys = stack.enter_context(Keyboard()) if keys_help and Keyboard.is_available() else None
        if keys:
            console.print(keys_help, highlight=False)
        supervisor = Supervisor(
            settings,
            quiet=as_json,
            observe=observer.on_message,
            processes=processes,
            keyboard=keys,
            on_over=on_over,
            fork_server=fork_server,
        )
        try:
            supervisor.run()
        except AffectlineError:
            if settings.sink.out:
                _remove_if_empty(folder)
            raise
    written = settings.sink.out is not None and (folder / "session.json").exists()
    if not written and (supervisor.interrupted or settings.sink.out is None):
        return EXIT_INTERRUPTED if supervisor.interrupted else 0  # nothing was written
    has_faults = (
        told[0] if told else tell_results(folder, observer, supervisor.restarts, as_json=as_json)
    )
    if supervisor.interrupted:
        return EXIT_INTERRUPTED
    return 1 if has_faults else 0


def tell_results(
    folder: Path, observer: "RunProgress", restarts: dict[str, int], *, as_json: bool
) -> bool:
    """Print the results of a run; return whether anything went wrong.

    Args:
        folder: Of its session.
        observer: Has watched it.
        restarts: How often processes were started again, by their names.
        as_json: As one JSON object.
    """
    result = summarize_run(read_session(folder), folder, observer.elapsed_s)
    result |= {"first_emotion_s": observer.first_emotion_s, "restarts": restarts}
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()
    else:
        print_result(result)
    return report_sources(result["streams"])


def report_sources(streams: dict[str, Any]) -> bool:
    """Report which parts of the sources were unreadable or skipped; return whether any were."""
    for stream in streams.values():
        if stream["detail"]:
            sys.stderr.write(f"affectline: --source {stream['detail']}\n")
    return any(stream["end"] in ("damaged", "truncated") for stream in streams.values())


class RunProgress:
    """Shows the progress of a run, from the messages that it publishes.

    Args:
        started: When the run was started, in s of the monotonic clock.
    """

    def __init__(self, started: float) -> None:
        self._started = started
        self.first_emotion_s: float | None = None
        """Time from the start to the first emotion, in s."""
        self.progress: Progress | None = None
        self._bars: dict[str, TaskID] = {}
        self._totals: dict[str, int | None] = {}

    @property
    def elapsed_s(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._started

    def on_message(self, packet: Packet) -> None:
        """Update the progress from a message."""
        match packet.message:
            case StreamStart() as start:
                self._totals[start.stream] = expected_frames(start)
            case Emotion() as emotion:
                if self.first_emotion_s is None:
                    self.first_emotion_s = round(time.monotonic() - self._started, 3)
                if self.progress:
                    self._advance(self.progress, emotion)

    def _advance(self, progress: Progress, emotion: Emotion) -> None:
        if emotion.stream not in self._bars:
            total = self._totals.get(emotion.stream)
            self._bars[emotion.stream] = progress.add_task(emotion.stream, total=total)
        label = emotion.faces[0].label if emotion.faces else "no face"
        progress.update(
            self._bars[emotion.stream],
            completed=emotion.seq + 1,
            description=f"{emotion.stream}  {label or ''}",
        )


def _remove_if_empty(folder: Path) -> None:
    """Remove the session folder of a run that analysed no frame."""
    if not (folder / "session.json").exists():
        return
    try:
        streams = read_session(folder)["streams"]
        if any(stream["frames"] for stream in streams.values()):
            return
        tables = [f"{table.name}.csv" for table in SESSION_TABLES]
        for name in ("session.json", *tables):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
    except (OSError, ValueError, KeyError):
        return


def print_result(result: dict[str, Any]) -> None:
    """Print the results of a run as a table."""
    table = Table(title="Affectline", show_header=True, title_justify="left")
    table.add_column("")
    streams: dict[str, Any] = result["streams"]
    for name in streams:
        table.add_column(name, justify="right")
    rows: list[tuple[str, list[str]]] = [
        ("frames", [str(s["frames"]) for s in streams.values()]),
        ("frames with a face", [str(s["frames_with_face"]) for s in streams.values()]),
        ("faces", [str(s["faces"]) for s in streams.values()]),
        ("tracks", [str(s["tracks"] or "") for s in streams.values()]),
        ("skipped", [_format_skipped(s) for s in streams.values()]),
    ]
    rows += [
        (f"latency {q}", [_format_ms(s["latency_ms"][q]) for s in streams.values()])
        for q in ("p50", "p95", "p99")
    ]
    # Their titles stand in the wide column, so that many streams fit beside each other
    rows.append((f"{SHARE_OF_FRAMES}, {MEAN_PROBABILITY}", [""] * len(streams)))
    rows += [
        (f"  {label}", [_format_expression(s, label) for s in streams.values()])
        for label in result["share_of_frames"]
    ]
    rows += [
        (f"mean {axis}, -1 to 1", [_format_affect(s[axis]) for s in streams.values()])
        for axis in ("valence", "arousal")
    ]
    signs = {name: sign_lines(stream.get("signs")) for name, stream in streams.items()}
    rows += [
        (title, [lines.get(title, "") for lines in signs.values()])
        for title in dict.fromkeys(title for lines in signs.values() for title in lines)
    ]
    rows.append(("ended", [s["end"] or "" for s in streams.values()]))
    for title, cells in rows:
        table.add_row(title, *cells)
    console = Console()
    console.print(table)
    speed = result["frames"] / result["seconds"] if result["seconds"] else 0
    console.print(f"{result['seconds']:.1f} s, {speed:.0f} frames/s from start to end")
    for service, times in result["restarts"].items():
        console.print(f"{service} was restarted {times} time(s)")
    console.print("Files:", highlight=False)
    for file in result["files"]:
        console.print(f"  {os.path.relpath(file)}", highlight=False, soft_wrap=True)


def _format_skipped(stream: dict[str, Any]) -> str:
    total = sum(stream["skipped"].values()) + stream["lost"]
    reasons = [f"{n} {reason}" for reason, n in stream["skipped"].items()]
    if stream["lost"]:
        reasons.append(f"{stream['lost']} lost")
    return f"{total} ({', '.join(reasons)})" if reasons else "0"


def _format_expression(stream: dict[str, Any], label: str) -> str:
    return f"{stream['share_of_frames'][label]:.1%}, {stream['mean_probability'][label]:.1%}"


def _format_affect(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


def _format_ms(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} ms"
