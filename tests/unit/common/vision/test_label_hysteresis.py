"""A label that follows the longest bar and does not flicker."""

import csv
import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from affectline.common.labels import LABELS
from affectline.common.vision.ema import TIME_CONSTANT_S, EmotionSmoother
from affectline.common.vision.label_hysteresis import LEAD_S, MARGIN, LabelHysteresis

SECOND = 1_000_000_000
RATE = 30
HAPPY, SAD = LABELS.index("happy"), LABELS.index("sad")


def mixture(happy: float) -> tuple[float, ...]:
    """A distribution of happy and sad alone."""
    return tuple({HAPPY: happy, SAD: 1 - happy}.get(i, 0.0) for i in range(len(LABELS)))


def choose_all(shares: Iterable[float], rate: int = RATE) -> list[int]:
    labels = LabelHysteresis()
    return [labels.choose(1, i * SECOND // rate, mixture(happy)) for i, happy in enumerate(shares)]


def switches(chosen: Sequence[int]) -> int:
    return sum(before != after for before, after in pairwise(chosen))


def test_noise_around_a_tie_does_not_flicker() -> None:
    source = random.Random(1)
    noisy = [0.5 + source.uniform(-MARGIN, MARGIN) / 2 for _ in range(10 * RATE)]
    longest = [HAPPY if share >= 0.5 else SAD for share in noisy]
    assert switches(longest) > 100
    assert switches(choose_all(noisy)) == 0


@pytest.mark.parametrize("rate", [5, 10, 25, 30, 60])
def test_a_real_change_passes_as_fast_as_smoothing_lets_it(rate: int) -> None:
    smoother, labels = EmotionSmoother(), LabelHysteresis()
    label = SAD
    for i in range(-2 * rate, 2 * rate):
        at = (2 * rate + i) * SECOND // rate
        label = labels.choose(1, at, smoother.smooth(1, at, mixture(float(i >= 0))))
        if label == HAPPY:
            break
    # The bars cross after 0.69 time constants; the margin adds little to it
    assert i / rate <= 0.75 * TIME_CONSTANT_S + 1 / rate


def test_a_narrow_lead_is_followed_once_it_has_lasted() -> None:
    ahead = 0.5 + MARGIN / 4
    chosen = choose_all([1.0] * RATE + [1 - ahead] * 2 * RATE)
    assert chosen.index(SAD) - RATE == LEAD_S * RATE
    broken = [1 - ahead] * (RATE // 3) + [ahead]
    assert switches(choose_all([1.0, *broken * 10])) == 0, "a lead with breaks is none"


def test_the_label_is_never_long_behind_the_longest_bar() -> None:
    source = random.Random(2)
    share, shares = 0.5, []
    for _ in range(120 * RATE):
        share = min(1.0, max(0.0, share + source.gauss(0, 0.02)))
        shares.append(share)
    behind = longest_stretch = 0
    for share, label in zip(shares, choose_all(shares), strict=True):
        behind = behind + 1 if label != (HAPPY if share >= 0.5 else SAD) else 0
        longest_stretch = max(longest_stretch, behind)
    assert longest_stretch <= LEAD_S * RATE


def test_tracks_are_apart_and_forgotten() -> None:
    labels = LabelHysteresis()
    near = 0.5 + MARGIN / 4
    assert labels.choose(1, 0, mixture(1.0)) == HAPPY
    assert labels.choose(2, 0, mixture(1 - near)) == SAD
    assert labels.choose(1, 1, mixture(1 - near)) == HAPPY
    labels.forget_all_but({2})
    assert labels.choose(1, 2, mixture(1 - near)) == SAD


def test_a_time_line_that_begins_again_starts_the_count_anew() -> None:
    labels, near = LabelHysteresis(), 0.5 + MARGIN / 4
    labels.choose(1, 100 * SECOND, mixture(1.0))
    assert labels.choose(1, 100 * SECOND + 1, mixture(1 - near)) == HAPPY
    assert labels.choose(1, 0, mixture(1 - near)) == HAPPY
    assert labels.choose(1, int(LEAD_S * SECOND), mixture(1 - near)) == SAD


def test_a_man_who_talks_in_a_moving_car_keeps_his_label() -> None:
    """Single frames' distributions of ``carphone.mp4``: the sample clip."""
    table = Path(__file__).with_name("carphone_frames.csv")
    smoother, labels = EmotionSmoother(), LabelHysteresis()
    single, chosen, longest = [], [], []
    with table.open() as file:
        for row in csv.DictReader(file):
            at = round(float(row["time_s"]) * SECOND)
            frame = tuple(float(row[label]) for label in LABELS)
            smoothed = smoother.smooth(1, at, frame)
            single.append(frame.index(max(frame)))
            longest.append(smoothed.index(max(smoothed)))
            chosen.append(labels.choose(1, at, smoothed))
    assert switches(single) == 44
    assert switches(chosen) <= 3
    behind = [label != bar for label, bar in zip(chosen, longest, strict=True)]
    assert sum(behind) / len(behind) <= 0.1
