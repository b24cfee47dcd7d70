"""What a decoder is, and what it may do with bytes: answer, or say in one line what is wrong."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from affectline.common.errors import AffectlineError, InvalidMessage

CPU_S: Final = 5.0
"""What a decoder may take for what the tests give it, on a slow machine too."""
MEMORY: Final = Path("/dev/shm")


class Decoder(NamedTuple):
    """One of the project's decoders."""

    name: str
    decode: Callable[[bytes], object]
    """Raises nothing but the project's own errors."""
    seeds: Callable[[], Sequence[bytes]]
    """Bytes that it can read, to begin with."""
    words: tuple[bytes, ...] = ()
    """Pieces of its format that are worth trying anywhere."""


def check(decoder: Decoder, data: bytes) -> None:
    """Decode something, and see to it that the decoder keeps its promises.

    Raises:
        AssertionError: It took too long, or its error does not name what is wrong and a way out.
    """
    begin = time.process_time()
    problem = None
    try:
        decoder.decode(data)
    except (InvalidMessage, AffectlineError) as error:
        problem = error
    assert time.process_time() - begin < CPU_S, "too slow"
    if problem is not None:
        _check_error(problem)


def _check_error(error: InvalidMessage | AffectlineError) -> None:
    text = str(error)
    text.encode()
    assert text, "nothing is said"
    assert "\n" not in text
    if isinstance(error, AffectlineError):
        assert error.problem, "no problem is named"
        assert error.fix, f"no way out: {error.problem}"


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for a moment, in memory where there is such a place."""
    place = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="affectline-fuzz-", dir=place) as name:
        yield Path(name)


def join_parts(parts: Sequence[bytes]) -> bytes:
    """Several pieces as one: each behind its length of two bytes, and no longer than that."""
    shortened = [part[:65_535] for part in parts]
    return b"".join(len(part).to_bytes(2, "big") + part for part in shortened)


def split_parts(data: bytes) -> list[bytes]:
    """The pieces of any bytes; the last one as far as it goes."""
    parts = []
    while data:
        size = int.from_bytes(data[:2], "big")
        parts.append(data[2 : 2 + size])
        data = data[2 + size :]
    return parts
