"""Under which licences the packages that run with Affectline are passed on.

``requirements/licences.toml`` lists them; ``make lock`` adds new packages to it, and ``make docs``
makes the table in ``docs/supply-chain.md`` of it.
"""

import functools
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from affectline.services.cli.reference import write_parts
from tests.supply.locks import FOLDER, read_lock, run_time_locks

LIST: Final = FOLDER / "licences.toml"
PAGE: Final = "supply-chain.md"
PERMISSIVE: Final = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0"),
        *("MIT-CMU", "PSF-2.0", "Zlib", "LicenseRef-Public-Domain", "LicenseRef-Matplotlib"),
    }
)
"""Ask for their text to be passed on, and for nothing else."""
BY_FILE: Final = frozenset({"MPL-2.0"})
"""Require the source of their own files to be available where they are passed on."""
COPYLEFT: Final = {"pyshimmer": ("GPL-3.0-or-later", "shimmer")}
"""Packages whose licence extends to what is passed on with them, and the one extra that may want
each: who does not name it gets none of it."""


@dataclass(frozen=True)
class Licence:
    """The licence of a package."""

    expression: str
    """SPDX, by the package's own files."""
    says: str
    """What its metadata says, in whatever words: a licence that changes shows here."""
    brings: str = ""
    """Libraries inside its wheels with conditions of their own, and theirs."""

    @property
    def names(self) -> frozenset[str]:
        """The licences in the expression."""
        words = re.findall(r"[\w.-]+", re.sub(r" WITH [\w.-]+", "", self.expression))
        return frozenset(words) - {"AND", "OR"}


def listed() -> dict[str, Licence]:
    """The list, by normalised package name."""
    found = {}
    for name, entry in tomllib.loads(LIST.read_text(encoding="utf-8")).items():
        if isinstance(entry, str):
            found[name] = Licence(entry, entry)
        else:
            says = entry.get("says", entry["licence"])
            found[name] = Licence(entry["licence"], says, entry.get("brings", ""))
    return found


@functools.cache
def used() -> dict[str, list[str]]:
    """The packages of all run-time locks, and who wants each: the runtime, or extras."""
    locks = {wanting: {pin.name for pin in read_lock(name)} for name, wanting in run_time_locks()}
    basic = locks.pop("runtime")
    found = {name: ["runtime"] for name in basic}
    for extra, names in locks.items():
        for name in names - basic:
            found[name] = [*found.get(name, ()), extra]
    return dict(sorted(found.items()))


def declared(package: str) -> str | None:
    """What the metadata of a package says of its licence; None where it is not installed."""
    try:
        about: Any = metadata.metadata(package)
    except metadata.PackageNotFoundError:
        return None
    if expression := about.get("License-Expression"):
        return str(expression)
    classifiers = [
        one.removeprefix("License :: ").removeprefix("OSI Approved :: ")
        for one in about.get_all("Classifier", ())
        if one.startswith("License :: ")
    ]
    if classifiers:
        return ", ".join(sorted(classifiers))
    text = str(about.get("License") or "").strip()
    return text if text and "\n" not in text else "nothing"


def complete(entries: Mapping[str, Licence]) -> tuple[dict[str, Licence], list[str]]:
    """The list with what is new and without what is gone, and what a person must add to it."""
    done, missing = {}, []
    for name in used():
        says = declared(name)
        if name in entries and says in (None, entries[name].says):
            done[name] = entries[name]
            continue
        try:
            done[name] = Licence(str(canonicalize_license_expression(says or "")), says or "")
        except InvalidLicenseExpression:
            missing.append(f"{name} says {says or 'nothing here, it is not installed'}")
            if name in entries:
                done[name] = entries[name]
    return done, missing


def _lines(entries: Mapping[str, Licence]) -> Iterator[str]:
    yield "# Licences of the packages that run with Affectline, as SPDX expressions; says is what a"
    yield "# package's own metadata has, brings what lies inside its wheels. make lock adds to it."
    for name, entry in entries.items():
        if entry.expression == entry.says and not entry.brings:
            yield f'{name} = "{entry.expression}"'
            continue
        words = [f'licence = "{entry.expression}"']
        if entry.says != entry.expression:
            words.append(f'says = "{entry.says}"')
        if entry.brings:
            words.append(f'brings = "{entry.brings}"')
        yield f"{name} = {{ {', '.join(words)} }}"


def write_table() -> str:
    """The list as a table of Markdown."""
    entries = listed()
    rows = ["| package | licence | wanted by |", "| --- | --- | --- |"]
    for name, wanting in used().items():
        by = "runtime" if wanting == ["runtime"] else ", ".join(f"`{one}`" for one in wanting)
        rows.append(f"| {name} | {entries[name].expression} | {by} |")
    return "\n".join(rows)


def write_brought() -> str:
    """What comes inside wheels, as a table of Markdown."""
    entries = listed()
    rows = ["| package | brings along |", "| --- | --- |"]
    rows += [f"| {name} | {entries[name].brings} |" for name in used() if entries[name].brings]
    return "\n".join(rows)


PARTS: Final = {"licences": write_table, "brought along": write_brought}


def main() -> None:
    """Bring the list up to date, or write its tables in the folder that is named."""
    if len(sys.argv) > 1:
        path = Path(sys.argv[1]) / PAGE
        text = write_parts(PAGE, path.read_text(encoding="utf-8"), PARTS)
        path.write_text(text, encoding="utf-8")
        return
    entries, missing = complete(listed() if LIST.exists() else {})
    LIST.write_text("\n".join(_lines(entries)) + "\n", encoding="utf-8")
    if missing:
        sys.exit("\n".join((f"look up and add to {LIST.relative_to(FOLDER.parent)}:", *missing)))


if __name__ == "__main__":
    main()
