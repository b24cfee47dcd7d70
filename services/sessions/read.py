"""A session file's messages, for tools that look at them."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from affectline.common.errors import InvalidMessage
from affectline.common.recording.reader import SessionReader
from affectline.common.wire import codec
from affectline.common.wire.messages import Emotion, Packet

Tell = Callable[[Path, str], None]


def complain(path: Path, problem: str) -> None:
    """Tell what cannot be read in one line on standard error."""
    sys.stderr.write(f"affectline: {path}: {problem}; the rest was read\n")


def packets(path: Path, tell: Tell = complain) -> Iterator[Packet]:
    """Yield what a session file holds, in the order in which it was recorded.

    Answers that were said again for somebody who had missed them come once.

    Args:
        path: The file, or its session folder.
        tell: Called at the end, with the path and in words, where something cannot be read.

    Raises:
        AffectlineError: It is no recording.
    """
    invalid = 0
    answered: set[tuple[str, int, int]] = set()
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
                if key in answered:
                    continue
                answered.add(key)
            yield packet
        problems = list(reader.findings.problems)
    if invalid:
        problems.append(f"{invalid} messages of another version or damaged")
    if problems:
        tell(path, "; ".join(problems[:3]))


def read_session(folder: Path) -> dict[str, Any]:
    """Read what the sink wrote about a session."""
    content: dict[str, Any] = json.loads((folder / "session.json").read_text(encoding="utf-8"))
    return content
