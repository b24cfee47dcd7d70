"""What each signal did around each marker."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from affectline.common.wire.messages import Marker
from affectline.services.sessions.timeseries import Series

BEFORE_S: Final = 10.0
"""How much time before a marker its baseline is taken from."""
AFTER_S: Final = 30.0
"""How long after a marker its response is looked for: skin and heart take up to 15 s."""
DEVIATIONS: Final = 2.0
"""A response has begun where a signal leaves its baseline by so many standard deviations."""
LEAST: Final = 0.2
"""... and by at least this share of what the response comes to, for baselines that stand still."""
RECOVERED: Final = 0.5
"""A response is over where half of it is: the half recovery time of skin conductance responses
(Boucsein 2012, Electrodermal Activity, 2nd ed., section 2.3.1.3)."""
FEWEST: Final = 3
"""Values that a baseline and a response each need."""


@dataclass(frozen=True)
class MarkerResponse:
    """One signal around one marker.

    Attributes:
        marker: Label of the marker.
        at: The marker's time, nanoseconds since the Unix epoch.
        signal: Name of the signal.
        unit: Its unit.
        baseline: Mean of the seconds before; None: too little was measured in them.
        onset_s: Seconds from the marker until the signal leaves its baseline; None: it does not.
        peak: Value furthest from the baseline in the seconds after; None: too little was measured.
        peak_s: Seconds from the marker to the peak.
        recovery_s: Seconds from the peak until half of the response is gone; None: not within the
            window.
    """

    marker: str
    at: int
    signal: str
    unit: str
    baseline: float | None = None
    onset_s: float | None = None
    peak: float | None = None
    peak_s: float | None = None
    recovery_s: float | None = None


def responses(
    markers: Iterable[Marker],
    series: Iterable[Series],
    before_s: float = BEFORE_S,
    after_s: float = AFTER_S,
) -> Iterator[MarkerResponse]:
    """A row for every marker and every signal, measured around it or not."""
    signals = list(series)
    for marker in markers:
        for signal in signals:
            yield respond(marker, signal, before_s, after_s)


def respond(marker: Marker, signal: Series, before_s: float, after_s: float) -> MarkerResponse:
    """What one signal did around one marker."""
    row = MarkerResponse(marker.label, marker.at, signal.name, signal.unit)
    seconds = (signal.times - marker.at) / 1e9
    before = signal.values[(seconds >= -before_s) & (seconds < 0)]
    inside = (seconds >= 0) & (seconds <= after_s)
    after, moments = signal.values[inside], seconds[inside]
    if len(before) < FEWEST:
        return row
    baseline = float(before.mean())
    row = replace(row, baseline=baseline)
    if len(after) < FEWEST:
        return row
    away = np.abs(after - baseline)
    top = int(away.argmax())
    least = max(DEVIATIONS * float(before.std()), LEAST * float(away[top]))
    onset = np.flatnonzero(away[: top + 1] > least)
    recovered = np.flatnonzero(away[top:] <= (1 - RECOVERED) * away[top])
    responded = bool(onset.size)
    return replace(
        row,
        onset_s=float(moments[onset[0]]) if responded else None,
        peak=float(after[top]),
        peak_s=float(moments[top]),
        recovery_s=float(moments[top + recovered[0]] - moments[top])
        if responded and recovered.size
        else None,
    )
