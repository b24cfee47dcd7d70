"""A session file's messages, for tools that look at them."""

import sys
from collections.abc import Iterator
from pathlib import Path

from common import codec
from common.errors import InvalidMessage
from common.messages import Packet
from common.session_reading import SessionReader


def packets(path: Path) -> Iterator[Packet]:
    """Yield what a session file holds, in the order in which it was recorded.

    What cannot be read is told in one line on standard error.

    Args:
        path: The file, or its session folder.

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
        sys.stderr.write(f"affectline: {path}: {'; '.join(problems[:3])}; the rest was read\n")
