"""Converts a session to tables, and the base class of exporters that write tables."""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable
from functools import singledispatchmethod
from pathlib import Path

from affectline.common.atomic_file import atomic_write
from affectline.common.output_file import check_output_file
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.messages import Emotion, Marker, Packet, StreamEnd, StreamStart
from affectline.services.export.exporter import Exporter
from affectline.services.export.owned_files import OwnedFiles
from affectline.services.sessions.columns import (
    EMOTIONS,
    MARKERS,
    RESPONSES,
    SAMPLES,
    STATES,
    TABLES,
    emotion_rows,
    lost_row,
    marker_row,
    rounding,
    sample_rows,
    state_row,
    to_seconds,
)
from affectline.services.sessions.marker_responses import MarkerResponse, marker_responses
from affectline.services.sessions.recording import Recording
from affectline.services.sessions.table_column import Row, SessionTable
from affectline.services.sessions.timeseries import SeriesBuilder

Rows = dict[str, list[Row]]
"""Rows by name of a table (`services.sessions.columns`)."""


def make_tables(packets: Iterable[Packet], session_start: int | None = None) -> Rows:
    """Convert a session's messages to the rows of its tables.

    Args:
        packets: The session's messages.
        session_start: Zero of ``time_s`` in ns since the Unix epoch; None: taken from the first
            stream or the first message.

    Returns:
        The same tables as the sink writes. Empty tables are left out.
    """
    builder = TableBuilder(session_start)
    for packet in packets:
        builder.add(packet.message)
    return builder.build()


def responses_rows(responses: Iterable[MarkerResponse], session_start: int) -> Rows:
    """The table ``responses``, with each signal's response to each marker; none if empty."""
    round_row = rounding(RESPONSES)
    rows = [
        round_row((
            to_seconds(one.at, session_start), one.marker, one.signal, one.unit or None,
            one.baseline, one.onset_s, one.peak, one.peak_s, one.recovery_s, one.at,
        ))
        for one in responses
    ]  # fmt: skip
    return {RESPONSES.name: rows} if rows else {}


class TableBuilder:
    """Collects the rows of a session's messages."""

    def __init__(self, session_start: int | None = None) -> None:
        self.session_start = session_start
        self._rows: dict[str, list[Row]] = {table.name: [] for table in TABLES}
        self._frames: dict[tuple[str, int], dict[int, int]] = defaultdict(dict)
        """By stream and epoch: the index of the first row of each frame."""
        self._last_seq: dict[tuple[str, int], int] = {}
        """By stream and epoch: the last frame according to the stream's end message."""

    @singledispatchmethod
    def add(self, message: Message) -> None:
        """Add a message; kinds that are in no table are ignored."""

    @add.register
    def _(self, start: StreamStart) -> None:
        self._start_by(start.session_start)

    @add.register
    def _(self, end: StreamEnd) -> None:
        self._last_seq[end.stream, end.epoch] = end.last_seq

    @add.register
    def _(self, emotion: Emotion) -> None:
        start, rows = self._start_by(emotion.captured_at), self._rows[EMOTIONS.name]
        self._frames[emotion.stream, emotion.epoch].setdefault(emotion.seq, len(rows))
        rows += emotion_rows(emotion, start)

    @add.register
    def _(self, samples: Samples) -> None:
        self._rows[SAMPLES.name] += sample_rows(samples, self._start_by(samples.at))

    @add.register
    def _(self, state: State) -> None:
        self._rows[STATES.name].append(state_row(state, self._start_by(state.at)))

    @add.register
    def _(self, marker: Marker) -> None:
        self._rows[MARKERS.name].append(marker_row(marker, self._start_by(marker.at)))

    def _start_by(self, event_time: int) -> int:
        if self.session_start is None:
            self.session_start = event_time
        return self.session_start

    def build(self) -> Rows:
        """The tables that have rows."""
        made = dict(self._rows)
        made[EMOTIONS.name] = self._with_lost_frames(made[EMOTIONS.name])
        made[MARKERS.name] = sorted(made[MARKERS.name], key=lambda row: row[-1])
        return {name: rows for name, rows in made.items() if rows}

    def _with_lost_frames(self, rows: list[Row]) -> list[Row]:
        """Insert a row for each frame whose result is missing, before the next frame."""
        missing: dict[int, list[Row]] = defaultdict(list)
        for (stream, epoch), places in self._frames.items():
            expected = min(places)
            for seq in sorted(places):
                lost = (lost_row(stream, epoch, one) for one in range(expected, seq))
                missing[places[seq]] += lost
                expected = seq + 1
            last = self._last_seq.get((stream, epoch), -1)
            missing[len(rows)] += (
                lost_row(stream, epoch, one) for one in range(expected, last + 1)
            )
        if not any(missing.values()):
            return rows
        filled: list[Row] = []
        for place in range(len(rows) + 1):
            filled += [*missing.get(place, ()), *rows[place : place + 1]]
        return filled


class TableExporter(Exporter):
    """Writes a session as tables, one file each."""

    def export(self, recording: Recording, folder: Path) -> list[Path]:
        owned = OwnedFiles(folder, recording, self.settings.exporter)
        owned.claim(self._path(folder, table) for table in TABLES)  # all are of one session
        series, tables = SeriesBuilder(), TableBuilder(recording.session_start)
        for packet in series.tap((recording.read_tables or recording.read)()):
            tables.add(packet.message)
        made = tables.build()
        if MARKERS.name in made:
            session, start = series.build(), tables.session_start or 0
            responses = marker_responses(session.markers, session.series.values())
            made |= responses_rows(responses, start)
        paths = self.write(made, folder)
        owned.replace(paths)
        return paths

    def write(self, tables: Rows, folder: Path) -> list[Path]:
        """Write each table as ``<name>.<name of the exporter>``, and return the files."""
        paths = {table: self._path(folder, table) for table in TABLES if table.name in tables}
        for table, path in paths.items():
            check_output_file("--out", path, f"a table of {table.name}", self.marker_of(table))
        for table, path in paths.items():
            with atomic_write(path) as partial:
                self.write_table(partial, table, tables[table.name])
        return list(paths.values())

    def _path(self, folder: Path, table: SessionTable) -> Path:
        return folder / f"{table.name}.{self.settings.exporter}"

    @abstractmethod
    def marker_of(self, table: SessionTable) -> bytes:
        """What tells the file of a table from other files; see `check_output_file`."""

    @abstractmethod
    def write_table(self, path: Path, table: SessionTable, rows: list[Row]) -> None:
        """Write one table to a file."""
