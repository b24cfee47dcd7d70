"""The list of participants of a BIDS data set."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from affectline.common import atomic_file
from affectline.common.errors import AffectlineError
from affectline.common.settings.study import STUDY_FIELDS
from affectline.services.export.owned_files import read_object, write_object

MISSING: Final = "n/a"
"""How BIDS writes a value that is not known."""
PARTICIPANT_ID: Final = "participant_id"


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
            write_object(self._path.with_suffix(".json"), described | self._described)
        return self._path
