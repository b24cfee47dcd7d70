"""The response of each signal to each marker."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from affectline.common.wire.messages import Marker
from affectline.services.sessions.timeseries import Series

BEFORE_S: Final = 10.0
"""Seconds before a marker over which the baseline is averaged."""
AFTER_S: Final = 30.0
"""Seconds after a marker searched for the response: skin and heart take up to 15 s."""
DEVIATIONS: Final = 2.0
"""The onset is the first value this many standard deviations from the baseline..."""
MIN_SHARE: Final = 0.2
"""... and at least this share of the peak's deviation, because some baselines hardly vary."""
RECOVERED: Final = 0.5
"""Share by which a response must have recovered: the half recovery time of skin conductance
responses (Boucsein 2012, Electrodermal Activity, 2nd ed., section 2.3.1.3)."""
MIN_VALUES: Final = 3
"""Minimum number of values for the baseline and for the response."""


@dataclass(frozen=True)
class MarkerResponse:
    """The response of one signal to one marker.

    Attributes:
        marker: Label of the marker.
        at: Time of the marker in nanoseconds since the Unix epoch.
        signal: Name of the signal.
        unit: Unit of the signal.
        baseline: Mean of the seconds before; None with too few values.
        onset_s: Seconds from the marker until the signal leaves its baseline; None if it does not.
        peak: Value furthest from the baseline in the seconds after; None with too few values.
        peak_s: Seconds from the marker to the peak.
        recovery_s: Seconds from the peak until half of the response is gone; None if that happens
            after the window.
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


def marker_responses(
    markers: Iterable[Marker],
    series: Iterable[Series],
    before_s: float = BEFORE_S,
    after_s: float = AFTER_S,
) -> Iterator[MarkerResponse]:
    """Yield the response of every signal to every marker, marker by marker."""
    signals = list(series)
    for marker in markers:
        for signal in signals:
            yield measure_response(marker, signal, before_s, after_s)


def measure_response(
    marker: Marker, signal: Series, before_s: float, after_s: float
) -> MarkerResponse:
    """Measure the response of one signal to one marker."""
    response = MarkerResponse(marker.label, marker.at, signal.name, signal.unit)
    seconds = (signal.times - marker.at) / 1e9
    before = signal.values[(seconds >= -before_s) & (seconds < 0)]
    inside = (seconds >= 0) & (seconds <= after_s)
    after, times = signal.values[inside], seconds[inside]
    if len(before) < MIN_VALUES:
        return response
    baseline = float(before.mean())
    response = replace(response, baseline=baseline)
    if len(after) < MIN_VALUES:
        return response
    deviation = np.abs(after - baseline)
    top = int(deviation.argmax())
    threshold = max(DEVIATIONS * float(before.std()), MIN_SHARE * float(deviation[top]))
    onset = np.flatnonzero(deviation[: top + 1] > threshold)
    recovered = np.flatnonzero(deviation[top:] <= (1 - RECOVERED) * deviation[top])
    responded = bool(onset.size)
    return replace(
        response,
        onset_s=float(times[onset[0]]) if responded else None,
        peak=float(after[top]),
        peak_s=float(times[top]),
        recovery_s=float(times[top + recovered[0]] - times[top])
        if responded and recovered.size
        else None,
    )
