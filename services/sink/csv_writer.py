"""Writes the session folder: a CSV file for each table, and ``session.json``.

Rows are handed to the operating system with every batch of messages, so a killed process loses
none of them. ``session.json`` is replaced atomically twice a second, and contains the checkpoint
from which a restarted sink continues.
"""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from affectline.common import atomic_file, file_access
from affectline.common.errors import AffectlineError
from affectline.common.json_text import parse_json
from affectline.common.wire.base import Count, Message
from affectline.common.wire.biometrics import Samples, State, sample_times
from affectline.common.wire.messages import Emotion, Marker
from affectline.services.sessions.columns import (
    SESSION_TABLES,
    emotion_rows,
    lost_row,
    marker_row,
    sample_rows,
    state_row,
)
from affectline.services.sessions.stream_stats import StreamSummary
from affectline.services.sessions.table_reader import TableReader
from affectline.services.sink.table_file import TableFile

TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%S%z"


class SinkCheckpoint(BaseModel):
    """The checkpoint from which a restarted sink continues; a part of ``session.json``."""

    model_config = ConfigDict(extra="forbid")

    bytes: dict[str, Count] = Field(default_factory=dict)
    """Size of each table's file, by table."""
    streams: dict[str, StreamSummary] = Field(default_factory=dict)
    newest_samples: dict[str, tuple[int, int, int]] = Field(default_factory=dict)
    """Epoch, seq and time of the newest message, by ``subject/signal``."""
    first_event: int | None = None
    """Event time of the first frame, sample or state, ns since the Unix epoch."""
    last_event: int | None = None

    @property
    def seconds(self) -> float | None:
        """Length of the session in event time."""
        if self.first_event is None or self.last_event is None:
            return None
        return (self.last_event - self.first_event) / 1e9


