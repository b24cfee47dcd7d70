"""Files at places that users name: only what the same command has made is replaced."""

import gzip
from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.output_file import check_output_file

MARKER = b"% made here"
PACKED = gzip.compress(MARKER, mtime=0)


def check(path: Path) -> None:
    check_output_file("--out", path, "a page", MARKER)


@pytest.mark.parametrize(
    "content",
    [b"", MARKER, b"x" * 60_000 + MARKER, b"x" * 200_000 + MARKER, PACKED],
)
def test_new_and_empty_files_and_own_ones_can_be_written(tmp_path: Path, content: bytes) -> None:
    check(tmp_path / "new")
    (tmp_path / "page").write_bytes(content)
    check(tmp_path / "page")


@pytest.mark.parametrize(
    "content",
    [
        b"film", gzip.compress(b"film", mtime=0), PACKED[:8], b"\x1f\x8b, no gzip",
        b"x" * 100_000 + MARKER + b"x" * 100_000,
    ],
)  # fmt: skip
def test_anything_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "film").write_bytes(content)
    with pytest.raises(AffectlineError, match=r"--out .*film: is there already, and is not a page"):
        check(tmp_path / "film")


def test_folders_and_missing_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match="not a file"):
        check(tmp_path)
    with pytest.raises(AffectlineError, match=r"there is no folder .*missing"):
        check(tmp_path / "missing" / "page")
