"""A session as tables: CSV files for people and R, Parquet for pandas."""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from affectline.common.atomic_file import atomic_write
from affectline.common.errors import AffectlineError
from affectline.common.wire.biometrics import Samples, State, sample_times
from affectline.common.wire.messages import Emotion, Marker, Packet
from affectline.services.sessions.columns import COLUMNS, MARKER_COLUMNS, emotion_row, marker_row
from affectline.services.sessions.marker_responses import MarkerResponse

Row = dict[str, Any]
Table = dict[str, list[Any]]
"""Columns of equal length by name."""


def tables(packets: Iterable[Packet]) -> dict[str, Table]:
    """Sort a session's messages into tables.

    Returns:
        ``emotions``: a row for each face of each frame, and one for a frame without a face;
        ``samples``: a row for each sample of each signal; ``states``; ``markers``. Those without
        a row are left out. Times are nanoseconds since the Unix epoch.
    """
    made: dict[str, Table] = {}
    for packet in packets:
        name, rows = _rows(packet)
        for row in rows:
            table = made.setdefault(name, {})
            height = len(next(iter(table.values()), []))
            for column, value in row.items():
                # A column that first appears late, such as a signal that came later, is empty above
                table.setdefault(column, [None] * height).append(value)
            for column in table.keys() - row.keys():
                table[column].append(None)
    return made


def as_table(name: str, responses: Iterable[MarkerResponse]) -> dict[str, Table]:
    """What each signal did around each marker, as one table; none where there is nothing."""
    rows = [asdict(response) for response in responses]
    return {name: {key: [row[key] for row in rows] for key in rows[0]}} if rows else {}


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
    for name, share in state.signals.items():
        for part in ("value", "baseline", "contribution", "quality", "reason"):
            row[f"{name}_{part}"] = getattr(share, part)
    return row


def write_csv(made: dict[str, Table], folder: Path) -> list[Path]:
    """Write each table as ``<name>.csv``."""

    def write(path: Path, table: Table) -> None:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(table)
            writer.writerows(zip(*table.values(), strict=True))

    return _write(made, folder, "csv", write)


def write_parquet(made: dict[str, Table], folder: Path) -> list[Path]:
    """Write each table as ``<name>.parquet``.

    Raises:
        AffectlineError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise AffectlineError(
            "--to parquet needs pyarrow, which is not installed",
            "pip install 'affectline[tables]', or use --to csv",
        ) from error
    return _write(
        made, folder, "parquet", lambda path, table: pq.write_table(pa.table(table), path)
    )


def _write(
    made: dict[str, Table], folder: Path, ending: str, write: Callable[[Path, Table], None]
) -> list[Path]:
    paths = []
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in made.items():
        path = folder / f"{name}.{ending}"
        with atomic_write(path) as partial:
            write(partial, table)
        paths.append(path)
    return paths
