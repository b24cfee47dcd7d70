"""The layout of a collection's folder, and the journal of the change in progress.

manifest.csv            the samples: what ``affectline-train --data`` reads
left_out.csv            samples that were rejected or deleted, without pictures
consent.txt             a consent text that replaces the built-in one
people/<person>/        everything about one person: consent.json, and two PNG files per sample
exports/<name>/         an export
.intent.json            the change in progress; finished or undone when the folder is opened again
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from affectline.common import atomic_file, file_access
from affectline.common.errors import AffectlineError
from affectline.common.file_lock import try_lock
from affectline.common.identifiers import Name
from affectline.common.json_text import parse_json
from affectline.services.collect.consent import OWN_TEXT, RECORD_FILE
from affectline.services.collect.samples import Sample, write_table

MANIFEST: Final = "manifest.csv"
REJECTED: Final = "left_out.csv"
PEOPLE: Final = "people"
EXPORTS: Final = "exports"
JOURNAL: Final = ".intent.json"
LOCK: Final = ".lock"
NAMES: Final = TypeAdapter[str](Name)


class PendingChange(BaseModel):
    """The change to the folder in progress."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    doing: Literal["add", "delete", "delete person"]
    files: tuple[Annotated[str, Field(max_length=400)], ...] = ()
    """Files of the sample: those of an unfinished ``add`` are removed, unless the manifest already
    lists the sample."""
    person: Name | None = None


def write_pending(folder: Path, pending: PendingChange) -> None:
    """Record the change that is about to be made."""
    atomic_file.write_bytes(folder / JOURNAL, pending.model_dump_json().encode())


def read_pending(folder: Path) -> PendingChange | None:
    """The change in progress when the process died; None if there was none."""
    try:
        return PendingChange.model_validate_json((folder / JOURNAL).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise AffectlineError(
            f"{folder / JOURNAL} is damaged", "find the incomplete sample, then delete that file"
        ) from error


def clear_pending(folder: Path) -> None:
    """Record that the change is complete."""
    atomic_file.remove(folder / JOURNAL)


def check_name(name: str, what: str) -> str:
    """Check that a name is valid for a folder.

    Raises:
        AffectlineError: It is not.
    """
    try:
        return NAMES.validate_python(name)
    except ValidationError as error:
        raise AffectlineError(
            f"{name[:80]!r} is not a valid name for {what}",
            "letters a to z, digits, '.', '_' and '-', beginning with a letter or a digit, at most "
            "64",
        ) from error


def is_name(name: str) -> bool:
    """Whether a name is valid for a folder."""
    try:
        return bool(NAMES.validate_python(name))
    except ValidationError:
        return False


def path_below(folder: Path, *parts: str) -> Path:
    """A path below a folder.

    Raises:
        AffectlineError: A link leads out of the folder.
    """
    path = folder.joinpath(*parts)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise AffectlineError(f"{path} leads out of {folder}", "remove the link")
    return path


def open_folder(folder: Path) -> int:
    """Prepare and lock a folder; return the descriptor of the lock.

    Raises:
        AffectlineError: The folder holds something else, is in use, or cannot be used.
    """
    try:
        file_access.make_folder(folder, file_access.OWNER)
        present = {entry.name for entry in folder.iterdir()}
        present = {name for name in present if name[0] != "." and name != OWN_TEXT}
        if present and MANIFEST not in present:
            raise AffectlineError(
                f"--out {folder}: is not empty, and has no {MANIFEST}",
                "choose a new folder, or one made by affectline collect",
            )
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        if not try_lock(lock):
            os.close(lock)
            raise AffectlineError(
                f"--out {folder}: is in use by another process", "stop it, or choose another folder"
            )
        if MANIFEST not in present:
            atomic_file.write_bytes(folder / MANIFEST, write_table(Sample, ()))
        file_access.make_folder(folder / PEOPLE, file_access.OWNER)
    except OSError as error:
        raise disk_error(f"--out {folder} cannot be used", error) from error
    return lock


def disk_error(what: str, error: OSError) -> AffectlineError:
    """The error for a failed change on disk."""
    return AffectlineError(
        f"{what} ({error.strerror or error})", "free some space, or check the permissions"
    )


def exports_with(folder: Path, person: str) -> Iterable[Path]:
    """Exports with a person's images, and exports whose people are unknown."""
    if not (folder / EXPORTS).is_dir():
        return
    for export in sorted((folder / EXPORTS).iterdir()):
        try:
            people = parse_json((export / "about.json").read_bytes())["people"]
            if person in people:
                yield export
        except (OSError, ValueError, KeyError, TypeError):
            yield export


def remove_parts(folder: Path) -> None:
    """Remove partial files left by a process that died."""
    for name in (MANIFEST, REJECTED, JOURNAL):
        atomic_file.partial_path(folder / name).unlink(missing_ok=True)
    for consent in (folder / PEOPLE).glob(f"*/{atomic_file.partial_path(Path(RECORD_FILE))}"):
        consent.unlink()
    for export in (folder / EXPORTS).glob(".*.part"):
        atomic_file.remove_folder(export)
