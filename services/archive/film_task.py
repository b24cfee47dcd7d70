"""One film of an archive: its task, its result, and its analysis in any process."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from affectline.common import atomic_file, file_access
from affectline.common.errors import AffectlineError, first_line
from affectline.common.json_text import parse_json
from affectline.common.runtime.stage import Stage
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.wire.messages import Emotion, Packet, StreamStart
from affectline.services.analysis.direct_run import DirectRun
from affectline.services.capture.frame_source import Source
from affectline.services.sessions.face_measures import FaceMeasures
from affectline.services.sessions.offline_features import CollectedSignals, offline_features
from affectline.services.sessions.progress import expected_frames
from affectline.services.sessions.run_summary import read_session
from affectline.services.supervisor.plan import complete

RESULT: Final = "film.json"
"""File in a session folder of an archive: the task, and the film's rows of the summary."""
REPORT_S: Final = 0.25
"""Minimum interval between progress reports."""
IN_FULL: Final = ("end", "stopped")
"""Ends of a complete stream."""

Report = Callable[[int, int | None], None]
"""Called with the number of analysed frames and, if known, of all frames."""


class FilmTask(BaseModel):
    """A film to analyse; sent to other processes and hosts as JSON.

    Attributes:
        name: Name of its session folder, unique within the archive.
        source: The film, as for ``affectline up --source``.
        settings: Settings of the run, with this film as its source.
        folder: Its session folder.
        columns: Columns from the list of films; they go into every result.
        size: File size in bytes; None if it is not a file.
        modified: Modification time of the file, in ns since the Unix epoch.
        sensors: Size and modification time of each of its signal files.
        upload: Address in a store for the session folder; empty: it stays in ``folder``.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    source: str
    settings: PipelineSettings
    folder: Path
    columns: dict[str, str] = {}
    size: int | None = None
    modified: int | None = None
    sensors: tuple[tuple[int, int], ...] = ()
    upload: str = ""

    @property
    def fingerprint(self) -> str:
        """A hash of everything that the numbers depend on, except the film's content."""
        sources = [one.model_copy(update={"source": ""}) for one in self.settings.sources]
        plain = self.settings.model_copy(update={"sources": tuple(sources)}).model_dump(mode="json")
        for name in ("hub", "dashboard", "sink", "retention", "services", "pace", "rate"):
            plain.pop(name)
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]

    def describe(self) -> dict[str, Any]:
        """What a resumed archive compares: the film, and how it was analysed."""
        return {
            "source": self.source, "size": self.size, "modified": self.modified,
            "settings": self.fingerprint, "sensors": [list(one) for one in self.sensors],
        }  # fmt: skip


