"""``affectline.open_session``: a recorded or analysed session as data frames and images."""

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.recording.reader import locate
from affectline.common.settings.variables import expand_home
from affectline.services.api.arguments import check_path, named_as_in_python
from affectline.services.api.biosignals import Biosignal, make_biosignals, to_raw
from affectline.services.api.data_frames import from_rows, read_table, require_pandas, with_edits
from affectline.services.api.pictures import SessionFrame, pick, read_frames
from affectline.services.export.tables import Rows, make_tables
from affectline.services.sessions.columns import EMOTIONS, MARKERS, SAMPLES, STATES
from affectline.services.sessions.edits import SessionEdits, read_edits
from affectline.services.sessions.recording import open_recording, session_folder, session_name
from affectline.services.sessions.run_summary import read_session
from affectline.services.sessions.table_column import SessionTable

if TYPE_CHECKING:
    import mne
    import pandas as pd


@named_as_in_python()
def open_session(path: str | os.PathLike[str]) -> "Session":
    """Open a session: a folder written by ``affectline up``, ``record`` or ``analyse``.

    Args:
        path: The session folder, or its ``session.mcap``.

    Raises:
        AffectlineError: The path is not a session, or pandas is missing.

    Example:
        >>> session = open_session("sessions/study1")  # doctest: +SKIP
        >>> session.emotions.groupby("label").size()  # doctest: +SKIP
        >>> session.samples("heart_rate").plot("time_s", "value")  # doctest: +SKIP
    """
    require_pandas("affectline.open_session")
    check_path("", path)
    return Session(expand_home(Path(path)))


class UnknownNameError(AffectlineError, KeyError):
    """A session has no signal or subject with this name; also a `KeyError`, as of a dict."""


