"""A session as tables: CSV files for people and R, Parquet for pandas."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from common.errors import AffectlineError
from common.labels import LABELS
from common.messages import Emotion, FaceEmotion, Marker, Packet
from common.senses import Samples, State, sample_times

Row = dict[str, Any]
Table = dict[str, list[Any]]
"""Columns of equal length by name."""
FACE: Final = (
    "track", "x", "y", "w", "h", "angle", "size", "blur", "brightness", "label", "confidence",
)  # fmt: skip


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


def _rows(packet: Packet) -> tuple[str, Iterator[Row]]:
    message = packet.message
    if isinstance(message, Emotion):
        return "emotions", _emotion_rows(message)
    if isinstance(message, Samples):
        return "samples", _sample_rows(message)
    if isinstance(message, State):
        return "states", iter([_state_row(message)])
    if isinstance(message, Marker):
        return "markers", iter([_marker_row(message)])
    return "", iter(())


def _emotion_rows(emotion: Emotion) -> Iterator[Row]:
    frame = {
        "stream": emotion.stream, "epoch": emotion.epoch, "seq": emotion.seq,
        "captured_at": emotion.captured_at, "media_time": emotion.media_time,
        "detected_at": emotion.detected_at, "classified_at": emotion.classified_at,
    }  # fmt: skip
    if not emotion.faces:
        yield frame | _face_cells(None) | {"missing": emotion.missing}
    for face in emotion.faces:
        yield frame | _face_cells(face) | {"missing": face.missing or emotion.missing}


def _face_cells(face: FaceEmotion | None) -> Row:
    values: Iterable[Any] = [None] * len(FACE)
    if face:
        seen = face.quality
        values = (
            face.track, *face.box, face.angle, seen.size, seen.blur, seen.brightness, face.label,
            face.confidence,
        )  # fmt: skip
    cells = dict(zip(FACE, values, strict=True))
    nothing = (None,) * len(LABELS)
    now = (face and face.probabilities) or nothing
    smoothed = (face and face.smoothed) or nothing
    cells |= dict(zip(LABELS, now, strict=True))
    return cells | {f"{k}_smoothed": v for k, v in zip(LABELS, smoothed, strict=True)}


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


def _marker_row(marker: Marker) -> Row:
    return {
        "session": marker.session, "at": marker.at, "label": marker.label,
        "source": marker.source, "extra": json.dumps(marker.extra) if marker.extra else None,
    }  # fmt: skip


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
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, table in made.items():
        path = folder / f"{name}.{ending}"
        # Under another name first: half a file must never look like a whole one.
        partial = path.with_suffix(".part")
        write(partial, table)
        partial.replace(path)
        paths.append(path)
    return paths