class FilmResult(BaseModel):
    """The result of a film.

    Attributes:
        name: As in its task.
        source: As in its task.
        columns: As in its task.
        problem: Why it failed, or what is missing; empty if the whole film was analysed.
        remark: What is unusual about a film that was analysed completely, such as missing times.
        end: How its stream ended: ``end``, ``truncated``, ``damaged``; empty if it failed.
        frames: Number of analysed frames.
        seconds: Analysed length of the film in s.
        took_s: Duration of the analysis in s.
        rows: A row of the summary for each of its faces.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    source: str
    columns: dict[str, str] = {}
    problem: str = ""
    remark: str = ""
    end: str = ""
    frames: int = 0
    seconds: float = 0.0
    took_s: float = 0.0
    rows: list[dict[str, Any]] = []

    @property
    def has_session(self) -> bool:
        """Whether there is a session folder, for the whole film or a part of it."""
        return bool(self.end)


def analyse_film(
    task: FilmTask,
    report: Report = lambda _done, _total: None,
    opened: Callable[[], Mapping[str, Source]] = dict,
    prepare: Callable[[Stage], None] = lambda _: None,
) -> FilmResult:
    """Analyse a film in this process; afterwards its session folder is complete or absent.

    Problems with the film are in the result. Only Ctrl-C and disk errors are raised.

    Args:
        task: The film.
        report: Called with the progress.
        opened: Opens, by stream, a film that is not where the settings say.
        prepare: Called with every stage before it is set up.

    Raises:
        OSError: The results cannot be written.
    """
    started = time.monotonic()
    result = FilmResult(name=task.name, source=task.source, columns=task.columns)
    partial = atomic_file.partial_path(task.folder)
    shutil.rmtree(partial, ignore_errors=True)
    sink = task.settings.sink.model_copy(update={"out": partial})
    fixed = {"sink": sink, "delivery": "lossless", "pace": "fast"}
    measures = FaceMeasures(subjects=task.settings.fusion.streams)
    signals = CollectedSignals()
    progress = _Progress(report)

    def observe(packet: Packet) -> None:
        measures.add(packet)
        signals.add(packet.message)
        progress.on_message(packet)

    try:
        DirectRun(
            complete(task.settings.model_copy(update=fixed)), observe, opened(), prepare
        ).run()
        streams = read_session(partial)["streams"].values()
    except AffectlineError as error:
        shutil.rmtree(partial, ignore_errors=True)
        said = str(error).removeprefix("--source ")
        # Other problems, such as with sensors, do not name the film
        problem = said if Path(task.source).name in said else f"{task.source}: {said}"
        return result.model_copy(update={"problem": problem})
    except (MemoryError, ValueError, RuntimeError) as error:
        # A library's error on an unusual film must not affect other films
        shutil.rmtree(partial, ignore_errors=True)
        problem = f"{task.source}: {type(error).__name__}, {first_line(error)}"
        return result.model_copy(update={"problem": problem})
    in_part = [stream for stream in streams if stream["end"] not in IN_FULL]
    found = {
        "end": next((stream["end"] for stream in in_part), "end"),
        "problem": _details(in_part),
        "remark": _details(stream for stream in streams if stream not in in_part),
        "frames": sum(stream["frames"] for stream in streams),
        "seconds": round(max(map(_length_s, streams), default=0.0), 3),
        "took_s": round(time.monotonic() - started, 3),
        "rows": _with_features(measures.rows(), signals),
    }
    result = result.model_copy(update=found)
    _finish(task, result, partial)
    return result


def _details(streams: Iterable[Mapping[str, Any]]) -> str:
    return "; ".join(stream["detail"] for stream in streams if stream["detail"])


def _finish(task: FilmTask, result: FilmResult, partial: Path) -> None:
    """Write the result file, sync the session folder to disk, and give it its final name."""
    with file_access.as_the_session(partial / "session.json"):
        content = {
            "task": task.describe(), "result": result.model_dump(mode="json"),
            "files": _sizes(partial),
        }  # fmt: skip
        text = json.dumps(content, indent=1)
        atomic_file.write_text(partial / RESULT, text, sync=False)
    atomic_file.sync_tree(partial)
    shutil.rmtree(task.folder, ignore_errors=True)
    atomic_file.rename(partial, task.folder)


def _sizes(folder: Path) -> dict[str, int]:
    """Sizes of a session's files in bytes."""
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _with_features(rows: list[dict[str, Any]], signals: CollectedSignals) -> list[dict[str, Any]]:
    """Add features of heart and skin to the rows of a person.

    If NeuroKit2 is not installed, nothing is added.
    """
    if not signals.subjects or find_spec("neurokit2") is None:
        return rows
    features = {subject: offline_features(signals.of(subject)) for subject in signals.subjects}
    return [row | features.get(row["subject"], {}) for row in rows]


def read_result(task: FilmTask, *, is_here: bool = True) -> FilmResult | None:
    """The result of an earlier analysis of a film; None if it must be analysed (again).

    It must if its session folder is missing or incomplete, or the film or the settings changed.

    Args:
        task: The film.
        is_here: The session is in its local folder, not in a store, where the result comes last.
    """
    try:
        content = parse_json((task.folder / RESULT).read_text(encoding="utf-8"))
        result = FilmResult.model_validate(content["result"])
        is_same = content["task"] == task.describe()
        if is_here:  # the folder may be partly copied, or have lost files
            found = _sizes(task.folder)
            is_same &= all(found.get(name) == size for name, size in content["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    # The list of films may have been corrected since
    return result.model_copy(update={"columns": task.columns}) if is_same else None


class _Progress:
    """Counts the frames of a run and reports them at intervals."""

    def __init__(self, report: Report) -> None:
        self._report, self._done = report, 0
        self._total: int | None = None
        self._next = 0.0

    def on_message(self, packet: Packet) -> None:
        match packet.message:
            case StreamStart() as start:
                self._total = expected_frames(start)
            case Emotion():
                self._done += 1
            case _:
                return
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + REPORT_S
            self._report(self._done, self._total)


def _length_s(stream: dict[str, Any]) -> float:
    first, last = stream["first_captured_at"], stream["last_captured_at"]
    return 0.0 if first is None or last is None else (last - first) / 1e9
