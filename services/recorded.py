"""A session file's messages, for tools that look at them."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from common import codec
from common.errors import InvalidMessage
from common.messages import Packet
from common.session_reading import SessionReader

Tell = Callable[[Path, str], None]


def complain(path: Path, problem: str) -> None:
    """Tell what cannot be read in one line on standard error."""
    sys.stderr.write(f"affectline: {path}: {problem}; the rest was read\n")


def packets(path: Path, tell: Tell = complain) -> Iterator[Packet]:
    """Yield what a session file holds, in the order in which it was recorded.

    Args:
        path: The file, or its session folder.
        tell: Called at the end, with the path and in words, where something cannot be read.

    Raises:
        AffectlineError: It is no recording.
    """
    invalid = 0
    with SessionReader(path) as reader:
        for recorded in reader.messages():
            try:
                yield codec.decode(recorded.parts)
            except InvalidMessage:
                invalid += 1
        problems = list(reader.findings.problems)
    if invalid:
        problems.append(f"{invalid} messages of another version or damaged")
    if problems:
        tell(path, "; ".join(problems[:3]))
