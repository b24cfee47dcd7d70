"""BIDS, the Brain Imaging Data Structure (https://bids-specification.readthedocs.io, 1.11).

A session becomes the recordings of one run of a task in its participant's folder ``beh``. Exporting
another session into the same folder adds it to the data set.
"""

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectline.common import atomic_file
from affectline.common.labels import LABELS
from affectline.common.settings.study import STUDY_FIELDS, Label
from affectline.common.wire.biometrics import note_on
from affectline.common.wire.messages import Frame, Marker, Packet
from affectline.services.export.bids_participants import MISSING, Participants
from affectline.services.export.bids_place import Labels, Place
from affectline.services.export.exporter import Exporter, ExportSettings
from affectline.services.export.owned_files import read_object, write_object
from affectline.services.overlay.frame_film import FrameFilms
from affectline.services.sessions.edits import Annotation
from affectline.services.sessions.even_grid import BEAT_BY_BEAT, EvenGrid, put_on_grid
from affectline.services.sessions.recording import Recording
from affectline.services.sessions.sign_channels import FACE_CHANNELS
from affectline.services.sessions.timeseries import (
    STATE_FIGURES,
    SeriesBuilder,
    SessionSeries,
)

VERSION: Final = "1.11.0"
DESCRIPTION: Final = "dataset_description.json"

DESCRIPTIONS: Final = {
    "heart_rate": "Heart rate", "rr_interval": "Interval between two heart beats",
    "skin_conductance": "Skin conductance", "ecg": "Electrocardiogram",
    "ppg": "Pulse wave of a photoplethysmograph", "temperature": "Skin temperature",
    "valence": "From displeased (-1) to pleased (1), from the position of the seven probabilities "
    "on Russell's circumplex",
    "arousal": "From asleep (-1) to agitated (1), likewise",
}  # fmt: skip
UNITS: Final = {"uS": "uS", "mV": "mV", "/min": "1/min", "ms": "ms", "Cel": "oC", "g": "m/s^2"}
"""By UCUM unit: its spelling in BIDS."""
G: Final = 9.80665
"""Standard gravity in m/s^2."""


class BidsSettings(ExportSettings):
    """Settings of BIDS exports."""

    exporter: Literal["bids"] = "bids"
    videos: bool = False
    """Put the recording's images into ``sourcedata``, if the session's privacy setting kept
    them."""
    participant: Label | None = None
    """Participant in the data set; by default the session's own."""
    session: Label | None = None
    """Session in the data set; by default the session's own."""
    task: Label | None = None
    """Task in the data set; by default the session's own."""
    run: Label | None = None
    """Run in the data set; by default the session's own."""


class BidsExporter(Exporter):
    """Adds the session to a BIDS data set: signals, faces, beats and events."""

    settings_model = BidsSettings
    joins_sessions = True
    summary = "a BIDS data set that each session is added to"
    files = "sub-<participant>/ses-<session>/beh/*_physio.tsv.gz, *_events.tsv, ..."

    def export(self, recording: Recording, folder: Path) -> list[Path]:
        """Add a session.

        Raises:
            AffectlineError: The data set already has another session with the same entities, or
                one of the files that describe it cannot be read.
        """
        participants, described = Participants.read(folder), read_object(folder / DESCRIPTION)
        builder = SeriesBuilder(recording.session_start)
        given = self.settings.model_dump(include=set(STUDY_FIELDS), exclude_none=True)
        place = Place.of(recording, folder, given)
        place.check()
        place.check_participant()
        films = FrameFilms(place.source_stem) if self.settings.videos else None
        try:
            for packet in builder.tap(recording.read()):
                if films and isinstance(packet.message, Frame):
                    films.add(Packet(packet.message, packet.parts))
        except BaseException:
            if films:
                films.discard()
            raise
        paths = films.close() if films else []
        place.beh.mkdir(parents=True, exist_ok=True)
        paths += list(_write_session(builder.build(), place, recording.edits.annotations))
        place.mark_taken(paths)
        paths += _write_dataset(folder, recording, place, participants, described)
        return paths


