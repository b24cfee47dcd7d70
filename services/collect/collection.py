"""A folder of takes: written so that a kill or a full disk loses nothing but the take in hand.

Pictures are written before the manifest that lists them, and go before the rows that listed them.
The manifest is replaced as a whole. What is begun is noted first, so that the next one who opens
the folder can undo or finish it.
"""

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from affectline.common import atomic_file
from affectline.common.clock import now_ns
from affectline.common.errors import AffectlineError
from affectline.services.collect import layout as files
from affectline.services.collect.consent import (
    RECORD,
    ConsentRecord,
    ConsentText,
    agree,
    read_consent,
    read_form,
    write_consent,
)
from affectline.services.collect.layout import PendingChange
from affectline.services.collect.quality_checks import FaceCrop, Rejection, to_png
from affectline.services.collect.samples import (
    RejectedSample,
    Sample,
    TableRow,
    check_label,
    deleted_row,
    make_take,
    read_table,
    refused_row,
    write_table,
)


class Collection:
    """The takes below one folder, of which it is the only user.

    All methods may be called from any thread. What they raise is an `AffectlineError`.

    Args:
        folder: A new or empty folder, or that of a booth.

    Raises:
        AffectlineError: It is neither, or used by another booth.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._mutex = threading.RLock()
        self._lock = files.open_folder(self.folder)
        try:
            self.form: ConsentText = read_form(self.folder)
            self._takes = read_table(Sample, self._read(files.MANIFEST), files.MANIFEST)
            left_out = self._read(files.LEFT_OUT) or write_table(RejectedSample, ())
            self._left_out = read_table(RejectedSample, left_out, files.LEFT_OUT)
            self._recover()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others use the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def takes(self) -> Sequence[Sample]:
        """All takes, in the order in which they were taken."""
        with self._mutex:
            return tuple(self._takes)

    @property
    def left_out(self) -> Sequence[RejectedSample]:
        """What was refused or deleted."""
        with self._mutex:
            return tuple(self._left_out)

    def people(self) -> list[ConsentRecord]:
        """Everybody who has agreed to something."""
        places = sorted((self.folder / files.PEOPLE).iterdir())
        return [found for place in places if (found := read_consent(place / RECORD))]

    def consent(self, person: str) -> ConsentRecord | None:
        """What somebody has agreed to; None: nothing yet."""
        return read_consent(self._place(person) / RECORD)

    def agree(self, person: str) -> ConsentRecord:
        """Somebody agrees to the booth's text."""
        with self._mutex:
            before = self.consent(person)
            if before and before.covers(self.form):
                return before
            place = self._place(person)
            for other in (self.folder / files.PEOPLE).iterdir():
                # Some file systems take them for one
                if other.name.lower() == person.lower() and other.name != person:
                    raise AffectlineError(f"there is {other.name} already", "choose another name")
            consent = agree(before, person, self.form, now_ns())
            try:
                place.mkdir(exist_ok=True, mode=0o700)
                atomic_file.write_bytes(place / RECORD, write_consent(consent))
            except OSError as error:
                raise files.cannot("the consent could not be written", error) from error
            return consent

    def add(self, person: str, label: str, shot: FaceCrop) -> Sample:
        """Keep a face.

        Raises:
            AffectlineError: The person has not agreed, the picture is there already, or there is no
                room for it; then everything is as it was.
        """
        with self._mutex:
            self._require_consent(person)
            take = make_take(person, check_label(label), shot)
            if any(known.file == take.file for known in self._takes):
                raise AffectlineError("this very picture is there already", "wait for the next one")
            written = {take.file: to_png(shot.native), take.file_48: to_png(shot.gray_48)}
            try:
                files.write_intent(self.folder, PendingChange(doing="add", files=tuple(written)))
                for name, data in written.items():
                    atomic_file.create(files.below(self.folder, name), data)
                self._list([*self._takes, take])
                files.forget_intent(self.folder)
            except OSError as error:
                self._undo(written)
                raise files.cannot("the take could not be written", error) from error
            return take

    def refuse(self, person: str, label: str, at_ns: int, refused: Rejection) -> None:
        """Note that a picture was not good enough."""
        with self._mutex:
            self._require_consent(person)
            self._note(refused_row(person, check_label(label), at_ns, refused))

    def keep(self, *chosen: str) -> None:
        """Somebody has looked at these takes, and keeps them."""
        self._change(chosen, status="kept")

    def relabel(self, file: str, label: str) -> None:
        """Somebody has looked at a take, and says that it shows something else."""
        self._change((file,), label=check_label(label), status="kept")

    def delete(self, file: str) -> None:
        """Delete a take: both of its pictures, and its row."""
        with self._mutex:
            take = self.find(file)
            self._intend(PendingChange(doing="delete", files=(take.file, take.file_48)))
            self._delete(take)
            self._forget()

    def delete_person(self, person: str) -> list[str]:
        """Delete everything about somebody; returns the exports that went as well."""
        with self._mutex:
            files.check_name(person, "a person")
            self._intend(PendingChange(doing="delete person", person=person))
            exports = self._delete_person(person)
            self._forget()
            return exports

    def find(self, file: str) -> Sample:
        """The take of a picture.

        Raises:
            AffectlineError: There is none.
        """
        for take in self.takes:
            if file in (take.file, take.file_48):
                return take
        raise AffectlineError("there is no such take", "it may have been deleted")

    def picture(self, file: str) -> Path:
        """Where the picture of a take is: of none but those that the manifest lists."""
        self.find(file)
        return files.below(self.folder, file)

    def _require_consent(self, person: str) -> None:
        consent = self.consent(person)
        if consent is None or not consent.covers(self.form):
            raise AffectlineError(f"{person} has not agreed to be collected", "ask first")

    def _change(self, chosen: Sequence[str], **values: str) -> None:
        with self._mutex:
            old = {self.find(file).file for file in chosen}
            takes = [
                Sample.model_validate(take.model_dump() | values) if take.file in old else take
                for take in self._takes
            ]
            try:
                self._list(takes)
            except OSError as error:
                raise files.cannot(f"{files.MANIFEST} could not be written", error) from error

    def _delete(self, take: Sample) -> None:
        try:
            # The pictures first: on a full disk that makes the room that the table needs
            atomic_file.remove(files.below(self.folder, take.file))
            atomic_file.remove(files.below(self.folder, take.file_48))
            self._list([kept for kept in self._takes if kept.file != take.file])
        except OSError as error:
            raise files.cannot("the take could not be deleted", error) from error
        self._note(deleted_row(take, now_ns()))

    def _delete_person(self, person: str) -> list[str]:
        exports = list(files.exports_with(self.folder, person))
        try:
            for place in (*exports, self._place(person)):
                atomic_file.remove_folder(place)
            self._list([take for take in self._takes if take.person != person])
            kept = [row for row in self._left_out if row.person != person]
            if len(kept) != len(self._left_out):
                self._write(files.LEFT_OUT, RejectedSample, kept)
                self._left_out = kept
        except OSError as error:
            raise files.cannot(f"{person} could not be deleted as a whole", error) from error
        return [place.name for place in exports]

    def _recover(self) -> None:
        """Undo or finish what was being done when the booth died."""
        files.remove_parts(self.folder)
        intent = files.read_intent(self.folder)
        if intent is None:
            return
        if intent.doing == "delete person" and intent.person:
            self._delete_person(intent.person)
        elif intent.doing == "delete":
            for take in [take for take in self._takes if take.file in intent.files]:
                self._delete(take)
        elif not any(take.file in intent.files for take in self._takes):
            for file in intent.files:
                atomic_file.remove(files.below(self.folder, file))
        files.forget_intent(self.folder)

    def _undo(self, written: dict[str, bytes]) -> None:
        """A take could not be written: nothing of it stays."""
        if any(take.file in written for take in self._takes):
            return  # it is listed; only the note about it could not be taken away
        with suppress(OSError):  # the intent stays: whoever opens the folder next tries again
            for file in written:
                atomic_file.remove(self.folder / file)
            files.forget_intent(self.folder)

    def _intend(self, intent: PendingChange) -> None:
        with suppress(OSError):  # a full disk must not keep anybody from deleting
            files.write_intent(self.folder, intent)

    def _forget(self) -> None:
        with suppress(OSError):  # done it is; it will be done once more, to no harm
            files.forget_intent(self.folder)

    def _list(self, takes: list[Sample]) -> None:
        self._write(files.MANIFEST, Sample, takes)
        self._takes = takes

    def _note(self, row: RejectedSample) -> None:
        """Notes of what was left out are wanted, but nothing depends on them."""
        rows = [*self._left_out, row]
        with suppress(OSError):
            self._write(files.LEFT_OUT, RejectedSample, rows)
            self._left_out = rows

    def _write(self, name: str, kind: type[TableRow], rows: Sequence[TableRow]) -> None:
        atomic_file.write_bytes(self.folder / name, write_table(kind, rows))

    def _read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise files.cannot(f"{name} cannot be read", error) from error

    def _place(self, person: str) -> Path:
        files.check_name(person, "a person")
        return files.below(self.folder, files.PEOPLE, person)
