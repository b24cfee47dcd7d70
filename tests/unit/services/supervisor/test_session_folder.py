"""The folder of a session belongs to one run."""

import os
import stat
from contextlib import ExitStack
from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.common.settings.pipeline import PipelineSettings, SinkSettings
from affectline.services.supervisor.plan import complete
from affectline.services.supervisor.session_folder import claim_folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_two_runs_that_start_together_have_folders_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.strftime", lambda _: "20260101-120000")
    with ExitStack() as first, ExitStack() as second:
        folders = [complete(PipelineSettings(), one).sink.out for one in (first, second)]
        assert [folder.name for folder in folders if folder] == [
            "20260101-120000-sample",
            "20260101-120000-sample-2",
        ]


@pytest.mark.parametrize("is_there", [True, False])
def test_of_two_runs_into_one_folder_the_second_is_refused(here: Path, is_there: bool) -> None:
    settings = PipelineSettings(sink=SinkSettings(out=Path("race")))
    if is_there:
        (here / "race").mkdir()
    with ExitStack() as first:
        assert complete(settings, first).sink.out == here / "race"
        with (
            ExitStack() as second,
            pytest.raises(AffectlineError, match="--out race: another run writes its session"),
        ):
            complete(settings, second)
        assert (here / "race").is_dir()
    assert (here / "race").exists() == is_there
    with ExitStack() as third:
        complete(settings, third)


def test_a_run_that_writes_nothing_leaves_no_folder(here: Path) -> None:
    with claim_folder(None, "sample", group_access=False) as folder:
        assert folder.parent == here / "sessions"
    assert not list(here.iterdir())
    (here / "study").mkdir()
    with claim_folder(Path("study/a/b"), "sample", group_access=False):
        pass
    assert [one.name for one in here.rglob("*")] == ["study"]


def test_what_a_run_has_written_stays_and_is_not_overwritten(here: Path) -> None:
    with claim_folder(Path("a"), "sample", group_access=False) as folder:
        (folder / "emotions.csv").write_text("")
    with (
        pytest.raises(AffectlineError, match="nothing is overwritten"),
        claim_folder(Path("a"), "sample", group_access=False),
    ):
        pass
    assert (here / "a" / "emotions.csv").exists()


@pytest.mark.parametrize(("group_access", "mode"), [(False, 0o700), (True, 0o750)])
def test_only_those_who_may_read_the_session_may_open_its_folder(
    group_access: bool, mode: int
) -> None:
    with claim_folder(None, "sample", group_access=group_access) as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == mode


@pytest.mark.parametrize("out", ["notes.txt", "notes.txt/x", "notes.txt/x/y"])
def test_a_file_in_the_place_of_a_folder_is_named(here: Path, out: str) -> None:
    (here / "notes.txt").write_text("")
    settings = PipelineSettings(sink=SinkSettings(out=Path(out)))
    for claims in (None, ExitStack()):
        with pytest.raises(AffectlineError, match=f"--out {out}: notes.txt is not a folder"):
            complete(settings, claims)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_made_is_an_error(here: Path) -> None:
    here.chmod(0o500)
    try:
        with (
            pytest.raises(AffectlineError, match="cannot write"),
            claim_folder(Path("a"), "sample", group_access=False),
        ):
            pass
    finally:
        here.chmod(0o700)
