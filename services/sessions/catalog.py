"""Finds, describes and verifies recorded sessions."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE
from rich.cells import cell_len
from rich.console import Console

from affectline.common.errors import AffectlineError, InvalidMessage
from affectline.common.recording.content import ContentScan
from affectline.common.recording.reader import FILE, RecordedMessage, SessionReader, locate
from affectline.common.recording.time_line import TimeLine, read_time_line
from affectline.common.text_table import text_table
from affectline.common.wire import codec
from affectline.services.sessions.completeness import (
    describe_content,
    format_moment,
    number_sentences,
    read_session_content,
    sequence_lines,
    with_summary,
)
from affectline.services.sessions.edits import read_edits
from affectline.services.sessions.recording import is_in_tables, session_folder
from affectline.services.sessions.removal import HIDDEN
from affectline.services.sessions.run_summary import read_session
from affectline.services.sessions.sign_figures import sign_lines
from affectline.services.sessions.table_summary import describe_tables, print_tables

FOLDED: Final = ("streams", "")
"""Columns of the list whose texts are folded, as long names are; the last one has remarks."""
FOLDED_WIDTH: Final = 20
"""How narrow they can become."""
DISPENSABLE: Final = ("recorded", "streams", "size", "begun")
"""Columns that are left out where there is no room, in this order; affectline info has them."""
OF_SESSION: Final = "session time line"
OF_ARRIVAL: Final = "clock of arrival (recorded before events had times of their own)"


def find(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the sessions in a folder, oldest first.

    Raises:
        AffectlineError: The folder does not exist.
    """
    if not folder.is_dir():
        raise AffectlineError(
            f"FOLDER {folder}: no such folder",
            "name the folder that holds session folders; affectline up creates sessions/",
        )
    folders = [
        session
        for session in sorted(folder.iterdir())
        if session.is_dir() and not session.name.startswith(HIDDEN)
        if (session / FILE).exists() or (session / "session.json").exists()
    ]
    yield from sorted(map(_describe_folder, folders), key=by_beginning)


def by_beginning(row: dict[str, Any]) -> tuple[bool, float]:
    """Sorts described sessions by when they began; those of which it is unknown come first."""
    seconds = began_at(row)
    return seconds is not None, seconds or 0.0


