import csv
import json
import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.services.collect import exporting
from affectline.services.collect.collection import Collection
from affectline.services.collect.exporting import ALONE, BY_PERSON, TWO, divide, export
from affectline.services.collect.samples import Sample, make_sample
from affectline.training.data import dataset
from tests.unit.services.collect.faces import face_crop
from tests.unit.services.collect.test_collection import fill

PEOPLE = ("anna", "ben", "cleo", "dan")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path / "faces", *PEOPLE, samples=3)
    return tmp_path / "faces"


def test_a_folder_for_training(folder: Path) -> None:
    with Collection(folder) as collection:
        exported = export(collection, "folder", only_kept=False)
    assert (exported.samples, exported.division) == (12, BY_PERSON)
    faces = dataset.load(exported.folder, size=96)
    assert len(faces) == 12
    assert set(faces.usages) == {"Training", "PublicTest", "PrivateTest"}
    natives = sorted(path.read_bytes() for path in exported.folder.rglob("*.png"))
    with Collection(folder) as collection:
        assert natives == sorted(
            (folder / sample.file).read_bytes() for sample in collection.samples
        )


def test_a_file_like_fer2013(folder: Path) -> None:
    with Collection(folder) as collection:
        exported = export(collection, "fer2013", only_kept=False)
        samples = collection.samples
    faces = dataset.load(exported.folder / "faces.csv")
    assert len(faces) == 12
    for sample, pixels, emotion in zip(samples, faces.pixels, faces.emotions, strict=True):
        kept = cv2.imread(str(folder / sample.file_48), cv2.IMREAD_GRAYSCALE)
        assert kept is not None
        assert np.array_equal(kept, pixels)
        assert LABELS[emotion] == sample.label
    assert set(faces.usages) == {"Training", "PublicTest", "PrivateTest"}


def test_an_export_that_fails_leaves_nobody_behind(folder: Path) -> None:
    with Collection(folder) as collection:
        sample = collection.samples[-1]
        (folder / sample.file_48).write_bytes(b"x")
        with pytest.raises(AffectlineError, match=f"{sample.file_48} is damaged"):
            export(collection, "fer2013", only_kept=False)
        (folder / sample.file).unlink()
        with pytest.raises(AffectlineError, match=f"{sample.file} cannot be read") as told:
            export(collection, "folder", only_kept=False)
        assert "delete that sample" in str(told.value)
    assert list((folder / "exports").iterdir()) == []


def test_nobody_is_deleted_during_an_export(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collection(folder) as collection, ThreadPoolExecutor() as pool:
        begun, deletions = threading.Event(), list[Future[list[str]]]()

        def delete() -> list[str]:
            begun.set()
            return collection.delete_person("anna")

        def divide_later(samples: Sequence[Sample]) -> tuple[list[str], str]:
            deletions.append(pool.submit(delete))
            assert begun.wait(10)
            with pytest.raises(TimeoutError):
                deletions[0].result(0.2)
            return divide(samples)

        monkeypatch.setattr(exporting, "divide", divide_later)
        exported = export(collection, "folder", only_kept=False)
        assert exported.samples == 12
        assert deletions[0].result(10) == [exported.folder.name], "it contained her"


@pytest.mark.parametrize("count", [3, 4, 10, 25])
def test_nobody_is_in_two_splits(count: int) -> None:
    samples = [make_sample(f"p{n % count}", "happy", face_crop(n)) for n in range(4 * count)]
    usages, division = divide(samples)
    splits = defaultdict(set)
    for sample, usage in zip(samples, usages, strict=True):
        splits[sample.person].add(usage)
    assert division == BY_PERSON
    assert all(len(of) == 1 for of in splits.values())
    people = [next(iter(of)) for of in splits.values()]
    tenth = max(1, round(count / 10))
    assert [people.count(usage) for usage in ("PublicTest", "PrivateTest")] == [tenth, tenth]
    assert divide(samples)[0] == usages


def test_of_two_people_one_is_learned_and_the_other_tests() -> None:
    samples = [make_sample("anna" if n < 7 else "ben", "happy", face_crop(n)) for n in range(12)]
    usages, division = divide(samples)
    assert division == TWO
    assert set(usages[:7]) == {"Training"}
    assert set(usages[7:]) == {"PublicTest", "PrivateTest"}


def test_one_person_alone_is_divided_by_take_and_it_is_said_so() -> None:
    labels = ("happy", "sad")
    samples = [make_sample("anna", labels[n % 2], face_crop(n)) for n in range(20)]
    usages, division = divide(samples)
    assert division == ALONE
    assert usages.count("Training") == 12
    assert usages[:2] == ["Training", "Training"]


def test_only_what_was_looked_at_where_that_is_wanted(folder: Path) -> None:
    with Collection(folder) as collection:
        with pytest.raises(AffectlineError, match="nothing to export"):
            export(collection, "folder", only_kept=True)
        collection.accept(collection.samples[0].file)
        assert export(collection, "folder", only_kept=True).samples == 1


def test_an_export_says_what_it_is(folder: Path) -> None:
    with Collection(folder) as collection:
        exported = export(collection, "fer2013", only_kept=False)
    about = json.loads((exported.folder / "about.json").read_text())
    assert about["people"] == list(PEOPLE)
    assert (about["takes"], about["division"]) == (12, BY_PERSON)


def test_exports_with_a_deleted_person_go_as_well(folder: Path) -> None:
    with Collection(folder) as collection:
        both = [export(collection, form, only_kept=False) for form in ("folder", "fer2013")]
        gone = collection.delete_person("anna")
        assert sorted(gone) == sorted(exported.folder.name for exported in both)
        others = export(collection, "folder", only_kept=False)
        assert not collection.delete_person("eve")
    assert others.folder.is_dir()
    with (others.folder / "manifest.csv").open() as file:
        assert {row["person"] for row in csv.DictReader(file)} == {"ben", "cleo", "dan"}
    assert not [path for path in folder.rglob("*") if "anna" in str(path.relative_to(folder))]


@pytest.mark.parametrize("small_disk", ["300k"], indirect=True)
def test_an_export_that_does_not_fit_leaves_nothing(small_disk: Path) -> None:
    folder = small_disk / "faces"
    fill(folder, "anna", samples=4)
    with Collection(folder) as collection:

        def export_until_full() -> None:
            for _ in range(9):
                export(collection, "folder", only_kept=False)

        with pytest.raises(AffectlineError, match="could not be written"):
            export_until_full()
        assert not list((folder / "exports").glob(".*"))
