"""A session as tables, and what the exporters that write tables share."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from affectline.common.atomic_file import atomic_write
from affectline.common.wire.biometrics import Samples, State, sample_times
from affectline.common.wire.messages import Emotion, Marker, Packet
from affectline.services.export.exporter import Exporter
from affectline.services.sessions.columns import COLUMNS, MARKER_COLUMNS, emotion_row, marker_row
from affectline.services.sessions.marker_responses import MarkerResponse, marker_responses
from affectline.services.sessions.recording import Recording
from affectline.services.sessions.timeseries import SeriesBuilder

Row = dict[str, Any]
Table = dict[str, list[Any]]
"""Columns of equal length by name."""


def make_tables(packets: Iterable[Packet]) -> dict[str, Table]:
    """Convert a session's messages to tables.

    Returns:
        ``emotions``: a row for each face of each frame, and one for a frame without a face;
        ``samples``: a row for each sample of each signal; ``states``; ``markers``. Tables
        without rows are left out. Times are nanoseconds since the Unix epoch.
    """
    tables: dict[str, Table] = {}
    for packet in packets:
        name, rows = _rows(packet)
        for row in rows:
            table = tables.setdefault(name, {})
            height = len(next(iter(table.values()), []))
            for column, value in row.items():
                # A column that first appears late, such as that of a later signal, is empty above
                table.setdefault(column, [None] * height).append(value)
            for column in table.keys() - row.keys():
                table[column].append(None)
    return tables


def responses_table(responses: Iterable[MarkerResponse]) -> dict[str, Table]:
    """The response of each signal to each marker, as the table ``responses`` if there are any."""
    rows = [asdict(response) for response in responses]
    return {"responses": {key: [row[key] for row in rows] for key in rows[0]}} if rows else {}


def _rows(packet: Packet) -> tuple[str, Iterator[Row]]:
    message = packet.message
    if isinstance(message, Emotion):
        return "emotions", _emotion_rows(message)
    if isinstance(message, Samples):
        return "samples", _sample_rows(message)
    if isinstance(message, State):
        return "states", iter([_state_row(message)])
    if isinstance(message, Marker):
        return "markers", iter([dict(zip(MARKER_COLUMNS, marker_row(message), strict=True))])
    return "", iter(())


def _emotion_rows(emotion: Emotion) -> Iterator[Row]:
    for face in emotion.faces or (None,):
        yield dict(zip(COLUMNS, emotion_row(emotion, face), strict=True))


def _sample_rows(samples: Samples) -> Iterator[Row]:
    for at, value in zip(sample_times(samples), samples.values, strict=True):
        yield {
            "subject": samples.subject, "signal": samples.signal, "at": at, "value": value,
            "unit": samples.unit, "quality": samples.quality, "reason": samples.reason,
            "device": samples.device, "synthetic": samples.synthetic,
        }  # fmt: skip


def _state_row(state: State) -> Row:
    row: Row = {
        "subject": state.subject, "at": state.at, "arousal": state.arousal,
        "valence": state.valence, "nervousness": state.nervousness, "quality": state.quality,
        "baseline": state.baseline, "baseline_s": state.baseline_s, "synthetic": state.synthetic,
    }  # fmt: skip
    for signal, contribution in state.signals.items():
        for name in ("value", "baseline", "contribution", "quality", "reason"):
            row[f"{signal}_{name}"] = getattr(contribution, name)
    return row


class TableExporter(Exporter):
    """Writes a session as tables, a file each."""

    def export(self, recording: Recording, folder: Path) -> list[Path]:
        series = SeriesBuilder()
        tables = make_tables(series.tap(recording.read()))
        if "markers" in tables:
            session = series.build()
            responses = marker_responses(session.markers, session.series.values())
            tables |= responses_table(responses)
        return self.write(tables, folder)

    def write(self, tables: dict[str, Table], folder: Path) -> list[Path]:
        """Write each table as ``<name>.<name of the exporter>``; returns the files."""
        paths = []
        for name, table in tables.items():
            path = folder / f"{name}.{self.settings.exporter}"
            with atomic_write(path) as partial:
                self.write_table(partial, table)
            paths.append(path)
        return paths

    @abstractmethod
    def write_table(self, path: Path, table: Table) -> None:
        """Write one table to a file."""
