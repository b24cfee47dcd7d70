"""Sessions as streams of messages, for exports and reports.

A recorded session is read from its recording, any other from its tables.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from affectline.common.errors import AffectlineError, InvalidMessage
from affectline.common.recording.reader import FILE, SessionReader, locate
from affectline.common.recording.time_line import find_session_start
from affectline.common.wire import codec
from affectline.common.wire.messages import Emotion, Frame, Packet
from affectline.services.sessions.edits import SessionEdits, read_edits
from affectline.services.sessions.marker_edits import with_edited_markers
from affectline.services.sessions.table_reader import TableReader

OnProblem = Callable[[Path, str], None]
"""Called with the file and a description if part of it cannot be read."""


@dataclass(frozen=True)
class Recording:
    """A session that can be read.

    Attributes:
        name: The session's name.
        read: Yields all messages in order, from the start on every call, with edited markers. A
            recording may be of any size: read it once if that is enough, and keep only what is
            needed.
        about: Facts about the session, such as ``privacy`` and ``model``.
        session_start: Zero of its time line in ns since the Unix epoch; None: taken from the first
            stream or the first message.
        is_recorded: There is a recording. Otherwise there are no images, and messages come from
            the session's tables.
        edits: Edits made afterwards, if the caller needs them.
        read_frames: Yields only the frames, which is faster; None: `frames` filters all messages.
        read_tables: Yields the messages of the session's tables, with edited markers, if it has
            tables beside the recording; a damaged recording may lack some of them.
    """

    name: str
    read: Callable[[], Iterable[Packet]]
    about: dict[str, Any] = field(default_factory=dict)
    session_start: int | None = None
    is_recorded: bool = True
    edits: SessionEdits = field(default_factory=SessionEdits)
    read_frames: Callable[[], Iterable[Packet]] | None = None
    read_tables: Callable[[], Iterable[Packet]] | None = None

    def frames(self) -> Iterator[Packet]:
        """Yield the recorded frames; none if the recording was made without images."""
        if not self.is_recorded or self.about.get("privacy") == "features":
            return
        for packet in (self.read_frames or self.read)():
            if isinstance(packet.message, Frame):
                yield packet

    @property
    def title(self) -> str:
        """The session's title as typed by a person, else the name of its folder."""
        return str(self.about.get("title") or self.name)


def print_problem(path: Path, problem: str) -> None:
    """Print one line on standard error about what cannot be read."""
    sys.stderr.write(f"affectline: {path}: {problem}; the rest was read\n")


def open_recording(path: Path, on_problem: OnProblem = print_problem) -> Recording:
    """Open a session: its recording, or its tables if it was not recorded.

    Args:
        path: The session folder, or a file in it.
        on_problem: Called at the end of every pass that could not read everything.

    Raises:
        AffectlineError: The path is not a session.
    """
    found = locate(path)
    if is_in_tables(found):
        return _open_tables(found, on_problem)
    with SessionReader(found) as reader:
        about = reader.about
        start = find_session_start(reader)

    def read() -> Iterator[Packet]:
        edits = read_edits(session_folder(found))
        return with_edited_markers(read_packets(found, on_problem), edits, start)

    return Recording(
        session_name(found), read, about, session_start=start,
        read_frames=lambda: read_packets(found, lambda *_: None, kind=Frame.__name__),
        read_tables=_tables_beside(found, on_problem),
    )  # fmt: skip


def is_in_tables(path: Path) -> bool:
    """Whether a session folder holds tables but no recording."""
    return path.is_dir() and not (path / FILE).exists() and (path / "emotions.csv").is_file()


def _tables_beside(path: Path, on_problem: OnProblem) -> Callable[[], Iterable[Packet]] | None:
    """Reads the tables beside a recording; None if its session has none of this version."""
    folder = session_folder(path)
    if path not in (folder, folder / FILE) or not (folder / "emotions.csv").is_file():
        return None
    try:
        return _open_tables(folder, on_problem).read
    except (AffectlineError, OSError):
        return None


def _open_tables(folder: Path, on_problem: OnProblem) -> Recording:
    reader = TableReader(folder)

    def read() -> Iterator[Packet]:
        yield from with_edited_markers(reader.messages(), read_edits(folder), reader.session_start)
        if reader.unreadable:
            on_problem(folder, f"{reader.unreadable} rows of its tables cannot be read")

    return Recording(
        session_name(folder), read, reader.about, reader.session_start, is_recorded=False
    )


def require_recording(recording: Recording, what: str) -> None:
    """Refuse a request that needs a recording.

    Args:
        recording: The session.
        what: What was requested, for the error.

    Raises:
        AffectlineError: The session was not recorded.
    """
    if not recording.is_recorded:
        raise AffectlineError(
            f"{what} needs a session recorded with --record, and {recording.name} was not",
            "analyse the source again with affectline up --record",
        )


def read_packets(
    path: Path, on_problem: OnProblem = print_problem, kind: str | None = None
) -> Iterator[Packet]:
    """Yield the messages of a recording, in the order of the file.

    Results that were published again for a consumer that had missed them are yielded once.

    Args:
        path: The file, or its session folder.
        on_problem: Called at the end if something could not be read.
        kind: The only kind of messages to yield, such as ``Frame``.

    Raises:
        AffectlineError: The path is not a recording.
    """
    invalid = 0
    seen: set[tuple[str, int, int]] = set()
    with SessionReader(path) as reader:
        for recorded in reader.messages():
            if kind is not None and recorded.kind not in (kind, ""):
                continue
            try:
                packet = codec.decode(recorded.parts)
            except InvalidMessage:
                invalid += 1
                continue
            message = packet.message
            if isinstance(message, Emotion):
                key = message.stream, message.epoch, message.seq
                if key in seen:
                    continue
                seen.add(key)
            yield packet
        problems = list(reader.damage.problems)
    if invalid:
        problems.append(f"{invalid} messages of another version or damaged")
    if problems:
        on_problem(path, "; ".join(problems[:3]))


def session_folder(path: Path) -> Path:
    """Folder of a session, which also holds its report and exports."""
    return path if path.is_dir() else path.parent


def session_name(path: Path) -> str:
    """Name of a session: its folder's name, or the recording's if it is not ``session.mcap``."""
    path = locate(path.resolve())
    if path.is_dir():
        return path.name
    return path.parent.name if path.stem == "session" else path.stem
