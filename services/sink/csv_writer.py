"""The session folder: ``emotions.csv``, ``markers.csv`` and ``session.json``.

Rows are handed to the operating system with every batch of messages, so a killed process loses
none of them; ``session.json`` is replaced as a whole twice a second, and holds where a
restarted sink continues.
"""

import csv
import io
import json
import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from affectline.common import atomic_file
from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.wire.messages import Emotion, Marker
from affectline.services.sessions.columns import COLUMNS, MARKER_COLUMNS, emotion_row, marker_row
from affectline.services.sessions.stream_stats import StreamSummary

DIGITS: Final = {
    "angle": 2, "blur": 2, "brightness": 4, "confidence": 6, **dict.fromkeys(LABELS, 6),
    **dict.fromkeys((f"{label}_frame" for label in LABELS), 6),
}  # fmt: skip
"""Decimals of the columns that are rounded."""
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%S%z"


class CsvWriter:
    """The files of one session.

    Args:
        folder: Is made if need be; may hold an earlier part of the same session.
        about: What else ``session.json`` shall hold: delivery, settings and the like.

    Raises:
        AffectlineError: The folder or its files cannot be written.
    """

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        self.folder = folder
        self._about = about
        self._rows = io.StringIO()
        self._writer = csv.writer(self._rows, lineterminator="\n")
        self._markers = io.StringIO()
        self._marker_writer = csv.writer(self._markers, lineterminator="\n")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.begun = time.strftime(TIME_FORMAT)
            self.streams, rows_at = self._recover()
            self._file = self._open("emotions.csv", COLUMNS)
            self._marker_file = self._open("markers.csv", MARKER_COLUMNS)
            self._written_frames = self._read_rows_from(rows_at)
        except OSError as error:
            raise self._cannot_write(error) from error

    def _open(self, name: str, columns: tuple[str, ...]) -> io.FileIO:
        file = io.FileIO(self.folder / name, "a+")
        file.seek(0)
        if not file.read(1):
            file.write((",".join(columns) + "\n").encode())
        else:
            self._remove_torn_line(file)
        file.seek(0, os.SEEK_END)
        return file

    @staticmethod
    def _remove_torn_line(file: io.FileIO) -> None:
        """Remove what a process that died while writing left behind the last line's end."""
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 65536))
        tail = file.read() or b""
        file.truncate(size - len(tail) + tail.rfind(b"\n") + 1)

    def _recover(self) -> tuple[dict[str, StreamSummary], int]:
        """Streams and size of the rows as of the last checkpoint of an earlier process."""
        path = self.folder / "session.json"
        if not path.exists():
            return {}, 0
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            streams = {
                name: StreamSummary.model_validate(summary)
                for name, summary in content["checkpoint"]["streams"].items()
            }
            self.begun = str(content["begun"])
            return streams, int(content["checkpoint"]["bytes"])
        except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            raise AffectlineError(
                f"--out {self.folder}: its session.json is not one of ours", "name a new folder"
            ) from error

    def _read_rows_from(self, offset: int) -> set[tuple[str, int, int]]:
        """Frames whose rows were written after the last checkpoint."""
        if not offset:
            return set()
        self._file.seek(offset)
        text = (self._file.read() or b"").decode(errors="replace")
        self._file.seek(0, os.SEEK_END)
        rows = [row for row in csv.reader(io.StringIO(text)) if len(row) == len(COLUMNS)]
        return {(row[0], int(row[1]), int(row[2])) for row in rows}

    def add(self, emotion: Emotion) -> None:
        """Add a row for each face of a frame; seen on disk after `flush`."""
        if (emotion.stream, emotion.epoch, emotion.seq) in self._written_frames:
            return
        for face in emotion.faces:
            cells = zip(COLUMNS, emotion_row(emotion, face), strict=True)
            self._writer.writerow([_round(column, value) for column, value in cells])

    def add_marker(self, marker: Marker) -> None:
        """Add a row for a marker."""
        self._marker_writer.writerow(marker_row(marker))

    def flush(self) -> None:
        """Hand all rows to the operating system.

        Raises:
            AffectlineError: The disk is full, or the like.
        """
        for buffer, file in ((self._rows, self._file), (self._markers, self._marker_file)):
            data = buffer.getvalue().encode()
            if data:
                try:
                    _write_all(file, data)
                except OSError as error:
                    raise self._cannot_write(error) from error
                buffer.seek(0)
                buffer.truncate()

    def checkpoint(self) -> None:
        """Flush, and replace ``session.json``."""
        self.flush()
        try:
            self._replace_session()
        except OSError as error:
            raise self._cannot_write(error) from error

    def _replace_session(self) -> None:
        content = {
            **self._about,
            "affectline": version("affectline"),
            "begun": self.begun,
            "written": time.strftime(TIME_FORMAT),
            "streams": {name: s.describe() for name, s in self.streams.items()},
            "files": sorted(p.name for p in self.folder.iterdir() if not p.name.startswith(".")),
            "checkpoint": {
                "bytes": self._file.tell(),
                "streams": {name: s.model_dump() for name, s in self.streams.items()},
            },
        }
        text = json.dumps(content, indent=2) + "\n"
        # Written every few batches: waiting for the disk would hold up the pipeline
        atomic_file.write_text(self.folder / "session.json", text, sync=False)

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        self._marker_file.close()

    def _cannot_write(self, error: OSError) -> AffectlineError:
        return AffectlineError(
            f"--out {self.folder}: cannot write ({error.strerror or error})",
            "free some space or name a folder on another disk that you may write to",
        )


def _write_all(file: io.FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) or 0 :]


def _round(column: str, value: Any) -> Any:
    return value if value is None or column not in DIGITS else round(value, DIGITS[column])
