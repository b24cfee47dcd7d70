"""Recorded sessions as streams of messages, for exports and reports."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from affectline.common.errors import InvalidMessage
from affectline.common.recording.reader import SessionReader
from affectline.common.wire import codec
from affectline.common.wire.messages import Emotion, Packet

OnProblem = Callable[[Path, str], None]
"""Called with the file and a description when something in it cannot be read."""


@dataclass(frozen=True)
class Recording:
    """A recorded session.

    Attributes:
        name: The session's name.
        read: Yields all messages in the order of their arrival, anew with every call. A recording
            may be of any size: read it once where that is enough, and keep only what is needed.
        about: What the recorder wrote about the session, such as ``privacy`` and ``model``.
    """

    name: str
    read: Callable[[], Iterable[Packet]]
    about: dict[str, Any] = field(default_factory=dict)


def print_problem(path: Path, problem: str) -> None:
    """Print what cannot be read as one line on standard error."""
    sys.stderr.write(f"affectline: {path}: {problem}; the rest was read\n")


def open_recording(path: Path, on_problem: OnProblem = print_problem) -> Recording:
    """Open a recording.

    Args:
        path: The file, or its session folder.
        on_problem: Called at the end of every reading that could not read all of it.

    Raises:
        AffectlineError: It is no recording.
    """
    with SessionReader(path) as reader:
        about = reader.about
    return Recording(session_name(path), lambda: read_packets(path, on_problem), about)


def read_packets(path: Path, on_problem: OnProblem = print_problem) -> Iterator[Packet]:
    """Yield the messages of a recording in the order of their arrival.

    Results that were published repeatedly, for a consumer that had missed them, come once.

    Args:
        path: The file, or its session folder.
        on_problem: Called at the end if something could not be read.

    Raises:
        AffectlineError: It is no recording.
    """
    invalid = 0
    seen: set[tuple[str, int, int]] = set()
    with SessionReader(path) as reader:
        for recorded in reader.messages():
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
    """Folder of a recording, where its report and exports go."""
    return path if path.is_dir() else path.parent


def session_name(path: Path) -> str:
    """Name of a session: that of its folder, or of the file if it is not ``session.mcap``."""
    path = path.resolve()
    if path.is_dir():
        return path.name
    return path.parent.name if path.stem == "session" else path.stem
