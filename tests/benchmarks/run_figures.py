"""Figures of a run: of one live, or of one lossless and as fast as possible."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from affectline.common.wire.messages import Emotion
from tests.benchmarks.clips import Clip
from tests.benchmarks.pipeline import MB, Recording, is_classified, stages
from tests.benchmarks.results import Live, Lossless

LOST = "no result"
"""The reason of a frame whose result never came."""
_TENTHS = 10


def summarise_live(
    recording: Recording, clip: Clip, streams: int, classifiers: int, *,
    slow_ms: float, beside: str = "", rate: float = 30.0, memory: bool = False,
) -> Live:  # fmt: skip
    """Figures of a live run over a clip, the same in each stream.

    Args:
        recording: The run.
        clip: What each stream showed.
        streams: How many there were.
        classifiers: Number of classifier processes.
        slow_ms: From which latency a frame is counted as slow.
        beside: What else the pipeline did.
        rate: Frames a second of each stream.
        memory: Whether memory was read.

    Raises:
        RuntimeError: No frame was classified.
    """
    emotions = list(recording.emotions.values())
    seen = [one for one in emotions if is_classified(one)]
    if not seen:
        raise RuntimeError("no frame was classified")
    lead = find_lead(emotions)
    taken = {id(one): latency_ms(one, lead[one.stream]) for one in seen}
    latencies = sorted(taken.values())
    earliest = min(one.captured_at for one in seen)
    at_first = [one for one in seen if one.captured_at < earliest + 1e9]
    later = [taken[id(one)] for one in seen if one.captured_at >= earliest + 1e9]
    first, last, frames = recording.steady()
    offered, tables = streams * clip.frames, recording.summary["streams"]
    reasons = count_reasons(tables, offered)
    # In the steady state as many frames are offered as the rate says, with a result or not
    share = frames / (rate * streams * (last.at - first.at) / 1e9)
    parts = {stage: sorted(times) for stage, times in stages(seen, lead).items() if times}
    totals = [(s.total("rss") / MB, s.total("pss") / MB) for s in recording.samples]
    return Live(
        streams=streams,
        classifiers=classifiers,
        offered=offered,
        answered=sum(one["frames"] for one in tables.values()),
        skipped=sum(reasons.values()),
        slow=sum(ms > slow_ms for ms in latencies),
        slow_at_first=sum(taken[id(one)] > slow_ms for one in at_first),
        p50=quantile(latencies, 0.5),
        p95=quantile(latencies, 0.95),
        p99=quantile(latencies, 0.99),
        max_ms=max(later, default=None),
        stages={stage: statistics.median(times) for stage, times in parts.items()},
        stages_p99={stage: quantile(times, 0.99) for stage, times in parts.items()},
        cores=recording.cores(),
        other_cores=recording.other_cores(),
        cpu_ms={kind: ms * share for kind, ms in recording.cpu_ms().items()},
        beside=beside,
        size=clip.size,
        rate=rate,
        shares=classified_shares(tables, streams, clip.frames),
        reasons=reasons,
        rss_mb=max(rss for rss, _ in totals) if memory else None,
        pss_mb=max(pss for _, pss in totals) if memory else None,
    )


def find_lead(emotions: Iterable[Emotion]) -> dict[str, int]:
    """By stream: ns from the time of a frame to its arrival, where it was the least.

    A film's times may lie on a time line that began before the film did, for instance with its
    sensors. What all of its frames have in common is no latency; how late each of them is, is.
    """
    lead: dict[str, int] = {}
    for one in emotions:
        ahead = one.received_at - one.captured_at
        lead[one.stream] = min(ahead, lead.get(one.stream, ahead))
    return lead


def latency_ms(emotion: Emotion, lead: int) -> float:
    """Milliseconds from when a frame was due to the publication of its result."""
    return (emotion.published_at - emotion.captured_at - lead) / 1e6


def classified_shares(tables: Mapping[str, Any], streams: int, frames: int) -> list[float]:
    """Part of each stream's frames that were classified, in the order of the streams' names.

    Args:
        tables: What the run wrote of each stream, by its name. Results that only the benchmark did
            not receive are there: an outlet drops what its subscriber does not take in time.
        streams: How many there were.
        frames: What each of them offered.
    """
    shares = [
        (one["frames"] - sum(one["skipped"].values())) / frames for _, one in sorted(tables.items())
    ]
    return [0.0] * (streams - len(shares)) + shares


def count_reasons(tables: Mapping[str, Any], offered: int) -> dict[str, int]:
    """Frames that were not classified, by reason, the most frequent first.

    Args:
        tables: What the run wrote of each stream, by its name.
        offered: Frames of all streams together.
    """
    reasons: Counter[str] = Counter()
    for one in tables.values():
        reasons.update(one["skipped"])
    if lost := offered - sum(one["frames"] for one in tables.values()):
        reasons[LOST] += lost
    return dict(reasons.most_common())


def summarise_lossless(recording: Recording, clip: Clip, film_s: float) -> Lossless:
    """Figures of a lossless run over a film.

    Args:
        recording: The run.
        clip: The film.
        film_s: Its length in seconds.
    """
    emotions = recording.emotions.values()
    return Lossless(
        frames=len(emotions), film_s=film_s, rate=recording.rate(),
        whole_rate=len(emotions) / recording.seconds, cpu_ms=recording.cpu_ms(),
        faces=sum(len(one.faces) for one in emotions) / clip.frames,
        rss_mb=memory_in_tenths(recording),
    )  # fmt: skip


def memory_in_tenths(recording: Recording) -> list[float]:
    """Most memory of all processes together in each tenth of the run, in MB."""
    begin, end = recording.published[0], recording.published[-1]
    most = [0.0] * _TENTHS
    for sample in recording.samples:
        if begin <= sample.at <= end:
            tenth = min(_TENTHS - 1, (sample.at - begin) * _TENTHS // max(1, end - begin))
            most[tenth] = max(most[tenth], sample.total("rss") / MB)
    return [mb for mb in most if mb]


def quantile(ordered: Sequence[float], q: float) -> float:
    """A quantile of values in order."""
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]