class CsvWriter:
    """The files of one session.

    Args:
        folder: Created if necessary; may contain an earlier part of the same session.
        about: Other contents of ``session.json``: delivery, settings and the like.
        session_start: Zero of ``time_s``, ns since the Unix epoch. None: set by the first `begin`,
            or by the time of the first row.

    Raises:
        AffectlineError: The folder or its files cannot be written.
    """

    def __init__(
        self, folder: Path, about: dict[str, Any], session_start: int | None = None
    ) -> None:
        self.folder = folder
        self.session_start = session_start
        self._about, self._version = about, version("affectline")
        self._tables: dict[str, TableFile] = {}
        try:
            file_access.make_folder(folder)
            self.begun = time.strftime(TIME_FORMAT)
            self._checkpoint = self._recover()
            for table in SESSION_TABLES:
                self._tables[table.name] = TableFile(folder, table)
            for name in ("emotions", "markers"):
                self._tables[name].create()
            self.uncounted = list(self._count_rows())
            """Messages that an earlier process wrote after its last checkpoint; counted now."""
        except OSError as error:
            self.close()
            raise self._cannot_write(error) from error
        except AffectlineError:
            self.close()
            raise

    @property
    def streams(self) -> dict[str, StreamSummary]:
        """What is known about each stream, by name."""
        return self._checkpoint.streams

    def _recover(self) -> SinkCheckpoint:
        """The last checkpoint of an earlier process."""
        path = self.folder / "session.json"
        if not path.exists():
            return SinkCheckpoint()
        try:
            content = parse_json(path.read_text(encoding="utf-8"))
            checkpoint = SinkCheckpoint.model_validate(content["checkpoint"])
            self.begun = str(content["begun"])
            start = content["session_start"]
        except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            raise AffectlineError(
                f"--out {self.folder}: its session.json was not written by this version",
                "name a new folder",
            ) from error
        if isinstance(start, int):
            self.session_start = start  # existing rows count from it
        return checkpoint

    @property
    def newest_samples(self) -> dict[str, tuple[int, int, int]]:
        """Epoch, seq and time of the newest message written, by ``subject/signal``."""
        return self._checkpoint.newest_samples

    def _count_rows(self) -> Iterator[Message]:
        """Count rows written after the last checkpoint; yield their messages."""
        reader = TableReader(self.folder, self._checkpoint.bytes)
        for packet in reader.messages():
            message = packet.message
            match message:
                case Emotion():
                    summary = self.streams.setdefault(message.stream, StreamSummary())
                    summary.add(message)
                    summary.reach(message.epoch, message.seq)
                    self._extend(message.captured_at)
                case Samples():
                    self._count_samples(message)
                case State():
                    self._extend(message.at)
            if isinstance(message, Emotion | Samples | State | Marker):
                yield message
        for stream, epoch, seq in reader.lost_frames():
            summary = self.streams.setdefault(stream, StreamSummary())
            summary.lost += 1
            summary.reach(epoch, seq)

    def begin(self, session_start: int) -> None:
        """Set zero of the time line, unless it is known."""
        if self.session_start is None:
            self.session_start = session_start

    def add(self, emotion: Emotion) -> None:
        """Add the rows of a frame's result; they are on disk after `flush`."""
        start = self._start_by(emotion.captured_at)
        self._extend(emotion.captured_at)
        for row in emotion_rows(emotion, start):
            self._tables["emotions"].add(row)

    def add_lost(self, stream: str, epoch: int, seq: int) -> None:
        """Add a row for a frame whose result never came."""
        self._tables["emotions"].add(lost_row(stream, epoch, seq))

    def add_samples(self, samples: Samples) -> None:
        """Add a row for each sample of a message."""
        start = self._start_by(samples.at)
        self._count_samples(samples)
        for row in sample_rows(samples, start):
            self._tables["samples"].add(row)

    def _count_samples(self, samples: Samples) -> None:
        self._extend(samples.at)
        self._extend(sample_times(samples)[-1])
        newest = samples.epoch, samples.seq, samples.at
        self._checkpoint.newest_samples[f"{samples.subject}/{samples.signal}"] = newest

    def add_state(self, state: State) -> None:
        """Add a row for a person's state."""
        start = self._start_by(state.at)
        self._extend(state.at)
        self._tables["states"].add(state_row(state, start))

    def add_marker(self, marker: Marker) -> None:
        """Add a row for a marker; `finish` sorts the markers by time."""
        self._tables["markers"].add(marker_row(marker, self._start_by(marker.at)))

    def _start_by(self, event_time: int) -> int:
        self.begin(event_time)
        assert self.session_start is not None  # noqa: S101 - for the type checker: begun above
        return self.session_start

    def _extend(self, event_time: int) -> None:
        known = self._checkpoint
        first, last = known.first_event, known.last_event
        known.first_event = event_time if first is None else min(first, event_time)
        known.last_event = event_time if last is None else max(last, event_time)

    def flush(self) -> None:
        """Hand all rows to the operating system.

        Raises:
            AffectlineError: The files cannot be written, for example because the disk is full.
        """
        self._write(self._flush_tables)

    def _flush_tables(self) -> None:
        for table in self._tables.values():
            table.flush()

    def checkpoint(self) -> None:
        """Flush, and replace ``session.json``.

        Raises:
            AffectlineError: The files cannot be written, for example because the disk is full.
        """
        self.flush()
        self._write(self._replace_session)

    def finish(self) -> None:
        """Sort the markers by time, and write a last checkpoint.

        Raises:
            AffectlineError: The files cannot be written, for example because the disk is full.
        """
        self._write(lambda: self._tables["markers"].sort("at"))
        self.checkpoint()

    def _replace_session(self) -> None:
        self._checkpoint.bytes = {name: table.size for name, table in self._tables.items()}
        start = self.session_start
        content = {
            **self._about,
            "affectline": self._version,
            "begun": self.begun,
            "session_start": start,
            "session_start_utc": None if start is None else format_utc(start),
            "seconds": self._checkpoint.seconds,
            "written": time.strftime(TIME_FORMAT),
            "streams": {name: s.describe() for name, s in self.streams.items()},
            "files": sorted(p.name for p in self.folder.iterdir() if not p.name.startswith(".")),
            "checkpoint": self._checkpoint.model_dump(),
        }
        text = json.dumps(content, indent=2) + "\n"
        # This happens every few batches: waiting for the disk would hold up the pipeline
        atomic_file.write_text(self.folder / "session.json", text, sync=False)

    def close(self) -> None:
        """Close the files."""
        for table in self._tables.values():
            table.close()

    def _write(self, action: Callable[[], Any]) -> None:
        try:
            action()
        except OSError as error:
            raise self._cannot_write(error) from error

    def _cannot_write(self, error: OSError) -> AffectlineError:
        return AffectlineError(
            f"--out {self.folder}: cannot write ({error.strerror or error})",
            "free some space or name a folder on another disk that you may write to",
        )


def format_utc(at: int) -> str:
    """Nanoseconds since the Unix epoch as an ISO 8601 time in UTC."""
    return datetime.fromtimestamp(at / 1e9, UTC).isoformat(timespec="microseconds")
