"""Where things are in a booth's folder, and what was begun there but may not be finished.

manifest.csv            the takes: what ``affectline-train --data`` reads
left_out.csv            takes that were refused or deleted, without pictures
consent.txt             the booth's own consent text, where somebody put one there
people/<person>/        everything of one person: consent.json, and two PNG files a take
exports/<name>/         what was exported
.intent.json            what is being done; finished or undone when the booth is opened again
"""

import fcntl
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from affectline.common import atomic_file
from affectline.common.errors import AffectlineError
from affectline.common.identifiers import Name
from affectline.services.collect.consent import OWN_TEXT, RECORD
from affectline.services.collect.samples import Sample, write_table

MANIFEST: Final = "manifest.csv"
LEFT_OUT: Final = "left_out.csv"
PEOPLE: Final = "people"
EXPORTS: Final = "exports"
INTENT: Final = ".intent.json"
LOCK: Final = ".lock"
NAMES: Final = TypeAdapter[str](Name)


class PendingChange(BaseModel):
    """What is being done to the folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    doing: Literal["add", "delete", "delete person"]
    files: tuple[Annotated[str, Field(max_length=400)], ...] = ()
    """Of the take: what is left of an ``add`` goes, unless the manifest lists it already."""
    person: Name | None = None


def write_intent(folder: Path, intent: PendingChange) -> None:
    """Say what is about to be done."""
    atomic_file.write_bytes(folder / INTENT, intent.model_dump_json().encode())


def read_intent(folder: Path) -> PendingChange | None:
    """What was being done when the booth died; None: nothing."""
    try:
        return PendingChange.model_validate_json((folder / INTENT).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise AffectlineError(
            f"{folder / INTENT} is damaged", "see which take is not whole, then delete that file"
        ) from error


def forget_intent(folder: Path) -> None:
    """It is done."""
    atomic_file.remove(folder / INTENT)


def check_name(name: str, what: str) -> str:
    """A name that can be a folder's.

    Raises:
        AffectlineError: It cannot.
    """
    try:
        return NAMES.validate_python(name)
    except ValidationError as error:
        raise AffectlineError(
            f"{name[:80]!r} is no name for {what}",
            "letters a to z, digits, '.', '_' and '-', beginning with a letter or a digit, at most "
            "64",
        ) from error


def below(folder: Path, *parts: str) -> Path:
    """A path below a folder.

    Raises:
        AffectlineError: A link leads out of it.
    """
    path = folder.joinpath(*parts)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise AffectlineError(f"{path} leads out of {folder}", "take the link away")
    return path


def open_folder(folder: Path) -> int:
    """Make a folder ready for a booth, and its own; returns the lock.

    Raises:
        AffectlineError: It holds something else, is used by another booth, or cannot be used.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # faces are not for everybody
        held = {entry.name for entry in folder.iterdir()}
        held = {name for name in held if name[0] != "." and name != OWN_TEXT}
        if held and MANIFEST not in held:
            raise AffectlineError(
                f"--out {folder}: is not empty, and has no {MANIFEST}",
                "name a new folder, or that of a booth",
            )
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise AffectlineError(
                f"--out {folder}: another booth is open there", "close that, or name another folder"
            ) from None
        if MANIFEST not in held:
            atomic_file.write_bytes(folder / MANIFEST, write_table(Sample, ()))
        (folder / PEOPLE).mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise cannot(f"--out {folder} cannot be used", error) from error
    return lock


def cannot(what: str, error: OSError) -> AffectlineError:
    """What the system did not let us do."""
    return AffectlineError(f"{what} ({error.strerror or error})", "make room, or see to the rights")


def exports_with(folder: Path, person: str) -> Iterable[Path]:
    """Exports that hold somebody's pictures, and those of which nobody knows whose they hold."""
    if not (folder / EXPORTS).is_dir():
        return
    for place in sorted((folder / EXPORTS).iterdir()):
        try:
            people = json.loads((place / "about.json").read_bytes())["people"]
            if person in people:
                yield place
        except (OSError, ValueError, KeyError, TypeError):
            yield place


def remove_parts(folder: Path) -> None:
    """Remove what was being written when the booth died."""
    for name in (MANIFEST, LEFT_OUT, INTENT):
        atomic_file.partial_path(folder / name).unlink(missing_ok=True)
    for consent in (folder / PEOPLE).glob(f"*/{atomic_file.partial_path(Path(RECORD))}"):
        consent.unlink()
    for export in (folder / EXPORTS).glob(".*.part"):
        atomic_file.remove_folder(export)
