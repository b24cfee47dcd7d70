"""Writes the locks in ``requirements/``: ``make lock`` calls it.

With ``--keep`` what is locked stays as it is, and only what ``pyproject.toml`` newly asks for is
added; without it every package becomes the newest that fits.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Final

from packaging.markers import Marker

from tests.supply.locks import (
    FOLDER,
    PLATFORMS,
    PYTHONS,
    ROOT,
    WHEELS_ONLY,
    holds,
    sources,
)

FIRST: Final = "dev.txt"
"""Resolved first, with everything in it; the others take their versions from it."""
HEADER: Final = f"""\
# Made by make lock: exact versions, and the SHA-256 of every file that may be installed.
{WHEELS_ONLY}
"""


def uv() -> str:
    """Where uv is: beside this Python, or wherever the shell finds it."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        sys.exit("uv is not installed: make check installs it")
    return found


def shorten(text: str) -> str:
    """A lock whose markers say only what tells the platforms and versions of a lock apart.

    Raises:
        ValueError: A marker tells them apart in a way that this cannot write.
    """
    return re.sub(r"^(\S+==\S+) ; (.+?)( \\)$", _shorter, text, flags=re.MULTILINE)


def _shorter(line: re.Match[str]) -> str:
    marker = Marker(line[2])
    there = {one for one in product(PYTHONS, PLATFORMS) if holds(marker, *one)}
    pythons = [one for one in PYTHONS if one in {python for python, _ in there}]
    systems = sorted({system for _, (system, _) in there})
    platforms = [one for one in PLATFORMS if one[0] in systems]
    if not there or there != set(product(pythons, platforms)):
        raise ValueError(f"{line[1]}: {marker} cannot be put in Python versions and systems")
    said = []
    if pythons[0] != PYTHONS[0]:
        said.append(f"python_version >= '{pythons[0]}'")
    if pythons[-1] != PYTHONS[-1]:
        said.append(f"python_version <= '{pythons[-1]}'")
    if systems != sorted({system for system, _ in PLATFORMS}):
        said.append(f"sys_platform == '{systems[0]}'")
    return line[1] + (f" ; {' and '.join(said)}" if said else "") + line[3]


def compile_lock(name: str, arguments: tuple[str, ...], *more: str) -> None:
    """Resolve one lock and write it."""
    path = FOLDER / name
    path.parent.mkdir(exist_ok=True)
    subprocess.run(
        [
            *(uv(), "pip", "compile", "--quiet", "--universal", "--python-version", PYTHONS[0]),
            *("--generate-hashes", "--no-emit-index-url", "--no-annotate", "--no-header"),
            *("--constraints", "requirements/constraints.txt", *more, *arguments),
            *("--output-file", str(path)),
        ],
        cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
        env=os.environ | {"UV_PYTHON_DOWNLOADS": "never"},
    )  # fmt: skip
    path.write_text(HEADER + shorten(path.read_text(encoding="utf-8")), encoding="utf-8")


def main() -> None:
    """Write all locks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="do not update what is locked")
    upgrade = () if parser.parse_args().keep else ("--upgrade",)
    locks = sources()
    compile_lock(FIRST, locks.pop(FIRST), *upgrade)
    for name, arguments in locks.items():
        compile_lock(name, arguments, "--upgrade", "--constraints", f"requirements/{FIRST}")
    for path in FOLDER.rglob("*.txt"):
        name = path.relative_to(FOLDER).as_posix()
        if name not in (FIRST, "constraints.txt", *locks):
            path.unlink()  # of an extra that is no more


if __name__ == "__main__":
    main()
