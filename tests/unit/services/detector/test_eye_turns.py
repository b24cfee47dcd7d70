from collections.abc import Iterator

import numpy as np
import pytest

from affectline.services.detector.eyes import Eye, EyePlace, Eyes, EyeTurns

GRAY = np.zeros((10, 10), np.uint8)
FRAME_NS = 33_000_000


class ListedEyes:
    """Knows beforehand what each eye looks like, and counts how often it is asked."""

    def __init__(self, gaps: Iterator[float]) -> None:
        self._gaps = gaps
        self.gap = 0.3
        self.looks = 0

    def next_frame(self) -> None:
        self.gap = next(self._gaps)

    def read_one(self, gray: object, place: EyePlace) -> Eye:
        self.looks += 1
        return Eye(self.gap, 0.0, 0.0, place.width, is_visible=place.is_visible)

    def read(self, gray: object, places: tuple[EyePlace, EyePlace]) -> Eyes:
        return Eyes(self.read_one(gray, places[0]), self.read_one(gray, places[1]))


def places(*, visible: bool = True) -> tuple[EyePlace, EyePlace]:
    left = EyePlace(6, 5, 20, 0.0, 1.0, is_visible=visible, mirrored=True)
    return left, EyePlace(3, 5, 20, 0.0, 1.0, is_visible=True, mirrored=False)


def follow(
    gaps: list[float], step: int = FRAME_NS, *, visible: bool = True
) -> tuple[int, list[Eyes]]:
    known = ListedEyes(iter(gaps))
    turns = EyeTurns(known)  # type: ignore[arg-type]
    read = []
    for i in range(len(gaps)):
        known.next_frame()
        read.append(turns.read(GRAY, places(visible=visible), i * step))
    return known.looks, read


def test_still_eyes_are_read_in_turn() -> None:
    looks, read = follow([0.3] * 21)
    assert looks == 2 + 20
    assert all(eye.gap == 0.3 for eyes in read for eye in eyes)


def test_a_movement_is_seen_in_both_eyes_in_its_own_frame() -> None:
    gaps = [0.3] * 10 + [0.22, 0.1, 0.05, 0.12, 0.25, 0.3] + [0.3] * 10
    _, read = follow(gaps)
    for gap, eyes in zip(gaps, read, strict=True):
        assert eyes.left.gap == pytest.approx(gap, abs=0.031)
        assert eyes.right.gap == pytest.approx(gap, abs=0.031)
        assert eyes.left.gap == eyes.right.gap or gap == 0.3


@pytest.mark.parametrize(
    ("gap", "step", "visible"), [(0.3, 100_000_000, True), (0.1, FRAME_NS, True), (0.3, 0, True)]
)
def test_both_are_read_where_turns_would_miss_something(
    gap: float, step: int, visible: bool
) -> None:
    looks, _ = follow([gap] * 10, step, visible=visible)
    assert looks == 20