def began_at(row: dict[str, Any]) -> float | None:
    """When a described session began, in s since the Unix epoch; None if that is unknown."""
    try:
        # Whatever the time zone of the computer that has written it
        return datetime.fromisoformat(row["begun"]).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _describe_folder(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {
        "session": str(folder), "title": "", "begun": "", "seconds": None, "streams": [],
        "frames": None, "recording": None, "bytes": None, "problem": "",
        "missing": None, "unexplained": None,
        "lacks": [], "notes": [],
        "tables": (folder / "emotions.csv").is_file(),
    }  # fmt: skip
    try:
        session = read_session(folder)
        frames = sum(stream["frames"] for stream in session["streams"].values())
        streams = list(session["streams"])
        found |= {"begun": str(session["begun"]), "streams": streams, "frames": frames}
        seconds = session.get("seconds")
        found["seconds"] = seconds if isinstance(seconds, float) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        found["problem"] = "no readable session.json" if (folder / "session.json").exists() else ""
    if (folder / FILE).exists():
        found["bytes"] = (folder / FILE).stat().st_size
        try:
            with SessionReader(folder) as reader:
                times = read_time_line(reader)
                found["recording"] = str(reader.about.get("privacy", ""))
                found["title"] = reader.about.get("title", "")
                found["problem"] = "" if reader.file.footer else "not finished"
                found["seconds"] = times.seconds
                found["begun"] = found["begun"] or _format_time(times.zero)
                found |= _describe_lacks(reader, times.zero)
        except AffectlineError as error:
            found["problem"] = error.problem
    return found


def _describe_lacks(reader: SessionReader, zero: int) -> dict[str, Any]:
    """What a recording lacks by its recorder's notes: listing sessions reads no messages."""
    content = read_session_content(reader, scan=False)
    described = describe_content(content, zero)
    return {name: described[name] for name in ("missing", "unexplained", "lacks", "notes")}


def describe(path: Path) -> dict[str, Any]:
    """Describe a session: its recording, or its tables if it was not recorded.

    Args:
        path: The session folder, or a file in it.

    Raises:
        AffectlineError: The session cannot be read.
    """
    folder = locate(path)
    if is_in_tables(folder):
        return describe_tables(folder)
    with SessionReader(path) as reader:
        times = read_time_line(reader)
        about = reader.about
        return {
            "file": str(reader.path),
            "bytes": reader.file.size,
            "finished": reader.file.footer is not None,
            "begun": _format_time(times.zero),
            **_describe_times(times),
            "topics": reader.topics(),
            "title": about.get("title", ""),
            "privacy": about.get("privacy"),
            "model": about.get("model"),
            "affectline": about.get("affectline"),
            "delivery": about.get("delivery"),
            "settings": about.get("settings"),
            "study": about.get("study") or {},
            "edits": read_edits(session_folder(folder)).marker_changes,
            "signs": _read_signs(folder),
            **_describe_content(reader, times.zero),
        }


def _read_signs(folder: Path) -> dict[str, Any]:
    """By stream: `SignFigures.to_dict` as the sink counted it; empty if no sink ran."""
    try:
        streams = read_session(folder)["streams"]
        return {name: stream.get("signs") for name, stream in streams.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _describe_content(reader: SessionReader, zero: int) -> dict[str, Any]:
    content = read_session_content(reader)
    return {**describe_content(content, zero), "held": dict(sequence_lines(content, zero))}


def _describe_times(times: TimeLine) -> dict[str, Any]:
    """A recording's times, in seconds and in ns since the Unix epoch."""
    return {
        "times": OF_SESSION if times.is_of_session else OF_ARRIVAL,
        "session_start": times.zero if times.is_of_session else None,
        "zero": times.zero,
        "first": times.first,
        "first_s": times.second(times.first),
        "last_s": times.end_s,
        "seconds": times.seconds,
    }


def verify(path: Path) -> dict[str, Any]:
    """Read every message of a recording, compare all checksums, and find what is missing.

    Messages missing without an explanation make the recording unsound. If its version kept no
    notes, nothing can be explained, so they are only reported.

    Raises:
        AffectlineError: Nothing of the recording can be read.
    """
    invalid, scan = 0, ContentScan()
    with SessionReader(path) as reader:
        for entry in reader.entries():
            scan.add(entry, reader)
            try:
                if isinstance(entry, RecordedMessage):
                    codec.decode(entry.parts)
            except InvalidMessage:
                invalid += 1
        found, content = reader.damage, with_summary(scan.finish(reader), reader)
        zero = read_time_line(reader).zero
        problems = list(found.problems)
        if found.sound and not reader.has_valid_crc():
            problems.append("the checksum of the whole file is wrong: it was changed")
        if invalid:
            problems.append(f"{invalid} messages are invalid")
        unexplained = list(number_sentences(content, zero, explained=False))
        if content.is_noted:
            problems += unexplained
            if found.finished and not content.is_listed:
                problems.append("the recorder's list of what the file holds cannot be read")
        return {
            "file": str(reader.path),
            "sound": not problems,
            "finished": found.finished,
            "messages": found.messages,
            "invalid": invalid,
            "lost_messages": found.lost_messages,
            "lost_bytes": found.lost_bytes,
            "problems": problems,
            "warnings": [] if content.is_noted else unexplained,
            "explained": list(number_sentences(content, zero, explained=True)),
            **describe_content(content, zero),
        }


def print_list(folder: Path, found: list[dict[str, Any]]) -> None:
    """Print the sessions as a table, without its least important columns if it is too wide."""
    console = Console(markup=False, emoji=False)  # names are printed verbatim
    if not found:
        console.print(f"no sessions in {folder}")
        return
    rows = [_list_cells(row) for row in found]
    least = {name: max(cell_len(row[name]) for row in rows) for name in rows[0]}
    least |= {name: max(cell_len(name), least[name]) for name in least}
    least |= {name: min(least[name], FOLDED_WIDTH) for name in FOLDED}
    for name in DISPENSABLE:
        if sum(least.values()) + 2 * len(least) > console.width:
            del least[name]
    table = text_table(
        *least, figures=least.keys() - {"session", *FOLDED}, box=SIMPLE, padding=(0, 1, 0, 0)
    )
    # Other commands need the names: they are folded only where nothing else can make room
    others = sum(least.values()) - least["session"] + 2 * len(least)
    table.columns[0].min_width = min(least["session"], max(1, console.width - others))
    for row in rows:
        table.add_row(*(row[name] for name in least))
    console.print(table)


def _list_cells(row: dict[str, Any]) -> dict[str, str]:
    """The cells of a session in the list, by the titles of their columns."""
    remarks = (row["title"], row["problem"], *row["lacks"], *row["notes"])
    return {
        "session": Path(row["session"]).name,
        "begun": _format_begun(row),
        "length": "" if row["seconds"] is None else format_length(row["seconds"]),
        "streams": ", ".join(row["streams"]),
        "recorded": row["recording"] or "",
        "size": "" if row["bytes"] is None else _format_size(row["bytes"]),
        "": "; ".join(filter(None, remarks)),
    }


def print_info(described: dict[str, Any]) -> None:
    """Print the description of a session."""
    if "tables" in described:
        print_tables(described)
        return
    console = Console(markup=False, emoji=False)
    console.print(described["file"], soft_wrap=True, highlight=False)
    table = text_table("", "", show_header=False)
    for name, text in _told_facts(described):
        table.add_row(name, text)
    table.add_row("times", described["times"])
    table.add_row("length", format_length(described["seconds"]))
    table.add_row("size", _format_size(described["bytes"]))
    if end := _describe_end(described):
        table.add_row("end", end)
    if described["interruptions"]:
        table.add_row("recorder", f"was replaced or started again {described['interruptions']}x")
    for of, text in described["held"].items():
        table.add_row(of, text)
    for stream, signs in described["signs"].items():
        for title, text in sign_lines(signs).items():
            table.add_row(f"{stream}: {title}", text)
    for note in described["notes"]:
        table.add_row("clock", note)
    console.print(table)
    topics = text_table("topic", "messages", "each second", figures=("messages", "each second"))
    for topic, count in described["topics"].items():
        rate = count / described["seconds"] if described["seconds"] else 0
        topics.add_row(topic, str(count), f"{rate:.1f}")
    console.print(topics)


def _describe_end(described: dict[str, Any]) -> str:
    """What is special about the end of a recording; empty if nothing is."""
    if not described["finished"]:
        last = format_moment(described["last_s"])
        return f"missing, after {last}: still being recorded, or not stopped properly"
    return f"early: {described['cut_short']}" if described["cut_short"] else ""


def _told_facts(described: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Facts about a session, and the edits of its markers."""
    if described["title"]:
        yield "title", described["title"]
    names = ("begun", "privacy", "model", "delivery", "affectline")
    for name, text in ({name: described[name] for name in names} | described["study"]).items():
        yield name, str(text or "")
    done = [f"{count} {what}" for what, count in described["edits"].items() if count]
    if done:
        yield "markers", f"edited afterwards: {', '.join(done)}"


def print_check(result: dict[str, Any]) -> None:
    """Print the result of a verification."""
    console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    state = "whole" if result["sound"] else "incomplete"
    console.print(f"{result['file']}: {state}, {result['messages']} messages can be read")
    if result["lost_messages"] or result["lost_bytes"]:
        console.print(
            f"lost: {result['lost_bytes']} bytes, {result['lost_messages']} messages known by count"
        )
    for problem in result["problems"]:
        console.print(f"  {problem}")
    if result["cut_short"]:
        console.print(f"  the recording ends early: {result['cut_short']}")
    for text in (*result["warnings"], *result["explained"], *result["notes"]):
        console.print(f"  {text}")


def _format_time(ns: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(ns / 1e9)) if ns else ""


def format_length(seconds: float) -> str:
    """A duration as ``0:01:30.5``."""
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes // 60)}:{int(minutes % 60):02d}:{rest:04.1f}"


def _format_begun(row: dict[str, Any]) -> str:
    """When a session began, by the clock of this computer."""
    seconds = began_at(row)
    if seconds is None:
        return str(row["begun"])
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _format_size(number: int) -> str:
    return f"{number / 1e6:.1f} MB" if number >= 100_000 else f"{number / 1e3:.1f} kB"
