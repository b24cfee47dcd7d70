"""How far streams have come, by numbers that arrive in any order."""

import pytest

from affectline.common.runtime.keeping import KNOWN_KEYS
from affectline.services.supervisor.positions import ContiguousRun, StreamPositions
from tests.samples import EMOTION, EPOCH


@pytest.mark.parametrize(
    ("numbers", "following"),
    [((0, 1, 2), 3), ((2, 0, 1), 3), ((0, 2, 3), 1), ((1, 2), 0), ((0, 1, 0, 1, 2), 3)],
)
def test_the_first_missing_number(numbers: tuple[int, ...], following: int) -> None:
    run = ContiguousRun(0)
    for number in numbers:
        run.add(number)
    assert run.next == following


def test_a_number_that_never_comes_is_given_up() -> None:
    run = ContiguousRun(0)
    for number in range(20_000):
        if number != 500:
            run.add(number)
        assert number < 500 or run.next == 500 or number > 500 + KNOWN_KEYS
    assert run.next == 20_000
    run.add(10)  # sent again
    assert not run._later


def test_the_highest_track_of_a_stream_is_known_over_all_epochs() -> None:
    positions = StreamPositions(set())
    assert positions.needed("drive") is None
    tracks = max(face.track for face in EMOTION.faces)
    picture = EMOTION.faces[0].model_copy(update={"track": 9})
    for update in (
        {},
        {"seq": EMOTION.seq + 1, "file": "a.png", "faces": (picture,)},
        {"epoch": EPOCH + 1, "seq": 0, "faces": ()},
    ):
        positions.on_answer(EMOTION.model_copy(update=update))
    position = positions.needed("drive")
    assert position is not None
    assert (position.epoch, position.seq, position.last_track) == (EPOCH + 1, 1, tracks)
