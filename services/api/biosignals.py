"""Signals of a session at their own rates, for NeuroKit2 and MNE."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.extras import require_extra
from affectline.common.labels import LABELS
from affectline.services.sessions.even_grid import BEAT_BY_BEAT, put_on_grid

if TYPE_CHECKING:
    import mne
    import pandas as pd

MNE_KINDS: Final = {
    "ecg": ("ecg", 1e-3), "skin_conductance": ("gsr", 1e-6), "respiration": ("resp", 1.0),
    "temperature": ("temperature", 1.0),
}  # fmt: skip
"""MNE's channel type, and the factor to MNE's unit; other signals are ``misc``."""
FACE_CHANNELS: Final = ("valence", "arousal", *LABELS)


@dataclass(frozen=True)
class Biosignal:
    """An evenly sampled signal.

    Attributes:
        name: Name in the session: ``skin_conductance``, or ``face front`` for a stream's face.
        channels: Names of its columns; one, except for faces.
        unit: UCUM unit: ``uS``, ``mV``; ``1`` for none.
        values: ``(N,) float64``, or ``(N, C)`` for faces; NaN where nothing was measured.
        sampling_rate: Samples a second.
        start_s: Time of the first sample, in seconds from the session's start.
        is_interpolated: The signal was measured unevenly.
        events: The session's markers during the signal, in the form of NeuroKit2's
            ``events_find``: ``onset`` in samples, ``duration`` in samples, ``label`` and
            ``condition``.
        event_times_s: The exact time of each of these markers, in seconds from the session's start.

    Example:
        >>> skin = Biosignal("skin_conductance", ("skin_conductance",), "uS",
        ...                  np.array([3.0, 3.1, 3.2]), sampling_rate=4.0, start_s=10.0,
        ...                  is_interpolated=False)
        >>> skin.times_s.tolist()
        [10.0, 10.25, 10.5]
    """

    name: str
    channels: tuple[str, ...]
    unit: str
    values: NDArray[np.float64]
    sampling_rate: float
    start_s: float
    is_interpolated: bool
    events: dict[str, Any] = field(default_factory=dict)
    event_times_s: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @property
    def times_s(self) -> NDArray[np.float64]:
        """Time of each sample in seconds from the session's start, ``(N,) float64``."""
        return self.start_s + np.arange(len(self.values)) / self.sampling_rate


def make_biosignals(
    samples: "pd.DataFrame", emotions: "pd.DataFrame", markers: "pd.DataFrame"
) -> dict[str, Biosignal]:
    """Make signals from a session's tables.

    Args:
        samples: The table of samples.
        emotions: The table of faces; the largest face of each stream's frames is used.
        markers: The table of markers.
    """
    made: dict[str, Biosignal] = {}
    has_several = samples["subject"].nunique() > 1
    for (subject, signal), rows in samples.groupby(["subject", "signal"], sort=False):
        rows = rows.sort_values("time_s", kind="stable")
        name = f"{subject} {signal}" if has_several else str(signal)
        found = _even(name, (str(signal),), str(rows["unit"].iloc[0]), rows, markers, ["value"])
        if found is not None:
            made[name] = found
    faces = emotions[(emotions["status"] == "face") & emotions["file"].isna()]
    for stream, rows in faces.groupby("stream", sort=False):
        area = rows["w"].astype(float) * rows["h"].astype(float)
        largest = rows.loc[area.groupby([rows["epoch"], rows["seq"]]).idxmax()]
        name = f"face {stream}"
        found = _even(name, FACE_CHANNELS, "1", largest, markers, list(FACE_CHANNELS))
        if found is not None:
            made[name] = found
    return made


def to_raw(signal: Biosignal, session_start: int) -> "mne.io.RawArray":
    """Convert a signal for MNE.

    Args:
        signal: The signal.
        session_start: Zero of the session's time line in ns since the Unix epoch.

    Raises:
        AffectlineError: MNE is not installed.
    """
    require_extra("to_mne", "mne", "mne")
    import mne

    kind, factor = MNE_KINDS.get(signal.channels[0], ("misc", 1.0))
    info = mne.create_info(list(signal.channels), signal.sampling_rate, kind)
    rows = np.atleast_2d(signal.values.T) * factor
    raw = mne.io.RawArray(rows, info, verbose="error")
    begin_us = session_start // 1000 + round(signal.start_s * 1e6)
    raw.set_meas_date(datetime.fromtimestamp(begin_us // 10**6, UTC).replace(
        microsecond=begin_us % 10**6
    ))  # fmt: skip
    end_s = len(signal.values) / signal.sampling_rate
    # Within half a sample of the ends, which MNE would cut off
    onsets = np.clip(signal.event_times_s - signal.start_s, 0, end_s)
    durations = np.minimum(1 / signal.sampling_rate, end_s - onsets)
    raw.set_annotations(mne.Annotations(onsets, durations, signal.events["condition"]))
    return raw


def _even(
    name: str,
    channels: tuple[str, ...],
    unit: str,
    rows: "pd.DataFrame",
    markers: "pd.DataFrame",
    columns: list[str],
) -> Biosignal | None:
    """Resample rows to an even grid; None with fewer than two distinct times."""
    grid = put_on_grid(
        rows["time_s"].to_numpy(np.float64),
        rows[columns].to_numpy(np.float64),
        by_beat=channels[0] in BEAT_BY_BEAT,
    )
    if grid is None:
        return None
    made = grid.values[:, 0] if len(columns) == 1 else grid.values
    events, times = _events(markers, grid.start_s, grid.rate, len(made))
    return Biosignal(
        name, channels, unit, made, grid.rate, grid.start_s, grid.is_interpolated, events, times
    )


def _events(
    markers: "pd.DataFrame", start_s: float, rate: float, samples: int
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """The markers during a signal for NeuroKit2, and their exact times."""
    times = markers["time_s"].to_numpy(np.float64)
    onsets = np.round((times - start_s) * rate).astype(int)
    inside = (onsets >= 0) & (onsets < samples)
    labels = [str(label) for label in markers["label"][inside]]
    events = {
        "onset": onsets[inside],
        "duration": np.ones(int(inside.sum()), int),
        "label": [str(number) for number in range(1, len(labels) + 1)],
        "condition": labels,
    }
    return events, times[inside]
