"""Who may read what is written of people."""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from affectline.common import file_access
from affectline.common.file_access import GROUP, OWNER, as_the_session, make_folder, restrict


@pytest.fixture(autouse=True)
def usual_mask() -> Iterator[None]:
    """What most systems have; it is put back, because it is the whole process'."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(("group", "folder", "file"), [(False, 0o700, 0o600), (True, 0o750, 0o640)])
def test_folders_and_files_are_for_those_who_may(
    tmp_path: Path, group: bool, folder: int, file: int
) -> None:
    restrict(group=group)
    make_folder(tmp_path / "sessions" / "drive")
    (tmp_path / "sessions" / "drive" / "a.csv").write_text("x")
    assert mode(tmp_path / "sessions") == mode(tmp_path / "sessions" / "drive") == folder
    assert mode(tmp_path / "sessions" / "drive" / "a.csv") == file


@pytest.mark.parametrize("usual", [0o022, 0o077])
@pytest.mark.parametrize(("mask", "wanted"), [(OWNER, 0o700), (GROUP, 0o750)])
def test_a_group_that_may_read_may_whatever_the_usual_mask(
    tmp_path: Path, usual: int, mask: int, wanted: int
) -> None:
    os.umask(usual)
    make_folder(tmp_path / "sessions" / "drive", mask)
    assert mode(tmp_path / "sessions") == mode(tmp_path / "sessions" / "drive") == wanted


def test_a_folder_that_is_there_is_its_owners_business(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    restrict(group=False)
    make_folder(tmp_path / "mine")
    assert mode(tmp_path / "mine") == 0o755


def test_defaults_of_the_folder_above_do_not_open_it(tmp_path: Path) -> None:
    done = subprocess.run(["setfacl", "-d", "-m", "o::rx", str(tmp_path)], check=False) if (
        any((Path(p) / "setfacl").exists() for p in os.environ["PATH"].split(":"))
    ) else None  # fmt: skip
    if done is None or done.returncode:
        pytest.skip("setfacl is not here")
    restrict(group=False)
    make_folder(tmp_path / "drive")
    assert mode(tmp_path / "drive") & 0o077 == 0


@pytest.mark.parametrize(("session", "mask"), [(0o600, OWNER), (0o640, GROUP), (0o644, GROUP)])
@pytest.mark.parametrize("mark", ["session.json", "session.mcap"])
def test_what_is_added_to_a_session_is_as_the_session(
    tmp_path: Path, mark: str, session: int, mask: int
) -> None:
    (tmp_path / mark).touch()
    (tmp_path / mark).chmod(session)
    with as_the_session(tmp_path / "export"):
        make_folder(tmp_path / "export")
        (tmp_path / "export" / "a.csv").touch()
    assert mode(tmp_path / "export") == 0o777 & ~mask
    assert mode(tmp_path / "export" / "a.csv") == 0o666 & ~mask
    (tmp_path / "later").touch()
    assert mode(tmp_path / "later") == 0o644


def test_elsewhere_the_users_own_mask_decides(tmp_path: Path) -> None:
    with as_the_session(tmp_path / "figures"):
        make_folder(tmp_path / "figures")
        (tmp_path / "figures" / "a.csv").touch()
    assert mode(tmp_path / "figures") == 0o755
    assert mode(tmp_path / "figures" / "a.csv") == 0o644


def test_a_mask_of_its_own_needs_no_process(tmp_path: Path) -> None:
    make_folder(tmp_path / "faces" / "anna", file_access.OWNER)
    assert mode(tmp_path / "faces") == mode(tmp_path / "faces" / "anna") == 0o700
