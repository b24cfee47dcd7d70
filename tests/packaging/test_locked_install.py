"""What is installed from a lock is what was locked, or nothing is."""

import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.supply.lock import HEADER

NAME = "flour-1.0-py3-none-any.whl"


def wheel(content: str) -> bytes:
    """A package that needs nothing."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("flour.py", content)
        archive.writestr("flour-1.0.dist-info/METADATA", "Name: flour\nVersion: 1.0\n")
        archive.writestr("flour-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("flour-1.0.dist-info/RECORD", "")
    return packed.getvalue()


def pinned(locked: bytes) -> str:
    """The line of a lock that allows these bytes."""
    return f"flour==1.0 --hash=sha256:{hashlib.sha256(locked).hexdigest()}"


def install(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Install by a lock with one line what a folder, in place of an index, has."""
    lock = folder / "lock.txt"
    lock.write_text(f"{HEADER}{line}\n")
    command = [sys.executable, "-m", "pip", "--isolated", "install", "--require-hashes"]
    command += ["--no-index", "--find-links", str(folder), "--target", str(folder / "site")]
    return subprocess.run(
        [*command, "--requirement", lock], capture_output=True, text=True, check=False
    )


def test_what_was_locked_is_installed(tmp_path: Path) -> None:
    locked = wheel("weight = 1")
    (tmp_path / NAME).write_bytes(locked)
    done = install(tmp_path, pinned(locked))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "flour.py").read_text() == "weight = 1"


def test_another_file_of_the_same_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(wheel("weight = 2"))
    done = install(tmp_path, pinned(wheel("weight = 1")))
    assert done.returncode
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not (tmp_path / "site").exists()


def test_nothing_is_built_from_source(tmp_path: Path) -> None:
    """Not even if it is what was locked: a build fetches what has no hash."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        setup = b"raise SystemExit('built')"
        entry = tarfile.TarInfo("flour-1.0/setup.py")
        entry.size = len(setup)
        archive.addfile(entry, io.BytesIO(setup))
    (tmp_path / "flour-1.0.tar.gz").write_bytes(packed.getvalue())
    done = install(tmp_path, pinned(packed.getvalue()))
    assert done.returncode
    assert "No matching distribution found for flour==1.0" in done.stderr


@pytest.mark.parametrize("line", ["flour", "flour==1.0"])
def test_a_package_without_a_hash_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(wheel("weight = 1"))
    done = install(tmp_path, line)
    assert done.returncode
    assert "require-hashes mode" in done.stderr or "Hashes are required" in done.stderr
