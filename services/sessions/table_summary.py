"""Describes an unrecorded session from its tables."""

import time
from pathlib import Path
from typing import Any

from rich.console import Console

from affectline.common.text_table import text_table
from affectline.services.sessions.sign_figures import sign_lines
from affectline.services.sessions.table_reader import TableReader


def describe_tables(folder: Path) -> dict[str, Any]:
    """Describe a session from its tables and ``session.json``.

    Raises:
        AffectlineError: The tables are of another version.
    """
    reader = TableReader(folder)
    session, about, start = reader.session, reader.about, reader.session_start
    streams = {name: _describe_stream(found) for name, found in session.get("streams", {}).items()}
    return {
        "file": str(folder),
        "bytes": sum(path.stat().st_size for path in folder.glob("*.csv")),
        "finished": all(stream["end"] for stream in streams.values()),
        "begun": "" if start is None else _format_time(start),
        "first": start,
        "seconds": session.get("seconds") or 0.0,
        "topics": {},
        "privacy": None,
        "model": about.get("model"),
        "affectline": about.get("affectline"),
        "delivery": about.get("delivery"),
        "settings": about.get("settings"),
        "study": about.get("study") or {},
        "recorded": False,
        "session_start": start,
        "streams": streams,
        "tables": reader.row_counts(),
    }


def _describe_stream(stream: Any) -> dict[str, Any]:
    names = ("source", "kind", "frames", "frames_with_face", "end", "signs")
    known = stream if isinstance(stream, dict) else {}
    return {name: known.get(name) for name in names}


def print_tables(described: dict[str, Any]) -> None:
    """Print the description of an unrecorded session."""
    console = Console(markup=False, emoji=False)
    console.print(described["file"], soft_wrap=True, highlight=False)
    table = text_table("", "", show_header=False)
    for name in ("begun", "model", "delivery", "affectline"):
        table.add_row(name, str(described[name] or ""))
    for name, text in described["study"].items():
        table.add_row(name, text)
    table.add_row("length", f"{described['seconds']:.1f} s")
    table.add_row("recording", "none: replay, check and mp4 need a session recorded with --record")
    if not described["finished"]:
        table.add_row("end", "missing: still running, or not stopped properly")
    console.print(table)
    streams = text_table(
        "stream", "source", "frames", "with a face", "ended", figures=("frames", "with a face")
    )
    for name, stream in described["streams"].items():
        cells = (stream[key] for key in ("source", "frames", "frames_with_face", "end"))
        streams.add_row(name, *("" if cell is None else str(cell) for cell in cells))
    console.print(streams)
    signs = text_table("", "", show_header=False)
    for name, stream in described["streams"].items():
        for title, text in sign_lines(stream.get("signs")).items():
            signs.add_row(f"{name}: {title}", text)
    if signs.row_count:
        console.print(signs)
    tables = text_table("table", "rows", figures=("rows",))
    for name, rows in described["tables"].items():
        tables.add_row(f"{name}.csv", str(rows))
    console.print(tables)


def _format_time(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(at / 1e9))