def _write_session(
    series: SessionSeries, place: Place, annotations: Sequence[Annotation]
) -> Iterator[Path]:
    zero, labels = series.zero, Labels()
    for name, one in series.series.items():
        subject, _, signal = name.partition(" ")
        if subject not in series.sampled or signal in STATE_FIGURES:
            continue
        seconds = (one.times - zero) / 1e9
        has_several = len(series.sampled) > 1
        label = labels.make(f"{signal}{subject}" if has_several else signal)
        of = {"Subject": subject} if has_several else {}
        described = (DESCRIPTIONS.get(signal, signal), note_on(one))
        column = _column(signal, one.unit, "; ".join(filter(None, described)))
        factor = G if one.unit == "g" else 1.0
        if signal in BEAT_BY_BEAT:
            yield from _write_beats(place, label, signal, seconds, one.values, column, of)
        else:
            grid = put_on_grid(seconds, one.values[:, None] * factor)
            yield from _write_physio(place, label, grid, [signal], of | {signal: column})
    for stream, by_label in series.emotions.items():
        names, times, values = _face_rows(series, stream, by_label)
        columns = {"Stream": stream} | {name: _face_column(name) for name in names}
        grid = put_on_grid((times - zero) / 1e9, values)
        yield from _write_physio(place, labels.make(f"face{stream}"), grid, names, columns)
    events = [_marker_event(marker, zero) for marker in series.markers]
    events += [_annotation_event(one) for one in annotations]
    if events:
        yield from _write_events(place, sorted(events))


def _face_rows(
    series: SessionSeries, stream: str, by_label: dict[str, Any]
) -> tuple[list[str], NDArray[np.int64], NDArray[np.float64]]:
    """Names, times and values of a stream's main face, frame by frame."""
    columns = by_label | series.affects.get(stream, {})
    times = columns[LABELS[0]].times
    names = [name for name, one in columns.items() if len(one.times) == len(times)]
    values = np.stack([columns[name].values for name in names], axis=1)
    signs = series.signs.get(stream)
    if signs is None:
        return names, times, values
    place = dict(zip(signs.times, signs.rows, strict=True))
    nothing = np.full(len(FACE_CHANNELS), np.nan)
    more = np.stack([place.get(int(at), nothing) for at in times])
    names += [channel.name for channel in FACE_CHANNELS]
    return names, times, np.hstack([values, more])


def _face_column(name: str) -> dict[str, Any]:
    channel = next((one for one in FACE_CHANNELS if one.name == name), None)
    if channel is not None:
        text = f"{channel.name.replace('_', ' ')} of the face"
        unit = {"degrees": "deg", "ms": "ms", "s": "s"}.get(channel.unit, "arbitrary")
        return {"Description": f"{text}; {channel.note}" if channel.note else text, "Units": unit}
    text = DESCRIPTIONS.get(name, f"Probability (0 to 1) that the face shows {name}")
    return {"Description": text, "Units": "arbitrary"}


def _column(signal: str, unit: str, description: str) -> dict[str, Any]:
    return {"Description": description, "Units": UNITS.get(unit, unit or "arbitrary")}


def _write_physio(
    place: Place,
    label: str,
    grid: EvenGrid | None,
    names: Sequence[str],
    columns: Mapping[str, Any],
) -> Iterator[Path]:
    """Write a signal at a fixed rate, without a header, and the description of its columns."""
    if grid is None:
        return
    path = place.path("physio.tsv.gz", label)
    _write_table(path, grid.values)
    about = {
        "SamplingFrequency": grid.rate,
        "StartTime": round(grid.start_s, 6),
        "Columns": list(names),
        "PhysioType": "generic",
        **place.about,
        **columns,
    }
    if grid.is_interpolated:
        about["Description"] = "Measured unevenly and interpolated linearly; n/a in long gaps."
    yield path
    yield write_object(path.with_name(path.name.replace(".tsv.gz", ".json")), about)


def _write_beats(
    place: Place,
    label: str,
    signal: str,
    times: NDArray[np.float64],
    values: NDArray[np.float64],
    column: dict[str, Any],
    of: Mapping[str, str],
) -> Iterator[Path]:
    """Write beat-by-beat values twice: interpolated at a fixed rate, and as events."""
    grid = put_on_grid(times, values[:, None], by_beat=True)
    if grid is None:
        return
    stamps = grid.start_s + np.arange(len(grid.values)) / grid.rate
    stamped = grid._replace(values=np.column_stack([stamps, grid.values]))
    timestamp = {"Description": "Time since the start of the session", "Units": "s"}
    columns = {**of, "timestamp": timestamp, signal: column}
    yield from _write_physio(place, label, stamped, ["timestamp", signal], columns)
    path = place.path("physioevents.tsv.gz", label)
    duration = values / 1000 if signal == "rr_interval" else np.full(len(values), np.nan)
    # Intervals are stamped with their end, and the onset is their start
    onset = times - duration if signal == "rr_interval" else times
    _write_table(path, np.column_stack([onset, duration, values]))
    about = {
        "Columns": ["onset", "duration", signal],
        "Description": ("For each beat: " if signal == "rr_interval" else "For each value: ")
        + column["Description"],
        "OnsetSource": "timestamp",
        **place.about,
        **of,
        "onset": {"Description": "Begin, from the start of the session", "Units": "s"},
        "duration": {"Description": "Duration", "Units": "s"},
        signal: column,
    }
    yield path
    yield write_object(path.with_name(path.name.replace(".tsv.gz", ".json")), about)


