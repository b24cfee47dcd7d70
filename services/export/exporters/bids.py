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
from affectline.common.errors import AffectlineError
from affectline.common.json_text import to_json
from affectline.common.labels import LABELS
from affectline.common.logs import ServiceLogger
from affectline.common.settings.study import STUDY_FIELDS, Label
from affectline.common.wire.messages import Frame, Marker, Packet
from affectline.services.export.exporter import Exporter, ExportSettings
from affectline.services.export.owned_files import fingerprint, read_object
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
MISSING: Final = "n/a"
UNNAMED: Final = "unnamed"
PARTICIPANT_ID: Final = "participant_id"
DESCRIPTION: Final = "dataset_description.json"
LOG: Final = ServiceLogger("export")

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


class Place(NamedTuple):
    """The place of a session in a data set."""

    folder: Path
    """Folder of the data set."""
    subject: str
    session: str | None
    task: str
    acquisition: str | None
    """A run whose name is not a number, because BIDS allows only numbers."""
    run: str | None
    condition: str | None
    participant: str | None
    """The study's name for the subject."""
    name: str
    """Name of the session."""
    fingerprint: str
    """What tells it from other sessions of that name; see `fingerprint`."""

    @classmethod
    def of(cls, recording: Recording, folder: Path, given: Mapping[str, str]) -> "Place":
        """The place of a session, from its study fields; missing ones get a default and are logged.

        Args:
            recording: The session.
            folder: Folder of the data set.
            given: Fields that replace the session's own.
        """
        study: dict[str, str] = {**(recording.about.get("study") or {}), **given}
        found = {name: to_label(study.get(name, "")) for name in STUDY_FIELDS}
        if not found["participant"] or not found["task"]:
            lacking = [name for name in ("participant", "task") if not found[name]]
            text = "%s has no %s: using %r; name them with --participant and --task"
            LOG.warning(text, recording.name, " and no ".join(lacking), UNNAMED)
        # Sessions without a participant are distinguished by their names
        own = "" if found["participant"] else to_label(recording.name)
        is_number = found["run"].isdecimal()
        place = cls(
            folder,
            found["participant"] or UNNAMED,
            found["session"] or own or None,
            found["task"] or UNNAMED,
            None if is_number else found["run"] or None,
            found["run"] if is_number else None,
            study.get("condition"),
            study.get("participant"),
            recording.name,
            fingerprint(recording),
        )
        return place._numbered(own) if own and not found["session"] else place

    def _numbered(self, own: str) -> "Place":
        """The place with its session's own label, numbered where others have that label."""
        number = 1
        label = own
        while any(
            self._is_of_another(read_object(mark))
            for mark in self._mark.parent.glob(f"sub-{self.subject}_ses-{label}_task-*.json")
        ):
            number += 1
            label = f"{own}{number}"
        return self._replace(session=label)

    def _is_of_another(self, mark: Mapping[str, Any]) -> bool:
        """Whether another session has made a mark; marks of earlier versions have only names."""
        own = {"Session": self.name, "Fingerprint": self.fingerprint}
        return any(mark.get(name, text) != text for name, text in own.items())

    @property
    def entities(self) -> str:
        """The common prefix of the session's file names."""
        parts = [f"sub-{self.subject}", f"ses-{self.session}" if self.session else "",
                 f"task-{self.task}", f"acq-{self.acquisition}" if self.acquisition else "",
                 f"run-{self.run}" if self.run else ""]  # fmt: skip
        return "_".join(filter(None, parts))

    @property
    def parts(self) -> list[str]:
        """The session's folders below the data set's folder, or below ``sourcedata``."""
        return [f"sub-{self.subject}", *([f"ses-{self.session}"] if self.session else [])]

    @property
    def beh(self) -> Path:
        return self.folder.joinpath(*self.parts, "beh")

    @property
    def source_stem(self) -> Path:
        """The common prefix of the paths of its films, before the streams' names."""
        return self.folder.joinpath("sourcedata", *self.parts, "video", self.entities)

    def path(self, suffix: str, recording: str = "") -> Path:
        """The path of a file of the session.

        Args:
            suffix: BIDS suffix with the extension, such as ``events.tsv``.
            recording: Label of one of several recordings.
        """
        middle = f"_recording-{recording}" if recording else ""
        return self.beh / f"{self.entities}{middle}_{suffix}"

    @property
    def about(self) -> dict[str, str]:
        """Fields of every side-car file."""
        said = {"TaskName": self.task}
        return said | ({"Condition": self.condition} if self.condition else {})

    @property
    def _mark(self) -> Path:
        """The file that states which session has this place."""
        return self.folder / "sourcedata" / f"{self.entities}.json"

    def check(self) -> None:
        """Check that the place is free, or belongs to this session from an earlier export.

        Raises:
            AffectlineError: Another session has the place.
        """
        mark = read_object(self._mark)
        if self._is_of_another(mark):
            taken = mark.get("Session")
            raise AffectlineError(
                f"--out {self.folder}: {self.entities} is session {taken} there, "
                + (f"not {self.name}" if taken != self.name else "another one of the same name"),
                "export one of them with another --session or --run, or name another folder",
            )
        for other in self._mark.parent.glob(f"{'_'.join(self.parts)}_task-*.json"):
            if not _are_apart(other.stem, self.entities):
                raise AffectlineError(
                    f"--out {self.folder}: {other.stem} is there, and {self.entities} ({self.name})"
                    " cannot be added: one has a run, and the other has none",
                    "export both with --run, or with another --session",
                )

    def check_participant(self) -> None:
        """Check that the subject's label belongs to one participant only.

        Raises:
            AffectlineError: Another participant has the label: it contains only letters and digits.
        """
        for other in sorted(self._mark.parent.glob(f"sub-{self.subject}_*.json")):
            known = read_object(other).get("Participant", self.participant)
            if known != self.participant:
                raise AffectlineError(
                    f"--out {self.folder}: sub-{self.subject} is participant {known} there, not"
                    f" {self.participant}",
                    "export one of them with another --participant, of letters and digits",
                )

    def mark_taken(self, written: Sequence[Path]) -> None:
        """Mark the place as taken by the session, and remove files of an earlier export.

        Args:
            written: Its new files, which stay.
        """
        self._mark.parent.mkdir(exist_ok=True)
        mark = {"Session": self.name, "Participant": self.participant}
        _write_json(self._mark, mark | {"Fingerprint": self.fingerprint})
        for folder in (self.beh, self.source_stem.parent):
            for path in folder.glob(f"{self.entities}_*"):
                # File names of the task's runs have the same prefix
                rest = path.name.removeprefix(f"{self.entities}_")
                if path not in written and not rest.startswith(("acq-", "run-")):
                    path.unlink()


