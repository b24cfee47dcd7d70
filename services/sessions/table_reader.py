"""Rebuilds the messages of an unrecorded session from its tables.

Images, crops and the pipeline's own messages are not in the tables, so they are missing. Times,
identities and results are those of the messages, rounded as in the tables.
"""

import csv
import heapq
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TextIO

from pydantic import ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.json_text import parse_json
from affectline.common.labels import LABELS
from affectline.common.recording.reader import sound_about
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import MAX_SAMPLES, Samples, SignalContribution, State
from affectline.common.wire.messages import (
    Emotion,
    FaceEmotion,
    Marker,
    Packet,
    Quality,
    StreamEnd,
    StreamStart,
)
from affectline.services.sessions.columns import (
    EMOTIONS,
    LOST,
    MARKERS,
    SAMPLES,
    STATE_SIGNALS,
    STATES,
    parse_cell,
)
from affectline.services.sessions.driver_columns import read_driver
from affectline.services.sessions.run_summary import is_finished, read_session
from affectline.services.sessions.sign_columns import read_signs
from affectline.services.sessions.stream_stats import StreamSummary
from affectline.services.sessions.table_column import Cells, SessionTable

MEDIA_TIME_NS: Final = 1_000_000_000


class TableReader:
    """The tables of a session folder.

    Args:
        folder: The session folder.
        skip: By table: number of bytes at the start of its file whose rows are skipped.

    Raises:
        AffectlineError: The folder has no ``emotions.csv`` of this version.
    """

    def __init__(self, folder: Path, skip: Mapping[str, int] = MappingProxyType({})) -> None:
        self.folder, self._skip = folder, skip
        try:
            self.session = read_session(folder)
        except (OSError, ValueError):
            self.session = {}
        if not isinstance(self.session, dict):
            self.session = {}
        if not isinstance(self.session.get("streams", {}), dict):
            del self.session["streams"]
        self._streams = _read_streams(self.session)
        try:
            with self._path(EMOTIONS).open(newline="", encoding="utf-8", errors="replace") as file:
                header = next(csv.reader(file), [])
        except csv.Error:
            header = []
        if EMOTIONS.columns_of(header) is None:
            raise _not_our_columns(self._path(EMOTIONS), header)
        self._is_finished = is_finished(folder)
        self.unreadable = 0
        """Rows that the last call of `messages` could not read."""

    @property
    def session_start(self) -> int | None:
        """Zero of the time line in ns since the Unix epoch, if ``session.json`` has it."""
        start = self.session.get("session_start")
        return start if type(start) is int and 0 <= start < 2**63 else None

    @property
    def about(self) -> dict[str, Any]:
        """Facts about the session, under the same names as in recordings."""
        models = [model for summary in self._streams.values() for model in summary.models]
        known = (
            "affectline", "delivery", "replay_of", "session_start", "settings", "study", "title",
        )  # fmt: skip
        about = sound_about({name: self.session[name] for name in known if name in self.session})
        return about | {"model": ", ".join(dict.fromkeys(models))}

    def row_counts(self) -> dict[str, int]:
        """Number of rows by table."""
        return {
            table.name: sum(1 for _ in self._rows(table))
            for table in (EMOTIONS, SAMPLES, STATES, MARKERS)
            if self._path(table).is_file()
        }

    def messages(self) -> Iterator[Packet]:
        """Yield the messages in the order of their event times."""
        self.unreadable = 0
        for name, summary in self._streams.items():
            for start in self._make(self._start, name, summary):
                yield Packet(start)
        kinds = (self._emotions(), self._samples(), self._states(), self._markers())
        for message in heapq.merge(*kinds, key=lambda message: message.event_time or 0):
            yield Packet(message)
        for name, summary in self._streams.items():
            for end in self._make(_end, name, summary):
                yield Packet(end)

    def lost_frames(self) -> Iterator[tuple[str, int, int]]:
        """Yield stream, epoch and seq of the frames whose results never came."""
        for row in self._rows(EMOTIONS):
            if row["reason"] == LOST:
                yield row["stream"], row["epoch"], row["seq"]

    def _path(self, table: SessionTable) -> Path:
        return self.folder / f"{table.name}.csv"

    def _rows(self, table: SessionTable) -> Iterator[Cells]:
        """The readable rows of a table."""
        if not self._path(table).is_file():
            return
        with self._path(table).open(newline="", encoding="utf-8", errors="replace") as file:
            columns = table.columns_of(next(rows_of(file, self._is_finished), ()))
            if columns is None:
                self.unreadable += sum(1 for _ in rows_of(file, self._is_finished))
                return
            if self._skip.get(table.name):
                file.seek(self._skip[table.name])
            lacking = dict.fromkeys(table.header)
            for texts in rows_of(file, self._is_finished):
                try:
                    yield lacking | {
                        column.name: parse_cell(text, column.kind)
                        for column, text in zip(columns, texts, strict=True)
                    }
                except ValueError:  # the row was cut off or edited
                    self.unreadable += 1

    def _emotions(self) -> Iterator[Message]:
        rows = (row for row in self._rows(EMOTIONS) if row["reason"] != LOST)
        for _, group in groupby(rows, key=lambda row: (row["stream"], row["epoch"], row["seq"])):
            yield from self._make_of_rows(_emotion, list(group))

    def _samples(self) -> Iterator[Message]:
        names = ("subject", "signal", "epoch", "seq")
        for _, group in groupby(self._rows(SAMPLES), key=lambda row: [row[n] for n in names]):
            rows = list(group)
            for first in range(0, len(rows), MAX_SAMPLES):
                yield from self._make_of_rows(_samples, rows[first : first + MAX_SAMPLES])

    def _states(self) -> Iterator[Message]:
        for row in self._rows(STATES):
            yield from self._make_of_rows(_state, [row])

    def _markers(self) -> Iterator[Message]:
        found = [one for row in self._rows(MARKERS) for one in self._make_of_rows(_marker, [row])]
        yield from sorted(found, key=lambda marker: marker.event_time or 0)

    def _make_of_rows(self, make: Any, rows: list[Cells]) -> Iterator[Message]:
        made = list(self._make(make, rows))
        if not made:
            self.unreadable += len(rows)
        yield from made

    def _make(self, make: Any, *known: Any) -> Iterator[Message]:
        """Make a message from known values; nothing if they are invalid."""
        with suppress(ValidationError, ValueError, TypeError, OverflowError):
            message = make(*known)
            if message is not None:
                yield message

    def _start(self, name: str, summary: StreamSummary) -> StreamStart | None:
        start = self.session_start
        if summary.kind is None or summary.started_at is None or start is None:
            return None
        return StreamStart(
            stream=name, epoch=max(0, summary.epoch), started_at=summary.started_at,
            received_at=summary.started_at, session_start=start, source=summary.source,
            kind=summary.kind, live=summary.kind in ("camera", "stream"),
        )  # fmt: skip


