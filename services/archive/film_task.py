"""One film of an archive: what is to be done with it, and doing it, in whatever process."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping
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
"""In a session folder of an archive: what was analysed how, and its rows of the summary."""
REPORT_S: Final = 0.25
"""Progress is reported this often at most."""
IN_FULL: Final = ("end", "stopped")
"""Ends of a stream of which nothing is missing."""

Report = Callable[[int, int | None], None]
"""Called with the frames that are done and, where it is known, how many there are."""


class FilmTask(BaseModel):
    """A film to analyse; goes to other processes, and other hosts, as JSON.

    Attributes:
        name: Of its session folder: no other film of the archive has it.
        source: The film, as ``affectline up --source`` takes it.
        settings: Of the run, with this film as its source.
        folder: Where its session folder goes.
        columns: What the list of films says of it, and what goes into every result.
        size: Of the file, in bytes; None where it is no file.
        modified: When the file was changed, in ns since the Unix epoch.
        sensors: Size and time of the last change of each file of signals beside it.
        upload: Address in a store to which the session folder goes; empty: it stays in ``folder``.
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
        """A hash of everything that the numbers depend on, but for the film's content."""
        sources = [one.model_copy(update={"source": ""}) for one in self.settings.sources]
        plain = self.settings.model_copy(update={"sources": tuple(sources)}).model_dump(mode="json")
        for name in ("hub", "dashboard", "sink", "retention", "services", "pace", "rate"):
            plain.pop(name)
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]

    def describe(self) -> dict[str, Any]:
        """What is compared when an archive is resumed: the film, and how it was analysed."""
        return {
            "source": self.source, "size": self.size, "modified": self.modified,
            "settings": self.fingerprint, "sensors": [list(one) for one in self.sensors],
        }  # fmt: skip


class FilmResult(BaseModel):
    """What came of a film.

    Attributes:
        name: As in its task.
        source: Likewise.
        columns: Likewise.
        problem: Why it failed, or what is missing of it; empty where all of it was analysed.
        end: How its stream ended: ``end``, ``truncated``, ``damaged``; empty where it failed.
        frames: Frames that were analysed.
        seconds: Length of the film that was analysed, in s.
        took_s: Time that it took, in s.
        rows: A row of the summary for each of its faces.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    source: str
    columns: dict[str, str] = {}
    problem: str = ""
    end: str = ""
    frames: int = 0
    seconds: float = 0.0
    took_s: float = 0.0
    rows: list[dict[str, Any]] = []

    @property
    def has_session(self) -> bool:
        """Whether there is a session folder, of the whole film or of a part of it."""
        return bool(self.end)


def analyse_film(
    task: FilmTask,
    report: Report = lambda _done, _total: None,
    opened: Callable[[], Mapping[str, Source]] = dict,
    prepare: Callable[[Stage], None] = lambda _: None,
) -> FilmResult:
    """Analyse a film in this process; its session folder is there as a whole afterwards, or not.

    Whatever is wrong with the film is in the result: nothing is raised but Ctrl-C, and what is
    wrong with the disk.

    Args:
        task: The film.
        report: Told how far it has come.
        opened: Opens, by stream, the film that is not where the settings say.
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
        # What is wrong beside the film, such as with its sensors, does not name it
        problem = said if Path(task.source).name in said else f"{task.source}: {said}"
        return result.model_copy(update={"problem": problem})
    except (MemoryError, ValueError, RuntimeError) as error:
        # A library's own error on a strange film: the others are not its business
        shutil.rmtree(partial, ignore_errors=True)
        problem = f"{task.source}: {type(error).__name__}, {first_line(error)}"
        return result.model_copy(update={"problem": problem})
    ends = [stream["end"] for stream in streams]
    found = {
        "end": next((end for end in ends if end not in IN_FULL), "end"),
        "problem": "; ".join(stream["detail"] for stream in streams if stream["detail"]),
        "frames": sum(stream["frames"] for stream in streams),
        "seconds": round(max(map(_length_s, streams), default=0.0), 3),
        "took_s": round(time.monotonic() - started, 3),
        "rows": _with_features(measures.rows(), signals),
    }
    result = result.model_copy(update=found)
    _finish(task, result, partial)
    return result


def _finish(task: FilmTask, result: FilmResult, partial: Path) -> None:
    """Give a session folder its name, now that all of it is on the disk."""
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
    """The files of a session, and their sizes in bytes."""
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _with_features(rows: list[dict[str, Any]], signals: CollectedSignals) -> list[dict[str, Any]]:
    """The rows, with features of heart and skin in those that tell of a person.

    Where NeuroKit2 is not installed there are none.
    """
    if not signals.subjects or find_spec("neurokit2") is None:
        return rows
    features = {subject: offline_features(signals.of(subject)) for subject in signals.subjects}
    return [row | features.get(row["subject"], {}) for row in rows]


def read_result(task: FilmTask, *, is_here: bool = True) -> FilmResult | None:
    """The result of a film that was analysed before; None where it is to be analysed (again).

    That is so where there is no whole folder of it, or the film or the settings have changed.

    Args:
        task: The film.
        is_here: Its session is in its folder, and not in a store, where the result comes last.
    """
    try:
        content = parse_json((task.folder / RESULT).read_text(encoding="utf-8"))
        result = FilmResult.model_validate(content["result"])
        is_same = content["task"] == task.describe()
        if is_here:  # a folder that was copied in part, or of which something was lost
            found = _sizes(task.folder)
            is_same &= all(found.get(name) == size for name, size in content["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    # What the list of films says of it may have been put right since
    return result.model_copy(update={"columns": task.columns}) if is_same else None


class _Progress:
    """Counts the frames of a run, and tells now and then."""

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