def _are_apart(one: str, other: str) -> bool:
    """Whether no side-car file of one session also applies to the other.

    By BIDS's inheritance principle, side-cars with fewer entities apply to files with more.
    """
    first, second = set(one.split("_")), set(other.split("_"))
    return first == second or not (first <= second or second <= first)


def to_label(text: str) -> str:
    """Reduce a text to what BIDS allows in names: letters and digits."""
    return re.sub(r"[^A-Za-z0-9]", "", text)


class Labels:
    """Makes the labels of a session's recordings, numbered where two would be the same."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def make(self, text: str) -> str:
        """A label that no other recording has, in the order of the calls."""
        label, number = to_label(text), 1
        while label.lower() in self._taken:  # some disks ignore the case of names
            number += 1
            label = f"{to_label(text)}{number}"
        self._taken.add(label.lower())
        return label


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
        column = _column(signal, one.unit, DESCRIPTIONS.get(signal, signal))
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
    yield _write_json(path.with_name(path.name.replace(".tsv.gz", ".json")), about)


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
        "Description": f"{column['Description']}, "
        + ("for each beat" if signal == "rr_interval" else "whenever it was measured"),
        "OnsetSource": "timestamp",
        **place.about,
        **of,
        "onset": {"Description": "Begin, from the start of the session", "Units": "s"},
        "duration": {"Description": "Duration", "Units": "s"},
        signal: column,
    }
    yield path
    yield _write_json(path.with_name(path.name.replace(".tsv.gz", ".json")), about)


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
    yield _write_json(path.with_suffix(".json"), about)


def _write_dataset(
    folder: Path,
    recording: Recording,
    place: Place,
    participants: "Participants",
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
        "Description": "Emotions of faces from a neural network; signals as measured",
    }
    described |= {"GeneratedBy": [made_by]} | given
    study: dict[str, str] = recording.about.get("study") or {}
    participants.add(place.subject, study)
    paths = [_write_json(path, described), participants.write()]
    readme = folder / "README.md"
    if not readme.exists():
        atomic_file.write_text(readme, README)
        paths.append(readme)
    return paths


class Participants:
    """A data set's ``participants.tsv``, with the study's own fields as columns.

    Args:
        path: The file.
        header: Names of its columns.
        rows: By participant's ID: cells by column.
        described: Descriptions of the columns that ``participants.json`` has.
    """

    def __init__(
        self,
        path: Path,
        header: list[str],
        rows: dict[str, dict[str, str]],
        described: dict[str, Any],
    ) -> None:
        self._path, self._header, self._rows = path, header, rows
        self._described = described

    @classmethod
    def read(cls, folder: Path) -> "Participants":
        """Read the file of a data set, which people may have edited; none has no rows.

        Raises:
            AffectlineError: It is not text, or does not name its participants, or the description
                of its columns is not JSON.
        """
        path = folder / "participants.tsv"
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines() if path.exists() else []
        except UnicodeDecodeError as error:
            raise AffectlineError(
                f"--out {folder}: {path.name} is not UTF-8 text", "save it as UTF-8"
            ) from error
        filled = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
        header = filled[0][1].split("\t") if filled else [PARTICIPANT_ID]
        if PARTICIPANT_ID not in header:
            raise AffectlineError(
                f"--out {folder}: {path.name} has no column {PARTICIPANT_ID} ({', '.join(header)})",
                "call the column of the IDs so, and separate columns by tabs",
            )
        rows: dict[str, dict[str, str]] = {}
        for number, line in filled[1:]:
            row = dict(zip(header, line.split("\t"), strict=False))
            if not row.get(PARTICIPANT_ID):
                raise AffectlineError(
                    f"--out {folder}: {path.name}, line {number} has no {PARTICIPANT_ID}",
                    "fill it in, or remove the line",
                )
            rows[row[PARTICIPANT_ID]] = row
        return cls(path, header, rows, read_object(path.with_suffix(".json")))

    def add(self, subject: str, study: Mapping[str, str]) -> None:
        """Add a participant; what the file says already stays, except for missing values."""
        key = f"sub-{subject}"
        own = {name: text for name, text in study.items() if name not in STUDY_FIELDS}
        known = self._rows.get(key, {})
        known = {name: text for name, text in known.items() if text not in ("", MISSING)}
        self._rows[key] = own | known | {PARTICIPANT_ID: key}

    def write(self) -> Path:
        """Write the file, and describe its columns where they are not described yet."""
        rows = [self._rows[key] for key in sorted(self._rows)]
        names = list(dict.fromkeys([*self._header, *(name for row in rows for name in row)]))
        text = "\n".join(
            "\t".join(re.sub(r"\s+", " ", row.get(name, MISSING)) for name in names)
            for row in ({name: name for name in names}, *rows)
        )
        atomic_file.write_text(self._path, text + "\n")
        described = {
            name: {"Description": f"{name}, as given by the study"}
            for name in names
            if name != PARTICIPANT_ID
        }
        if described:
            _write_json(self._path.with_suffix(".json"), described | self._described)
        return self._path


def _write_table(path: Path, values: NDArray[np.float64]) -> None:
    """Write rows of numbers without a header, compressed reproducibly."""
    text = StringIO()
    for row in values:
        text.write("\t".join(MISSING if np.isnan(value) else f"{value:.10g}" for value in row))
        text.write("\n")
    atomic_file.write_bytes(path, gzip.compress(text.getvalue().encode(), mtime=0))


def _write_json(path: Path, content: dict[str, Any]) -> Path:
    atomic_file.write_text(path, to_json(content, indent=2) + "\n")
    return path


README: Final = """# Faces and signals

Recorded and analysed by Affectline.

* `*_recording-face<stream>_physio`: the main face of a video stream, frame by frame: seven
  probabilities of what most people would call the expression (not of what the person feels),
  valence, arousal, head pose, eyes, gaze, and reasons to doubt the frame. Affectline's docs
  describe their limits.
* `*_recording-<signal>_physio`: signals at a fixed rate. Beat-by-beat signals are interpolated
  there; `*_physioevents` has them as measured.
* `*_events`: markers, and annotations with their durations.

Times count from the start of the session. `sourcedata` states which session each run was.
"""