def _end(name: str, summary: StreamSummary) -> StreamEnd | None:
    at = summary.last_captured_at
    if summary.end not in ("end", "truncated", "stopped") or at is None:
        return None
    return StreamEnd(
        stream=name, epoch=max(0, summary.epoch), ended_at=at, received_at=at,
        last_seq=summary.next_seq - 1, reason=summary.end,  # type: ignore[arg-type]
        detail=summary.detail,
    )  # fmt: skip


def rows_of(file: TextIO, is_finished: bool) -> Iterator[Sequence[str]]:
    """The rows of a table, from the file's position on; empty lines are passed over.

    Invalid CSV gives an empty row, and so does a last row that may have been cut off.

    Args:
        file: A file opened with ``newline=""``.
        is_finished: Whether the session was finished: its tables were written completely. A last
            row without a line end is then from an editor, and otherwise was cut off.
    """
    is_cut = False

    def lines() -> Iterator[str]:
        nonlocal is_cut
        for line in file:
            is_cut = not line.endswith(("\n", "\r"))
            yield line

    reader = csv.reader(lines())
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield ()
            continue
        if row:
            yield row if is_finished or not is_cut else ()


def _read_streams(session: dict[str, Any]) -> dict[str, StreamSummary]:
    try:
        streams = session["checkpoint"]["streams"]
        return {name: StreamSummary.model_validate(found) for name, found in streams.items()}
    except (KeyError, TypeError, AttributeError, ValidationError):
        return {}