class Session:
    """A session. Tables are read on first access and cached.

    Args:
        path: The session folder, or its ``session.mcap``.

    Raises:
        AffectlineError: The path is not a session.
    """

    def __init__(self, path: Path) -> None:
        self._recording = open_recording(path)
        self.folder: Path = session_folder(locate(path))
        """The session folder."""
        self.name: str = session_name(path)
        """Name of the session folder."""

    def __repr__(self) -> str:
        return f"<Session {self.name} in {self.folder}>"

    @cached_property
    def info(self) -> dict[str, Any]:
        """The session's ``session.json``, or the same from its recording (docs/sessions.md)."""
        if (self.folder / "session.json").is_file():
            return read_session(self.folder)
        return dict(self._recording.about)

    @property
    def edits(self) -> SessionEdits:
        """Edits made afterwards: annotations, parts left out, names of faces."""
        return read_edits(self.folder)

    @property
    def start(self) -> int:
        """Zero of every ``time_s``, in ns since the Unix epoch; 0 if unknown."""
        return self._recording.session_start or 0

    @cached_property
    def emotions(self) -> "pd.DataFrame":
        """A row for each face of each frame, and one for each frame without a face.

        The columns of ``emotions.csv`` (docs/tables.md): ``time_s`` in seconds from the session's
        start, boxes in pixels, probabilities from 0 to 1, valence and arousal from -1 to 1.
        """
        return self._table(EMOTIONS)

    @cached_property
    def states(self) -> "pd.DataFrame":
        """A row for each estimate of a person's state: the columns of ``states.csv``."""
        return self._table(STATES)

    @cached_property
    def markers(self) -> "pd.DataFrame":
        """A row for each marker, sorted by time: the columns of ``markers.csv``.

        Later edits are applied: markers added, moved, renamed or deleted.
        """
        frame, edits = self._table(MARKERS), self.edits
        if self._recorded_tables or not edits.markers:
            return frame
        return with_edits(frame, edits, self.start)

    @cached_property
    def _samples(self) -> "pd.DataFrame":
        return self._table(SAMPLES)

    def samples(self, signal: str | None = None, subject: str | None = None) -> "pd.DataFrame":
        """The samples of one signal or of all signals.

        Args:
            signal: A signal, such as ``heart_rate`` (per minute) or ``skin_conductance``
                (microsiemens); None: all.
            subject: Only samples of this person; None: of all.

        Returns:
            A row for each sample, sorted by time: the columns of ``samples.csv``, with ``time_s``
            in seconds and ``value`` in ``unit``.

        Raises:
            AffectlineError: The signal or subject is not in the session; the message lists known
                ones. It is a `KeyError` as well.
        """
        rows = self._samples
        for column, wanted in (("signal", signal), ("subject", subject)):
            if wanted is None:
                continue
            there = sorted(self._samples[column].dropna().unique())
            if wanted not in there:
                known = ", ".join(there) or "none"
                raise UnknownNameError(
                    f"{wanted}: no {column} of session {self.name}, which has {known}",
                    "name one of them" if there else "",
                )
            rows = rows[rows[column] == wanted]
        return rows.sort_values("time_s", kind="stable").reset_index(drop=True)

    @overload
    def frames(self, at: None = None, *, stream: str | None = None) -> Iterator[SessionFrame]: ...
    @overload
    def frames(self, at: float, *, stream: str | None = None) -> NDArray[np.uint8]: ...
    @overload
    def frames(
        self, at: Sequence[float], *, stream: str | None = None
    ) -> list[NDArray[np.uint8]]: ...

    def frames(
        self, at: float | Sequence[float] | None = None, *, stream: str | None = None
    ) -> Iterator[SessionFrame] | NDArray[np.uint8] | list[NDArray[np.uint8]]:
        """Images of the session: from its recording, else from its film if that still exists.

        Args:
            at: A time, or several in any order, in seconds from the session's start; you get the
                last frame that has begun by then. None: all frames, one by one.
            stream: Only frames of this stream; None: of all. With `at`, a session of several
                streams needs it.

        Returns:
            ``(H, W, 3) uint8`` RGB for one time; a list of these for several; without ``at`` an
            iterator of `SessionFrame` (``time_s``, ``stream``, ``image``).

        Raises:
            AffectlineError: There are no images, or none at that time; the film is another one by
                now; there are several streams, and `at` is given without one of them.
        """
        if at is not None:
            _check_times(at)
        if at is not None or stream is not None:
            self._check_stream(at, stream)
        found = read_frames(self.folder, self.info, self.start, lambda: self.emotions, stream)
        if at is None:
            return found
        if isinstance(at, Sequence | np.ndarray):
            return pick(found, list(at))
        return pick(found, [at])[0]

    def _check_stream(self, at: float | Sequence[float] | None, stream: str | None) -> None:
        there = sorted(str(name) for name in self.emotions["stream"].dropna().unique())
        if stream is None and len(there) > 1:
            raise AffectlineError(
                f"at {at}: session {self.name} has several streams ({', '.join(there)})",
                f"name one of them, for example stream={there[0]!r}",
            )
        if stream is not None and there and stream not in there:
            raise AffectlineError(
                f"stream {stream!r}: session {self.name} has {', '.join(there)}", "name one of them"
            )

    def to_neurokit(self) -> "dict[str, Biosignal]":
        """Signals for NeuroKit2, each at its own rate, with the session's markers as events.

        Returns:
            `Biosignal` by name of the signal (``subject signal`` if there are several subjects).
            Pass ``signal.values`` and ``signal.sampling_rate`` directly to NeuroKit2's functions,
            and ``signal.events`` to ``nk.epochs_create``.

        Example:
            >>> eda = session.to_neurokit()["skin_conductance"]  # doctest: +SKIP
            >>> nk.eda_process(eda.values, sampling_rate=eda.sampling_rate)  # doctest: +SKIP
        """
        return make_biosignals(self._samples, self.emotions, self.markers)

    def to_mne(self) -> "dict[str, mne.io.RawArray]":
        """Signals for MNE, each at its own rate, with the session's markers as annotations.

        Returns:
            An ``mne.io.RawArray`` by name as in `to_neurokit`, in MNE's SI units (volts, siemens);
            it begins at its first sample (``raw.info["meas_date"]``).

        Raises:
            AffectlineError: MNE is not installed.
        """
        signals = self.to_neurokit()
        return {name: to_raw(signal, self.start) for name, signal in signals.items()}

    def _table(self, table: SessionTable) -> "pd.DataFrame":
        if self._recorded_tables:
            return from_rows(self._recorded_rows, table)
        return read_table(self.folder / f"{table.name}.csv", table)

    @property
    def _recorded_tables(self) -> bool:
        """Whether tables are made from the recording, because no sink has written any."""
        return self._recording.is_recorded and not (self.folder / "emotions.csv").is_file()

    @cached_property
    def _recorded_rows(self) -> Rows:
        return make_tables(self._recording.read(), self._recording.session_start)


def _check_times(at: object) -> None:
    """Check that an argument is a time, or several.

    Raises:
        AffectlineError: It is something else, such as a text.
    """
    times = at if isinstance(at, Sequence | np.ndarray) else [at]
    are_numbers = all(isinstance(one, Real) and not isinstance(one, bool) for one in times)
    if isinstance(at, str) or not are_numbers or not np.isfinite(np.asarray(times, float)).all():
        raise AffectlineError(f"at {at!r}: not a time", "times are seconds, such as 12.5")
