"""Where a session's files are in a BIDS data set, and which session has the place."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from affectline.common.errors import AffectlineError
from affectline.common.logs import ServiceLogger
from affectline.common.settings.study import STUDY_FIELDS
from affectline.services.export.owned_files import fingerprint, read_object, write_object
from affectline.services.sessions.recording import Recording

UNNAMED: Final = "unnamed"
LOG: Final = ServiceLogger("export")


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
        write_object(self._mark, mark | {"Fingerprint": self.fingerprint})
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
