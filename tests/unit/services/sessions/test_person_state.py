from affectline.common.wire.biometrics import SignalContribution, State
from affectline.services.sessions.person_state import doubtful_stretches, sum_up_calmness

SECOND = 1_000_000_000
OLD = ("", "old")
AT = 1_795_445_587 * SECOND


def states(*told: tuple[float, float | None, float]) -> list[State]:
    """Seconds, nervousness and quality of each."""
    return [
        State(
            subject="anna", at=AT + round(at * SECOND), nervousness=nervousness, quality=quality,
            signals={
                "heart": SignalContribution(value=70.0, quality=quality, reason=OLD[quality < 1]),
                "skin": SignalContribution(reason="no skin signal"),
                "face": SignalContribution(value=0.1, reason="dark"),
            },
        )
        for at, nervousness, quality in told
    ]  # fmt: skip


def test_only_what_is_of_a_sufficient_quality_counts() -> None:
    found = sum_up_calmness("anna", states((0, 99, 0.1), (1, 20, 0.5), (2, 70, 0.9), (3, 30, 1)))
    assert (found.known_share, found.median, found.highest) == (0.75, 30.0, 70.0)
    assert found.highest_at == AT + 2 * SECOND
    assert found.high_share == 1 / 3
    assert found.quality == (0.1 + 0.5 + 0.9 + 1) / 4
    assert found.signals == {"heart"}
    assert found.reasons == (
        ("old", ("heart",), 1.0), ("no skin signal", ("skin",), 1.0),
    )  # fmt: skip


def test_without_any_nothing_is_said() -> None:
    found = sum_up_calmness("anna", states((0, 99, 0.1), (1, None, 1)))
    assert (found.known_share, found.median, found.high_share) == (0.0, None, 0.0)


def test_stretches_last_until_the_next_state_but_not_over_gaps() -> None:
    told = states((0, 10, 1), (1, 10, 0.1), (2, 10, 0.1), (3, 10, 1), (4, None, 0), (5, 10, 0.1),
                  (60, 10, 1))  # fmt: skip
    found = [((a - AT) / SECOND, (b - AT) / SECOND) for a, b in doubtful_stretches(told, "anna")]
    assert found == [(1, 3), (5, 5)]
    assert doubtful_stretches(told, "ben") == []
