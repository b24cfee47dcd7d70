"""A folder of samples: a kill or a full disk loses at most the sample being written.

Images are written before the manifest that lists them, and removed before their rows. The manifest
is replaced atomically. Every change is recorded before it is made, so that the next process to open
the folder can undo or finish it.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Self

from affectline.common import atomic_file, file_access
from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError
from affectline.services.collect import layout
from affectline.services.collect.consent import (
    RECORD_FILE,
    ConsentRecord,
    ConsentText,
    extend_consent,
    read_consent,
    read_form,
    serialise_consent,
)
from affectline.services.collect.layout import PendingChange
from affectline.services.collect.quality_checks import FaceCrop, Rejection, to_png
from affectline.services.collect.samples import (
    RejectedSample,
    Sample,
    TableRow,
    check_label,
    deleted_row,
    make_sample,
    read_table,
    rejected_row,
    write_table,
)


class Person(NamedTuple):
    """Somebody about whom a collection stores something."""

    name: str
    agreed_at: str = ""
    """When they last agreed, in ISO 8601; empty if that is unknown."""
    problem: str = ""
    """Why the consent cannot be read; empty if it can, or if there is none."""


class Collection:
    """The samples below one folder, with exclusive use of it.

    All methods are thread-safe, and raise `AffectlineError`.

    Args:
        folder: A new or empty folder, or one of an earlier collection.

    Raises:
        AffectlineError: The folder is none of these, or is in use by another process.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._mutex = threading.RLock()
        self._deleting = threading.Lock()
        """Held while a person is deleted; taken before the mutex."""
        self._lock = layout.open_folder(self.folder)
        try:
            self.form: ConsentText = read_form(self.folder)
            self._samples = read_table(Sample, self._read(layout.MANIFEST), layout.MANIFEST)
            rejected = self._read(layout.REJECTED) or write_table(RejectedSample, ())
            self._rejected = read_table(RejectedSample, rejected, layout.REJECTED)
            self._recover()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def samples(self) -> Sequence[Sample]:
        """All samples, in the order of capture."""
        with self._mutex:
            return tuple(self._samples)

    @property
    def rejected(self) -> Sequence[RejectedSample]:
        """Rejected and deleted samples."""
        with self._mutex:
            return tuple(self._rejected)

    def people(self) -> list[Person]:
        """Everybody about whom something is stored, also with a damaged consent or without one."""
        folders = {folder.name for folder in (self.folder / layout.PEOPLE).iterdir()}
        with self._mutex:
            listed = {row.person for row in self._samples} | {row.person for row in self._rejected}
        names = listed | set(filter(layout.is_name, folders))
        return [self._describe(name) for name in sorted(names)]

    def _describe(self, name: str) -> Person:
        try:
            consent = self.consent(name)
        except AffectlineError as error:
            return Person(name, problem=str(error))
        return Person(name, consent.agreed[-1].time if consent else "")

    def consent(self, person: str) -> ConsentRecord | None:
        """What a person has agreed to; None if nothing yet."""
        return read_consent(self._person_folder(person) / RECORD_FILE)

    def record_consent(self, person: str) -> ConsentRecord:
        """Record that a person agrees to the current text."""
        with self._mutex:
            earlier = self.consent(person)
            if earlier and earlier.covers(self.form):
                return earlier
            folder = self._person_folder(person)
            for other in (self.folder / layout.PEOPLE).iterdir():
                # Some file systems ignore case
                if other.name.lower() == person.lower() and other.name != person:
                    raise AffectlineError(f"there is {other.name} already", "choose another name")
            consent = extend_consent(earlier, person, self.form, now_ns())
            try:
                file_access.make_folder(folder, file_access.OWNER)
                atomic_file.write_bytes(folder / RECORD_FILE, serialise_consent(consent))
            except OSError as error:
                raise layout.disk_error("the consent could not be written", error) from error
            return consent

    def add(self, person: str, label: str, face_crop: FaceCrop) -> Sample:
        """Store a face as a sample.

        Raises:
            AffectlineError: The person has not agreed, the frame is already stored, or the disk is
                full; nothing has changed then.
        """
        with self._mutex:
            self._require_consent(person)
            sample = make_sample(person, check_label(label), face_crop)
            if any(known.file == sample.file for known in self._samples):
                raise AffectlineError("this frame was captured already", "wait for the next one")
            written = {
                sample.file: to_png(face_crop.native),
                sample.file_48: to_png(face_crop.gray_48),
            }
            try:
                layout.write_pending(self.folder, PendingChange(doing="add", files=tuple(written)))
                for name, data in written.items():
                    atomic_file.create(layout.path_below(self.folder, name), data)
                self._write_manifest([*self._samples, sample])
                layout.clear_pending(self.folder)
            except OSError as error:
                self._undo(written)
                raise layout.disk_error("the sample could not be written", error) from error
            return sample

    def reject(self, person: str, label: str, at_ns: int, rejection: Rejection) -> None:
        """Record that a frame was rejected."""
        with self._mutex:
            self._require_consent(person)
            self._add_rejected(rejected_row(person, check_label(label), at_ns, rejection))

    def accept(self, *chosen: str) -> None:
        """Mark samples as reviewed and kept."""
        self._change(chosen, status="kept")

    def relabel(self, file: str, label: str) -> None:
        """Correct the label of a sample, and mark it as reviewed and kept."""
        self._change((file,), label=check_label(label), status="kept")

    def delete(self, file: str) -> None:
        """Delete a sample: both of its images, and its row."""
        with self._mutex:
            sample = self.find(file)
            self._record_change(PendingChange(doing="delete", files=(sample.file, sample.file_48)))
            self._delete(sample)
            self._clear_change()

    def delete_person(self, person: str) -> list[str]:
        """Delete everything about a person; return the names of the exports deleted with it."""
        with self._deleting, self._mutex:
            layout.check_name(person, "a person")
            self._record_change(PendingChange(doing="delete person", person=person))
            exports = self._delete_person(person)
            self._clear_change()
            return exports

    @contextmanager
    def with_everybody(self) -> Iterator[None]:
        """Nobody is deleted meanwhile, so that an export cannot contain them afterwards."""
        with self._deleting:
            yield

    def find(self, file: str) -> Sample:
        """The sample with an image.

        Raises:
            AffectlineError: There is none.
        """
        for sample in self.samples:
            if file in (sample.file, sample.file_48):
                return sample
        raise AffectlineError("there is no such sample", "it may have been deleted")

    def picture(self, file: str) -> Path:
        """The file of an image, which the manifest must list."""
        self.find(file)
        return layout.path_below(self.folder, file)

    def _require_consent(self, person: str) -> None:
        consent = self.consent(person)
        if consent is None or not consent.covers(self.form):
            raise AffectlineError(f"{person} has not agreed to be recorded", "ask first")

    def _change(self, chosen: Sequence[str], **values: str) -> None:
        with self._mutex:
            old = {self.find(file).file for file in chosen}
            samples = [
                Sample.model_validate(sample.model_dump() | values)
                if sample.file in old
                else sample
                for sample in self._samples
            ]
            try:
                self._write_manifest(samples)
            except OSError as error:
                raise layout.disk_error(f"{layout.MANIFEST} could not be written", error) from error

    def _delete(self, sample: Sample) -> None:
        try:
            # Images first: on a full disk this makes room for the table
            atomic_file.remove(layout.path_below(self.folder, sample.file))
            atomic_file.remove(layout.path_below(self.folder, sample.file_48))
            self._write_manifest([kept for kept in self._samples if kept.file != sample.file])
        except OSError as error:
            raise layout.disk_error("the sample could not be deleted", error) from error
        self._add_rejected(deleted_row(sample, now_ns()))

    def _delete_person(self, person: str) -> list[str]:
        exports = list(layout.exports_with(self.folder, person))
        try:
            for folder in (*exports, self._person_folder(person)):
                atomic_file.remove_folder(folder)
            self._write_manifest([sample for sample in self._samples if sample.person != person])
            kept = [row for row in self._rejected if row.person != person]
            if len(kept) != len(self._rejected):
                self._write(layout.REJECTED, RejectedSample, kept)
                self._rejected = kept
        except OSError as error:
            raise layout.disk_error(f"{person} was deleted only in part", error) from error
        return [export.name for export in exports]

    def _recover(self) -> None:
        """Undo or finish the change that was in progress when the process died."""
        layout.remove_parts(self.folder)
        pending = layout.read_pending(self.folder)
        if pending is None:
            return
        if pending.doing == "delete person" and pending.person:
            self._delete_person(pending.person)
        elif pending.doing == "delete":
            for sample in [sample for sample in self._samples if sample.file in pending.files]:
                self._delete(sample)
        elif not any(sample.file in pending.files for sample in self._samples):
            for file in pending.files:
                atomic_file.remove(layout.path_below(self.folder, file))
        layout.clear_pending(self.folder)

    def _undo(self, written: dict[str, bytes]) -> None:
        """Remove everything of a sample that could not be written."""
        if any(sample.file in written for sample in self._samples):
            return  # it is listed; only the journal could not be cleared
        with suppress(OSError):  # the journal stays: the next process to open the folder retries
            for file in written:
                atomic_file.remove(self.folder / file)
            layout.clear_pending(self.folder)

    def _record_change(self, pending: PendingChange) -> None:
        with suppress(OSError):  # a full disk must not prevent deletion
            layout.write_pending(self.folder, pending)

    def _clear_change(self) -> None:
        with suppress(OSError):  # the change is complete; repeating it does no harm
            layout.clear_pending(self.folder)

    def _write_manifest(self, samples: list[Sample]) -> None:
        self._write(layout.MANIFEST, Sample, samples)
        self._samples = samples

    def _add_rejected(self, row: RejectedSample) -> None:
        """Add a row to the rejected samples, if possible: nothing depends on it."""
        rows = [*self._rejected, row]
        with suppress(OSError):
            self._write(layout.REJECTED, RejectedSample, rows)
            self._rejected = rows

    def _write(self, name: str, kind: type[TableRow], rows: Sequence[TableRow]) -> None:
        atomic_file.write_bytes(self.folder / name, write_table(kind, rows))

    def _read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise layout.disk_error(f"{name} cannot be read", error) from error

    def _person_folder(self, person: str) -> Path:
        layout.check_name(person, "a person")
        return layout.path_below(self.folder, layout.PEOPLE, person)
