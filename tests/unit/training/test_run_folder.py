from pathlib import Path

import pytest

from affectline.common.errors import AffectlineError
from affectline.training import run_folder as runs


def test_a_new_run_folder_is_made(tmp_path: Path) -> None:
    runs.claim_run_folder(tmp_path / "runs" / "first")
    assert (tmp_path / "runs" / "first").is_dir()


def test_a_used_run_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(AffectlineError, match="is not empty"):
        runs.claim_run_folder(tmp_path)
    assert (tmp_path / "run.json").read_text() == "{}"


def test_a_folder_is_looked_at_without_being_made(tmp_path: Path) -> None:
    runs.require_empty_folder(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "used").mkdir()
    runs.require_empty_folder(tmp_path / "used")
    (tmp_path / "used" / "file").touch()
    with pytest.raises(AffectlineError, match="is not empty"):
        runs.require_empty_folder(tmp_path / "used")
    with pytest.raises(AffectlineError, match="cannot make the run folder"):
        runs.require_empty_folder(tmp_path / "used" / "file")


def test_a_run_folder_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AffectlineError, match="cannot make the run folder"):
        runs.claim_run_folder(tmp_path / "file" / "run")


def test_an_unfinished_run_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / runs.HISTORY).touch()
    with pytest.raises(AffectlineError, match=r"not a finished run \(it has no run\.json\)"):
        runs.check_run_folder(tmp_path)


@pytest.mark.parametrize("holds", [None, "manifest.json"])
def test_an_artifact_may_replace_nothing_or_an_artifact(tmp_path: Path, holds: str | None) -> None:
    if holds:
        (tmp_path / holds).touch()
    runs.check_artifact_folder(tmp_path)
    runs.check_artifact_folder(tmp_path / "new")


def test_an_artifact_never_replaces_anything_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(AffectlineError, match="not an artifact"):
        runs.check_artifact_folder(tmp_path)
    with pytest.raises(AffectlineError, match="not an artifact"):
        runs.check_artifact_folder(tmp_path / "thesis.tex")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    runs.check_weights(None)
    with pytest.raises(AffectlineError, match=r"no file --backbone-weights .*none\.h5"):
        runs.check_weights(tmp_path / "none.h5")


def test_the_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert runs.cache_folder() == tmp_path / "affectline"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert runs.cache_folder() == tmp_path / "home" / ".cache" / "affectline"


ASKED = {"recipe": "strong", "epochs": 3}


def test_a_run_is_gone_on_with_only_for_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    runs.open_run_folder(folder, ASKED, resume=False)
    runs.open_run_folder(folder, ASKED, resume=True)
    with pytest.raises(AffectlineError, match="was started with epochs 3, not 4"):
        runs.open_run_folder(folder, {**ASKED, "epochs": 4}, resume=True)
    with pytest.raises(AffectlineError, match="was started with batch size by default, not 8"):
        runs.open_run_folder(folder, {**ASKED, "batch_size": 8}, resume=True)
    with pytest.raises(AffectlineError, match="is not empty"):
        runs.open_run_folder(folder, ASKED, resume=False)


def test_a_run_is_gone_on_with_only_with_its_votes(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    runs.open_run_folder(folder, {**ASKED, "votes": "1f3a"}, resume=False)
    with pytest.raises(AffectlineError, match="was started with votes 1f3a, not none"):
        runs.open_run_folder(folder, {**ASKED, "votes": "none"}, resume=True)
    older = tmp_path / "older"
    runs.open_run_folder(older, ASKED, resume=False)
    runs.open_run_folder(older, {**ASKED, "votes": "1f3a"}, resume=True)


def test_a_run_is_gone_on_with_only_from_its_imagenet_weights(tmp_path: Path) -> None:
    begun = {**ASKED, "backbone_weights": "1f3a"}
    runs.open_run_folder(tmp_path / "run", begun, resume=False)
    runs.open_run_folder(tmp_path / "run", begun, resume=True)
    with pytest.raises(AffectlineError, match="started with backbone weights 1f3a, not imagenet"):
        runs.open_run_folder(
            tmp_path / "run", {**ASKED, "backbone_weights": "imagenet"}, resume=True
        )
    runs.open_run_folder(tmp_path / "older", ASKED, resume=False)
    runs.open_run_folder(tmp_path / "older", begun, resume=True)


def test_a_run_that_never_began_leaves_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    runs.open_run_folder(folder, ASKED, resume=False)
    runs.remove_empty_run_folder(folder)
    assert not folder.exists()
    runs.open_run_folder(folder, ASKED, resume=False)
    (folder / runs.HISTORY).write_text("epoch\n")
    runs.remove_empty_run_folder(folder)
    assert (folder / runs.SETTINGS).exists()


def test_what_cannot_be_resumed_says_why(tmp_path: Path) -> None:
    with pytest.raises(AffectlineError, match="not a run to resume"):
        runs.open_run_folder(tmp_path, ASKED, resume=True)
    (tmp_path / runs.SETTINGS).write_text("{")
    with pytest.raises(AffectlineError, match="not a run to resume"):
        runs.open_run_folder(tmp_path, ASKED, resume=True)
    (tmp_path / runs.RUN_FILE).write_text("{}")
    with pytest.raises(AffectlineError, match="is finished"):
        runs.open_run_folder(tmp_path, ASKED, resume=True)


def test_the_size_of_a_run_s_pictures(tmp_path: Path) -> None:
    (tmp_path / runs.RUN_FILE).write_text('{"settings": {"image_size": 96}}')
    assert runs.image_size(tmp_path) == 96
    (tmp_path / runs.RUN_FILE).write_text('{"settings": {}}')
    assert runs.image_size(tmp_path) == 48
    (tmp_path / runs.RUN_FILE).write_text("[]")
    with pytest.raises(AffectlineError, match="is damaged"):
        runs.image_size(tmp_path)
