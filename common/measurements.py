"""A cache of measurements that depend only on a frame and the question."""

from collections.abc import Callable, Hashable
from hashlib import blake2b
from typing import Any, Final, TypeVar

T = TypeVar("T")

Answers = dict[bytes, dict[Hashable, Any]]
"""Answers by the digest of a frame's bytes, and by the question."""
_NONE: Final = object()


class Measurements:
    """Answers repeated questions about the same frame from a cache, and measures the rest.

    A digest of its bytes identifies a frame. So an answer is valid wherever it comes from, as long
    as the measurement depends on nothing else.

    Args:
        find_known: Called with the number of each frame, from 0 on, for answers from elsewhere:
            frame by frame, so that not all of them need to be in memory at once.
        keep: Whether to keep answers in `made`.
    """

    def __init__(
        self, find_known: Callable[[int], list[Answers]] = lambda _: [], *, keep: bool = False
    ) -> None:
        self._find_known = find_known
        self.keep = keep
        self._digest, self._frames = b"", 0
        self._answers: list[dict[Hashable, Any]] = []
        self.made: Answers = {}
        self.found = self.measured = 0
        """Number of answers found in the cache, and number of measurements."""

    def begin_frame(self, data: bytes | memoryview) -> None:
        """Make this the frame that questions are about.

        Args:
            data: Its bytes, encoded or not.
        """
        self._digest = blake2b(data, digest_size=16).digest()
        known = self._find_known(self._frames)
        self._answers = [one[self._digest] for one in known if self._digest in one]
        self._frames += 1

    def find(self, question: Hashable, measure: Callable[[], T]) -> T:
        """Answer a question about the frame.

        Args:
            question: What the answer depends on, besides the frame.
            measure: Measures the answer.
        """
        for answers in self._answers:
            answer = answers.get(question, _NONE)
            if answer is not _NONE:
                self.found += 1
                return answer  # type: ignore[no-any-return]
        self.measured += 1
        answer = measure()
        if self.keep:
            self.made.setdefault(self._digest, {})[question] = answer
        return answer
