"""Tidy tables of a study: a row for each value, ready for pandas, R or a spreadsheet."""

import math
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from affectline.common import atomic_file
from affectline.common.settings.study import STUDY_FIELDS
from affectline.common.spreadsheet import write_rows
from affectline.services.study.session_data import QUALITY
from affectline.services.study.study import Study

Row = dict[str, Any]
TEXTS: Final = frozenset({
    "session_name", "folder", *STUDY_FIELDS, "left_out", "notes", "measure", "unit", "event",
    "curve", "first", "second",
})  # fmt: skip
OWN_OF_SESSIONS: Final = frozenset({"session_name", "folder", *QUALITY, "left_out", "notes"})
"""Columns of ``sessions``; a study field with such a name becomes ``field_<name>`` there."""
DIGITS: Final = 6
"""Significant digits of values in CSV files."""
INTEGERS: Final = frozenset({"participants", "events", "frames", "faces"})


def write_tables(study: Study, folder: Path) -> list[Path]:
    """Write ``sessions``, ``measures``, ``conditions``, ``differences`` and ``events``.

    They are CSV files, and Parquet files too if pyarrow is installed. Empty tables are left out.

    Returns:
        The written files.
    """
    tables = {
        "sessions": list(_session_rows(study)),
        "measures": list(_measure_rows(study)),
        "conditions": list(_condition_rows(study)),
        "differences": list(_difference_rows(study)),
        "events": list(_event_rows(study)),
    }
    paths: list[Path] = []
    for name, rows in tables.items():
        if not rows:  # remove an older table of other sessions or events
            for suffix in ("csv", "parquet"):
                atomic_file.remove(folder / f"{name}.{suffix}")
            continue
        columns = list(dict.fromkeys(column for row in rows for column in row))
        paths.append(_write_csv(folder / f"{name}.csv", columns, rows))
        if find_spec("pyarrow") is not None:
            paths.append(_write_parquet(folder / f"{name}.parquet", columns, rows))
    return paths


def _session_rows(study: Study) -> Iterator[Row]:
    for session in study.sessions:
        fields = {name: session.fields.get(name) for name in STUDY_FIELDS}
        own = {
            f"field_{n}" if n in OWN_OF_SESSIONS else n: text
            for n, text in session.fields.items()
            if n not in STUDY_FIELDS
        }
        quality = {name: session.quality.get(name) for name in QUALITY}
        named = {"session_name": session.name, "folder": str(session.folder)}
        notes = {"left_out": None, "notes": "; ".join(session.notes) or None}
        yield {**named, **fields, **own, **quality, **notes}
    for path, reason in study.left_out:
        yield {"session_name": path.name, "folder": str(path), "left_out": reason}


def _measure_rows(study: Study) -> Iterator[Row]:
    for session in study.sessions:
        for measure in study.measures:
            value = session.figures.get(measure.name)
            if value is None:
                continue
            row: Row = {name: session.fields.get(name) for name in STUDY_FIELDS}
            row |= {"participant": session.participant, "condition": session.condition}
            row |= {"session_name": session.name, "measure": measure.name, "unit": measure.unit}
            row["value"] = value
            if study.has_baseline:
                row["baseline"] = session.baseline.get(measure.name)
                row["change"] = study.value(session, measure)
            yield row


def _condition_rows(study: Study) -> Iterator[Row]:
    for measure in study.measures:
        for condition in study.conditions:
            found = study.mean(measure, condition)
            if found is not None:
                yield {
                    "measure": measure.name, "unit": measure.unit, "condition": condition,
                    "participants": found.participants, "mean": found.mean, "low": found.low,
                    "high": found.high,
                }  # fmt: skip


def _difference_rows(study: Study) -> Iterator[Row]:
    for measure in study.measures:
        for first, second, found in study.differences(measure):
            yield {
                "measure": measure.name, "unit": measure.unit, "first": first, "second": second,
                "participants": found.participants, "mean": found.mean, "low": found.low,
                "high": found.high,
            }  # fmt: skip


def _event_rows(study: Study) -> Iterator[Row]:
    for one in study.events:
        for at, mean, low, high in zip(one.seconds, one.mean, one.low, one.high, strict=True):
            yield {
                "event": one.event, "condition": one.condition, "curve": one.curve,
                "seconds": float(at), "mean": _known(mean), "low": _known(low),
                "high": _known(high), "participants": one.participants, "events": one.events,
            }  # fmt: skip


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> Path:
    with (
        atomic_file.atomic_write(path) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        write_rows(file, columns, rows, digits=DIGITS)
    return path


def _write_parquet(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def kind(name: str) -> Any:
        if name in INTEGERS:
            return pa.int64()
        values = (row.get(name) for row in rows)
        is_text = name in TEXTS or any(isinstance(value, str) for value in values)
        return pa.string() if is_text else pa.float64()

    schema = pa.schema([pa.field(name, kind(name)) for name in columns])
    table = pa.table([[row.get(name) for row in rows] for name in columns], schema=schema)
    with atomic_file.atomic_write(path) as partial:
        pq.write_table(table, partial)
    return path
