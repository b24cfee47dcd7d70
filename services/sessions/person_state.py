"""Sums up how calm a person was by a session's states, and how reliable that is."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Final, NamedTuple

import numpy as np

from affectline.common.wire.biometrics import SignalContribution, State

LEAST_QUALITY: Final = 0.5
"""States of lower quality are not used to judge how calm a person is."""
LONGEST_STEP_NS: Final = 2_000_000_000
"""Maximum duration of one state."""
HIGH: Final = 60.0
"""Nervousness above this counts as high."""


class Calmness(NamedTuple):
    """Summary of one person's states of sufficient quality."""

    subject: str
    known_share: float
    """Share of the states whose quality is high enough, 0 to 1."""
    quality: float
    """Mean quality of all states."""
    median: float | None
    """Median nervousness of the states of sufficient quality; None without such states."""
    high_share: float
    """Share of the states of sufficient quality above `HIGH`."""
    highest: float
    highest_at: int
    """Time of the highest nervousness, in ns since the Unix epoch."""
    signals: frozenset[str]
    """The signals, heart or skin, that were known in at least half of these states."""
    reasons: tuple[tuple[str, tuple[str, ...], float], ...]
    """Why the other states are of low quality, most frequent first: reason, signals, share."""


def sum_up_calmness(subject: str, states: Sequence[State]) -> Calmness:
    """Sum up the states of one person."""
    qualities = np.array([state.quality for state in states])
    is_known = [
        state.nervousness is not None and state.quality >= LEAST_QUALITY for state in states
    ]
    known = list(compress(states, is_known))
    unknown = list(compress(states, (not one for one in is_known)))
    values = np.array([state.nervousness for state in known if state.nervousness is not None])
    top = int(values.argmax()) if values.size else 0
    return Calmness(
        subject=subject,
        known_share=len(known) / len(states),
        quality=float(qualities.mean()),
        median=float(np.median(values)) if values.size else None,
        high_share=float((values > HIGH).mean()) if values.size else 0.0,
        highest=float(values[top]) if values.size else 0.0,
        highest_at=known[top].at if values.size else 0,
        signals=_known_signals(known or states),
        reasons=tuple(_reasons(unknown)),
    )


def doubtful_stretches(states: Sequence[State], subject: str) -> list[tuple[int, int]]:
    """Begin and end, in ns since the Unix epoch, of stretches with unreliable nervousness."""
    found: list[tuple[int, int]] = []
    own = [state for state in states if state.subject == subject]
    for i, state in enumerate(own):
        if state.quality >= LEAST_QUALITY or state.nervousness is None:
            continue
        following = own[i + 1].at if i + 1 < len(own) else state.at
        end = following if 0 <= following - state.at <= LONGEST_STEP_NS else state.at
        if found and found[-1][1] == state.at:
            found[-1] = (found[-1][0], end)
        else:
            found.append((state.at, end))
    return found


def _known_signals(states: Sequence[State]) -> frozenset[str]:
    counts = Counter(
        name
        for state in states
        for name, signal in _counting(state).items()
        if signal.value is not None
    )
    return frozenset(name for name, count in counts.items() if count >= len(states) / 2)


def _reasons(states: Sequence[State]) -> Iterator[tuple[str, tuple[str, ...], float]]:
    counts: dict[str, Counter[str]] = {}
    for state in states:
        for name, signal in _counting(state).items():
            if signal.reason:
                counts.setdefault(signal.reason, Counter())[name] += 1
    for reason, signals in sorted(counts.items(), key=lambda pair: -max(pair[1].values())):
        yield reason, tuple(sorted(signals)), max(signals.values()) / len(states)


def _counting(state: State) -> dict[str, SignalContribution]:
    """The signals that determine the quality: heart and skin, but not the face."""
    return {name: state.signals[name] for name in ("heart", "skin") if name in state.signals}
