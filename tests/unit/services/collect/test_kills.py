"""The process dies at any moment, or the disk is full: at most the sample being written is lost."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from affectline.common import atomic_file
from affectline.common.errors import AffectlineError
from affectline.services.collect.collection import Collection
from affectline.services.collect.quality_checks import Rejection
from affectline.training.data import dataset
from tests.unit.services.collect.faces import AT, face_crop
from tests.unit.services.collect.test_collection import fill, rows


class Killed(BaseException):
    """The process is gone: no handler of ours runs."""


class Reaper:
    """Kills at the n-th change on disk, before it, in its middle, or after it."""

    def __init__(self, patch: pytest.MonkeyPatch, at: int, moment: str) -> None:
        self.left, self.moment = at, moment
        for name in ("create", "write_bytes", "rename", "remove", "remove_folder"):
            patch.setattr(atomic_file, name, self.wrap(name, getattr(atomic_file, name)))

    def wrap(self, name: str, change: Callable[..., None]) -> Callable[..., None]:
        def changed(path: Path, *rest: bytes) -> None:
            self.left -= 1
            if self.left:
                assert self.left > 0, "a dead process goes on"
                change(path, *rest)
                return
            if self.moment == "after":
                change(path, *rest)
            if self.moment == "within":
                self.half(name, path, *rest)
            raise Killed

        return changed

    @staticmethod
    def half(name: str, path: Path, data: bytes = b"") -> None:
        if name == "create":
            path.write_bytes(data[: len(data) // 2])
        elif name == "write_bytes":
            atomic_file.partial_path(path).write_bytes(data[: len(data) // 2])
        elif name == "remove_folder" and path.is_dir():
            next(path.iterdir()).unlink()


def whole(folder: Path) -> None:
    """What is listed is there, what is there is listed, and training reads it."""
    listed = {row[column] for row in rows(folder) for column in ("file", "file_48")}
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.suffix == ".png"}
    assert there == listed
    assert not [path.name for path in folder.rglob(".*") if path.name != ".lock"]
    assert len(dataset.load(folder)) == len(listed) / 2


def die(folder: Path, at: int, moment: str, act: Callable[[Collection], object]) -> bool:
    """Kill while something is done; False where it was over before."""
    with pytest.MonkeyPatch.context() as patch, Collection(folder) as collection:
        Reaper(patch, at, moment)
        try:
            act(collection)
        except Killed:
            return True
        return False


MOMENTS = pytest.mark.parametrize("moment", ["before", "within", "after"])


def every_death(
    tmp_path: Path, moment: str, act: Callable[[Collection], object]
) -> list[tuple[Path, bool]]:
    """Folders in which the process died at the first, second, ... change, opened again."""
    folders = []
    fill(tmp_path / "filled", "anna", "ben")
    for at in range(1, 50):
        folder = tmp_path / str(at)
        shutil.copytree(tmp_path / "filled", folder)
        died = die(folder, at, moment, act)
        Collection(folder).close()
        folders.append(folder)
        if not died:
            assert at > 2
            return [(path, path == folder) for path in folders]
    raise AssertionError("it never ends")


@MOMENTS
def test_a_kill_while_adding_loses_at_most_that_sample(tmp_path: Path, moment: str) -> None:
    def act(collection: Collection) -> None:
        collection.add("anna", "fear", face_crop(9))

    for folder, is_done in every_death(tmp_path, moment, act):
        whole(folder)
        labels = [row["label"] for row in rows(folder)]
        assert labels[:4] == ["happy", "sad", "happy", "sad"]
        assert labels[4:] in ([["fear"]] if is_done else [[], ["fear"]])


@MOMENTS
def test_a_kill_while_deleting_a_sample_loses_no_other(tmp_path: Path, moment: str) -> None:
    def act(collection: Collection) -> None:
        collection.delete(collection.samples[0].file)

    for folder, is_done in every_death(tmp_path, moment, act):
        whole(folder)
        labels = [row["label"] for row in rows(folder)]
        assert labels[-3:] == ["sad", "happy", "sad"]
        assert len(labels) == 3 if is_done else len(labels) in (3, 4)


@MOMENTS
def test_a_deletion_of_a_person_is_finished_later(tmp_path: Path, moment: str) -> None:
    def act(collection: Collection) -> None:
        collection.delete_person("anna")

    for number, (folder, _) in enumerate(every_death(tmp_path, moment, act)):
        whole(folder)
        begun = moment == "after" or number > 0
        assert {row["person"] for row in rows(folder)} == ({"ben"} if begun else {"anna", "ben"})
        assert (folder / "people" / "anna").exists() != begun


@MOMENTS
def test_a_kill_while_relabelling_leaves_the_old_or_the_new_label(
    tmp_path: Path, moment: str
) -> None:
    folder = tmp_path / "faces"
    fill(folder, "anna")
    assert die(folder, 1, moment, lambda c: c.relabel(c.samples[0].file, "angry"))
    with Collection(folder) as collection:
        new = "angry" if moment == "after" else "happy"
        assert [sample.label for sample in collection.samples] == [new, "sad"]
    whole(folder)


@MOMENTS
def test_a_kill_while_agreeing_leaves_no_half_consent(tmp_path: Path, moment: str) -> None:
    folder = tmp_path / "faces"
    fill(folder, "ben")
    assert die(folder, 1, moment, lambda collection: collection.record_consent("anna"))
    with Collection(folder) as collection:
        assert (collection.consent("anna") is not None) == (moment == "after")
        collection.record_consent("anna")
        collection.add("anna", "happy", face_crop(9))
    whole(folder)


@pytest.mark.parametrize("small_disk", ["300k"], indirect=True)
def test_a_full_disk_loses_only_the_sample_being_written(small_disk: Path) -> None:
    folder = small_disk / "faces"
    with Collection(folder) as collection:
        collection.record_consent("anna")

        def take_until_full() -> None:
            for number in range(100):
                collection.add("anna", "happy", face_crop(number))

        with pytest.raises(AffectlineError, match="sample could not be written"):
            take_until_full()
        kept = len(collection.samples)
        assert kept > 0
        collection.reject("anna", "happy", AT, Rejection("no face"))
    whole(folder)
    assert len(rows(folder)) == kept


@pytest.mark.parametrize("small_disk", ["300k"], indirect=True)
def test_people_can_be_deleted_from_a_full_disk(small_disk: Path) -> None:
    folder = small_disk / "faces"
    fill(folder, "anna", "ben", samples=1)
    with (folder / "fill").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(os.urandom(4096)):
            pass
    with Collection(folder) as collection:
        with pytest.raises(AffectlineError, match="could not be written"):
            collection.record_consent("eve")
        collection.delete(collection.samples[1].file)
        collection.delete_person("anna")
        assert not collection.samples
    assert not list(folder.rglob("*.png"))
    assert not (folder / "people" / "anna").exists()