class TimedEvent(NamedTuple):
    """A line of the events."""

    onset_s: float
    duration_s: float
    label: str
    source: str
    fields: str


def _marker_event(marker: Marker, zero: int) -> TimedEvent:
    duration = marker.extra.get("duration_s")
    return TimedEvent(
        (marker.at - zero) / 1e9,
        duration if isinstance(duration, int | float) and duration > 0 else 0.0,
        marker.label,
        marker.source,
        json.dumps(marker.extra, ensure_ascii=False) if marker.extra else "",
    )


def _annotation_event(one: Annotation) -> TimedEvent:
    fields = json.dumps({"is_excluded": True}) if one.is_excluded else ""
    return TimedEvent(one.begin_s, one.end_s - one.begin_s, one.label, "annotation", fields)


def _write_events(place: Place, events: Iterable[TimedEvent]) -> Iterator[Path]:
    """Write markers and annotations, with onset and duration."""
    path = place.path("events.tsv")
    lines = ["onset\tduration\ttrial_type\tsource\tfields"]
    for event in events:
        texts = (re.sub(r"\s+", " ", text).strip() or MISSING for text in event[2:])
        lines.append("\t".join((f"{event.onset_s:.6f}", f"{event.duration_s:.10g}", *texts)))
    atomic_file.write_text(path, "\n".join(lines) + "\n")
    yield path
    about = {
        **place.about,
        "onset": {"Description": "Begin, from the start of the session", "Units": "s"},
        "duration": {"Description": "Duration; 0 for a moment", "Units": "s"},
        "trial_type": {"Description": "The label of the marker or annotation"},
        "source": {"Description": "Who set it; annotation: added afterwards"},
        "fields": {"Description": "Further fields, as JSON"},
    }
    yield write_object(path.with_suffix(".json"), about)


def _write_dataset(
    folder: Path,
    recording: Recording,
    place: Place,
    participants: Participants,
    given: dict[str, Any],
) -> list[Path]:
    """Write the files that describe the whole data set; existing entries stay."""
    version = str(recording.about.get("affectline") or "unknown")
    path = folder / DESCRIPTION
    described: dict[str, Any] = {
        "Name": "Faces and signals",
        "BIDSVersion": VERSION,
        "DatasetType": "raw",
    }
    made_by = {
        "Name": "Affectline",
        "Version": version,
        "Description": "Emotions of faces from a neural network; signals as measured, except "
        "those that their side-cars describe as simulated",
    }
    described |= {"GeneratedBy": [made_by]} | given
    study: dict[str, str] = recording.about.get("study") or {}
    participants.add(place.subject, study)
    paths = [write_object(path, described), participants.write()]
    readme = folder / "README.md"
    if not readme.exists():
        atomic_file.write_text(readme, README)
        paths.append(readme)
    return paths


def _write_table(path: Path, values: NDArray[np.float64]) -> None:
    """Write rows of numbers without a header, compressed reproducibly."""
    text = StringIO()
    for row in values:
        text.write("\t".join(MISSING if np.isnan(value) else f"{value:.10g}" for value in row))
        text.write("\n")
    atomic_file.write_bytes(path, gzip.compress(text.getvalue().encode(), mtime=0))


README: Final = """# Faces and signals

Recorded and analysed by Affectline.

* `*_recording-face<stream>_physio`: the main face of a video stream, frame by frame: seven
  probabilities of what most people would call the expression (not of what the person feels),
  valence, arousal, head pose, eyes, gaze, and reasons to doubt the frame. Affectline's docs
  describe their limits.
* `*_recording-<signal>_physio`: signals at a fixed rate. Beat-by-beat signals are interpolated
  there; `*_physioevents` has them as measured.
* A signal whose side-car says `simulated` was not measured: no person was.
* `*_events`: markers, and annotations with their durations.

Times count from the start of the session. `sourcedata` states which session each run was.
"""
