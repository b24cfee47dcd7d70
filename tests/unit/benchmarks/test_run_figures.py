"""What is told of a run follows from its results."""

from pathlib import Path
from typing import Any

import pytest

from affectline.common.wire.messages import Emotion, FaceEmotion
from tests.benchmarks.clips import Clip
from tests.benchmarks.pipeline import OTHER, Recording, Sample, Usage
from tests.benchmarks.run_figures import (
    LOST,
    classified_shares,
    count_reasons,
    find_lead,
    latency_ms,
    memory_in_tenths,
    summarise_live,
    summarise_lossless,
)
from tests.recordings import QUALITY, START

MS = 1_000_000
PERIOD = 40 * MS
FRAMES = 100
BEFORE = 1300 * MS
"""How long the session had begun before the film did."""


def emotion(number: int, stream: str = "s1", late_ms: int = 0, **more: Any) -> Emotion:
    """The result of a frame, 10 ms after it was due, or later."""
    at = START + number * PERIOD
    due = at + BEFORE
    face = FaceEmotion(track=1, box=(0, 0, 9, 9), quality=QUALITY)
    given = {
        "stream": stream, "epoch": 1, "seq": number, "captured_at": at, "width": 640,
        "height": 360, "received_at": due + late_ms * MS,
        "detected_at": due + (4 + late_ms) * MS, "classified_at": due + (9 + late_ms) * MS,
        "published_at": due + (10 + late_ms) * MS, "faces": (face,),
    }  # fmt: skip
    return Emotion.model_validate(given | more)


def recording(emotions: list[Emotion]) -> Recording:
    """A run with a sample of memory and CPU time in each quarter of a second."""
    first = min(one.published_at for one in emotions)
    last = max(one.published_at for one in emotions)
    samples = [
        Sample(
            at=at,
            usage={1: Usage((at - first) / 4e9, 80 * MS, 50 * MS, 0), 2: Usage(0, 20 * MS, 0, 0)},
            names={1: "capture"},
            cpu_busy_s=(at - first) / 2e9,
            observer_s=0.0,
        )
        for at in range(first, last + 1, 250 * MS)
    ]
    run = Recording(started=first - 1000 * MS, seconds=(last - first) / 1e9 + 2, samples=samples)
    run.emotions = {(one.stream, one.seq): one for one in emotions}
    run.summary = {"streams": {"s1": {"frames": len(emotions), "skipped": {}}}}
    return run


def live(emotions: list[Emotion], streams: int = 1) -> Any:
    clip = Clip(Path("clip.mp4"), (640, 360), FRAMES)
    run = recording(emotions)
    return summarise_live(run, clip, streams, 1, slow_ms=30.0, rate=25.0, memory=True)


def test_latency_is_counted_from_when_a_frame_was_due() -> None:
    late = {3: 200, 70: 50}
    found = live([emotion(n, late_ms=late.get(n, 0)) for n in range(FRAMES)])
    assert (found.p50, found.p99) == (10, 210)
    assert found.max_ms == 60  # that of the first second does not count
    assert (found.slow, found.slow_at_first) == (2, 1)
    assert found.stages == {"detect": 4, "classify": 5, "publish": 1}
    assert (found.skipped, found.reasons, found.shares) == (0, {}, [1.0])
    assert found.cpu_ms["capture"] == pytest.approx(10, rel=0.05)
    assert found.other_cores == pytest.approx(0.25)
    assert (found.rss_mb, found.pss_mb) == (100, 50)


def test_films_that_begin_at_different_times_have_leads_of_their_own() -> None:
    shifted = emotion(0, "s2", captured_at=START + BEFORE)
    lead = find_lead([emotion(1, late_ms=5), emotion(0), shifted])
    assert lead == {"s1": BEFORE, "s2": 0}
    assert latency_ms(emotion(1, late_ms=5), lead["s1"]) == 15


def test_every_skip_has_a_reason() -> None:
    tables = {
        "a": {"frames": 100, "skipped": {"behind": 4, "stale": 1}},
        "b": {"frames": 97, "skipped": {"stale": 5}},
    }
    assert count_reasons(tables, 200) == {"stale": 6, "behind": 4, LOST: 3}
    assert count_reasons({"a": {"frames": 100, "skipped": {}}}, 100) == {}


def test_shares_include_streams_without_any_result() -> None:
    tables = {
        "b": {"frames": 100, "skipped": {}},
        "a": {"frames": 100, "skipped": {"behind": 50}},
    }
    assert classified_shares(tables, 3, 100) == [0.0, 0.5, 1.0]


def test_a_run_in_which_nothing_was_classified_has_no_latency() -> None:
    with pytest.raises(RuntimeError, match="no frame was classified"):
        live([emotion(n, missing="behind", faces=()) for n in range(FRAMES)])


def test_a_process_that_does_not_say_what_it_is_counts_as_well() -> None:
    sample = recording([emotion(n) for n in range(FRAMES)]).samples[0]
    assert set(sample.kinds) == {"capture", OTHER}


def test_memory_is_told_in_tenths_of_a_lossless_run() -> None:
    run = recording([emotion(n) for n in range(FRAMES)])
    assert memory_in_tenths(run) == [100.0] * 10
    found = summarise_lossless(run, Clip(Path("clip.mp4"), (640, 360), FRAMES), 4.0)
    assert found.rate == pytest.approx(25)
    assert found.whole_rate == pytest.approx(FRAMES / run.seconds)
    assert found.loss_percent == pytest.approx(100 * (1 - found.whole_rate / 25))
    assert (found.faces, found.frames) == (1, FRAMES)
