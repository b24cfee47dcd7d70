"""The tables of an archive: a row for each film and face, and a row for each failed film."""

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from affectline.common import atomic_file
from affectline.common.spreadsheet import write_rows
from affectline.services.archive.film_task import FilmResult
from affectline.services.sessions.face_measures import MEASURES
from affectline.services.sessions.offline_features import FEATURES

FILM_COLUMNS: Final = ("film", "source", "length_s", "end")
FAILED_COLUMNS: Final = ("film", "source", "reason", "kept_frames")
INTEGERS: Final = frozenset({"track", "frames", "frames_with_face", "faces", "blinks"})
TEXTS: Final = frozenset({"stream", "subject", *FILM_COLUMNS[:2], "end"})
RESERVED: Final = frozenset({*FILM_COLUMNS, *FAILED_COLUMNS, *MEASURES, *FEATURES})
"""Names of measured columns, which user-defined columns cannot have."""


def write_results(folder: Path, results: Iterable[FilmResult]) -> list[Path]:
    """Write ``summary.csv``, ``failed.csv``, and, if pyarrow is installed, ``summary.parquet``.

    Args:
        folder: Folder for the files; each replaces the existing one atomically.
        results: Results of all films, in the order in which they were listed.

    Returns:
        The written files.
    """
    listed = list(results)
    own = list(dict.fromkeys(name for one in listed for name in one.columns))
    rows = [_summary_row(one, row) for one in listed if one.has_session for row in one.rows]
    more = dict.fromkeys(name for row in rows for name in row)
    names = [*FILM_COLUMNS, *own, *(n for n in more if n not in (*FILM_COLUMNS, *own))]
    files = [_write_csv(folder / "summary.csv", names, rows)]
    if find_spec("pyarrow") is not None:
        files.append(_write_parquet(folder / "summary.parquet", names, set(own), rows))
    failed = [_failed_row(one) for one in listed if one.problem]
    files.append(_write_csv(folder / "failed.csv", [*FAILED_COLUMNS, *own], failed))
    return files


def _summary_row(result: FilmResult, row: dict[str, Any]) -> dict[str, Any]:
    film = {
        "film": result.name, "source": result.source, "length_s": result.seconds,
        "end": result.end,
    }  # fmt: skip
    return {**film, **result.columns, **row}


def _failed_row(result: FilmResult) -> dict[str, Any]:
    return {
        "film": result.name, "source": result.source, "reason": result.problem,
        "kept_frames": result.frames if result.has_session else 0, **result.columns,
    }  # fmt: skip


def _write_csv(path: Path, names: Sequence[str], rows: Sequence[dict[str, Any]]) -> Path:
    with (
        atomic_file.atomic_write(path) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        write_rows(file, names, rows)
    return path


def _write_parquet(
    path: Path, names: Sequence[str], own: set[str], rows: Sequence[dict[str, Any]]
) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [pa.field(name, _arrow_type(name, own)) for name in names]
    columns = [[row.get(name) for row in rows] for name in names]
    with atomic_file.atomic_write(path) as partial:
        pq.write_table(pa.table(columns, schema=pa.schema(fields)), partial)
    return path


def _arrow_type(name: str, own: set[str]) -> Any:
    import pyarrow as pa

    if name in TEXTS or name in own:
        return pa.string()
    return pa.int64() if name in INTEGERS else pa.float64()