def _emotion(rows: list[Cells]) -> Emotion:
    first = rows[0]
    media_time_s = first["media_time_s"]
    is_frame_alone = first["status"] != "face"
    return Emotion(
        stream=first["stream"], epoch=first["epoch"], seq=first["seq"],
        captured_at=first["captured_at"], received_at=first["received_at"],
        media_time=None if media_time_s is None else round(media_time_s * MEDIA_TIME_NS),
        file=first["file"], width=first["frame_width"], height=first["frame_height"],
        detected_at=first["detected_at"], classified_at=first["classified_at"],
        published_at=first["published_at"], model=first["model"],
        missing=first["reason"] if is_frame_alone else None,
        faces=() if is_frame_alone else tuple(map(_face, rows)),
    )  # fmt: skip


def _face(row: Cells) -> FaceEmotion:
    return FaceEmotion(
        track=row["track"], box=(row["x"], row["y"], row["w"], row["h"]), angle=row["angle"],
        quality=Quality(size=row["size"], blur=row["blur"], brightness=row["brightness"]),
        probabilities=_distribution(row, ""), frame_probabilities=_distribution(row, "_frame"),
        label=row["label"], confidence=row["confidence"], valence=row["valence"],
        arousal=row["arousal"], missing=row["reason"], **read_signs(row),
    )  # fmt: skip


def _distribution(row: Cells, suffix: str) -> tuple[float, ...] | None:
    cells = tuple(row[f"{label}{suffix}"] for label in LABELS)
    return None if None in cells else cells


def _samples(rows: list[Cells]) -> Samples:
    first = rows[0]
    return Samples(
        subject=first["subject"], signal=first["signal"], unit=first["unit"] or "",
        device=first["device"] or "", synthetic=first["synthetic"], epoch=first["epoch"],
        seq=first["seq"], at=first["at"], offsets=tuple(row["at"] - first["at"] for row in rows),
        values=tuple(row["value"] for row in rows), quality=first["quality"],
        reason=first["reason"] or "",
    )  # fmt: skip


def _state(rows: list[Cells]) -> State:
    (row,) = rows
    signals = {
        name: SignalContribution(
            value=row[f"{name}_value"], unit=row[f"{name}_unit"] or "",
            baseline=row[f"{name}_baseline"], contribution=row[f"{name}_contribution"],
            quality=row[f"{name}_quality"], reason=row[f"{name}_reason"] or "",
        )
        for name in STATE_SIGNALS
        if row[f"{name}_quality"] is not None
    }  # fmt: skip
    return State(
        subject=row["subject"], at=row["at"], arousal=row["arousal"], valence=row["valence"],
        nervousness=row["nervousness"], quality=row["quality"], baseline=row["baseline"],
        baseline_s=row["baseline_s"], synthetic=row["synthetic"], signals=signals,
        **read_driver(row),
    )  # fmt: skip


def _marker(rows: list[Cells]) -> Marker:
    (row,) = rows
    return Marker(
        session=row["session"],
        at=row["at"],
        label=row["label"],
        source=row["source"] or "",
        extra=parse_json(row["extra"]) if row["extra"] else {},
    )


def _not_our_columns(path: Path, header: list[str]) -> AffectlineError:
    """What is wrong with a table that does not begin with the columns of one."""
    if not header:
        return AffectlineError(f"{path}: is empty", "analyse the source again")
    first = header[0].lstrip("\ufeff")
    if first != header[0] or any(sign in first for sign in ";\t"):
        return AffectlineError(
            f"{path}: was saved again by a spreadsheet program, in another form",
            "export a copy for that with affectline export; analyse the source again",
        )
    return AffectlineError(
        f"{path}: its columns are from another version",
        "open it with the version that wrote it, or analyse the source again",
    )
