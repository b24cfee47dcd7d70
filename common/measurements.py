"""Measurements that were made before: of what depends on nothing but the frame and the question."""

from collections.abc import Callable, Hashable
from hashlib import blake2b
from typing import Any, Final, TypeVar

T = TypeVar("T")

Answers = dict[bytes, dict[Hashable, Any]]
"""By the digest of a frame's bytes, and by what was asked of it."""
_NONE: Final = object()


class Measurements:
    """Answers what was asked before of the same frame, and measures the rest.

    A frame is known by a digest of its bytes. So an answer is right wherever it comes from, as long
    as what is measured depends on nothing else.

    Args:
        find_known: Called with the number of each frame from 0 on: answers that others have. They
            are asked for frame by frame, so that not all need to be in the memory at a time.
        keep: Whether answers are kept in `made`.
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
        """How many answers there were, and how many were not."""

    def begin_frame(self, data: bytes | memoryview) -> None:
        """What is asked from now on is about this frame.

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
            question: What the answer depends on, beside the frame.
            measure: Finds it out.
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
