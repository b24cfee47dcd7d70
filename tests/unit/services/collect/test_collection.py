import csv
import json
import shutil
import stat
from pathlib import Path

import cv2
import numpy as np
import pytest

from affectline.common.errors import AffectlineError
from affectline.services.collect.collection import Collection
from affectline.services.collect.consent import TEXT, VERSION
from affectline.services.collect.quality_checks import Rejection
from affectline.training.data import dataset
from tests.unit.services.collect.faces import AT, face_crop


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "faces"


def fill(folder: Path, *people: str, samples: int = 2) -> None:
    with Collection(folder) as collection:
        for number, person in enumerate(people):
            collection.record_consent(person)
            for sample in range(samples):
                label = ("happy", "sad", "fear")[sample % 3]
                collection.add(person, label, face_crop(100 * number + sample))


def test_a_sample_is_two_pictures_and_a_row(folder: Path) -> None:
    with Collection(folder) as collection:
        collection.record_consent("anna")
        sample = collection.add("anna", "happy", face_crop())
    row = rows(folder)[0]
    assert row["file"] == sample.file
    assert (row["label"], row["person"], row["status"]) == ("happy", "anna", "new")
    assert row["time"] == "2026-11-23T14:53:07.329376688Z"
    assert int(row["time_ns"]) == AT
    assert (row["stream"], row["epoch"], row["seq"], row["track"]) == ("cam", "1", "0", "1")
    assert int(row["size"]) == 135
    assert float(row["blur"]) > 150
    assert 0.2 < float(row["brightness"]) < 0.8
    native = cv2.imread(str(folder / row["file"]), cv2.IMREAD_UNCHANGED)
    small = cv2.imread(str(folder / row["file_48"]), cv2.IMREAD_UNCHANGED)
    assert native is not None
    assert np.array_equal(native, face_crop().native)
    assert small is not None
    assert np.array_equal(small, face_crop().gray_48)


def test_training_reads_the_folder_as_it_is(folder: Path) -> None:
    fill(folder, "anna", "ben")
    faces = dataset.load(folder, size=96)
    assert len(faces) == 4
    assert faces.pixels.shape == (4, 96, 96)
    assert faces.emotions.tolist() == [3, 4, 3, 4]


def test_what_was_captured_is_there_next_time(folder: Path) -> None:
    fill(folder, "anna")
    with Collection(folder) as collection:
        assert [sample.label for sample in collection.samples] == ["happy", "sad"]
        assert [person.name for person in collection.people()] == ["anna"]


def test_nobody_is_collected_without_consent(folder: Path) -> None:
    with Collection(folder) as collection, pytest.raises(AffectlineError, match="has not agreed"):
        collection.add("anna", "happy", face_crop())
    assert not list(folder.rglob("*.png"))


def test_a_consent_says_who_agreed_to_what_and_when(folder: Path) -> None:
    fill(folder, "anna", samples=0)
    record = json.loads((folder / "people/anna/consent.json").read_text())
    (agreed,) = record["agreed"]
    assert record["person"] == "anna"
    assert (agreed["version"], agreed["text"]) == (VERSION, TEXT)
    assert agreed["time"].endswith("Z")
    assert agreed["time_ns"] > AT - 10**18


def test_another_text_has_to_be_agreed_to_anew(folder: Path) -> None:
    fill(folder, "anna")
    (folder / "consent.txt").write_text("Our own words.\n")
    with Collection(folder) as collection:
        with pytest.raises(AffectlineError, match="has not agreed"):
            collection.add("anna", "happy", face_crop(7))
        consent = collection.record_consent("anna")
        collection.add("anna", "happy", face_crop(7))
    assert [agreed.text for agreed in consent.agreed] == [TEXT, "Our own words."]
    assert consent.agreed[1].version.startswith("own-")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", "-x", ".x", "a\n", "ä", "<b>", "x" * 65, "a\0"]
)
def test_names_that_lead_elsewhere_are_refused(folder: Path, name: str) -> None:
    with Collection(folder) as collection:
        for act in (collection.record_consent, collection.consent, collection.delete_person):
            with pytest.raises(AffectlineError, match="is not a valid name for a person"):
                act(name)
    assert [path.name for path in folder.parent.iterdir()] == ["faces"]


def test_names_that_some_disks_take_for_one_are_refused(folder: Path) -> None:
    fill(folder, "anna")
    with Collection(folder) as collection, pytest.raises(AffectlineError, match="anna already"):
        collection.record_consent("Anna")


def test_a_link_in_the_place_of_a_person_is_not_followed(folder: Path, tmp_path: Path) -> None:
    fill(folder)
    (tmp_path / "elsewhere").mkdir()
    (folder / "people" / "eve").symlink_to(tmp_path / "elsewhere")
    with Collection(folder) as collection:
        for act in (collection.record_consent, collection.delete_person):
            with pytest.raises(AffectlineError, match="leads out"):
                act("eve")
    assert (tmp_path / "elsewhere").is_dir()


def test_only_listed_pictures_are_given_out(folder: Path) -> None:
    fill(folder, "anna")
    with Collection(folder) as collection:
        assert collection.picture(collection.samples[0].file).is_file()
        for file in ("people/anna/consent.json", "manifest.csv", "../x.png", "/etc/passwd", ""):
            with pytest.raises(AffectlineError, match="no such sample"):
                collection.picture(file)


def test_the_same_picture_is_stored_once(folder: Path) -> None:
    fill(folder, "anna")
    with Collection(folder) as collection, pytest.raises(AffectlineError, match="captured already"):
        collection.add("anna", "fear", face_crop(0))
    assert len(rows(folder)) == 2


def test_keep_relabel_and_delete(folder: Path) -> None:
    fill(folder, "anna", samples=3)
    with Collection(folder) as collection:
        first, second, third = collection.samples
        collection.accept(first.file)
        collection.relabel(second.file, "surprise")
        collection.delete(third.file)
    assert [(row["label"], row["status"]) for row in rows(folder)] == [
        ("happy", "kept"),
        ("surprise", "kept"),
    ]
    assert len(list(folder.rglob("*.png"))) == 4
    assert "deleted" in (folder / "left_out.csv").read_text()


@pytest.mark.parametrize("label", ["", "anger", "<b>", "happy\n"])
def test_there_are_no_other_labels(folder: Path, label: str) -> None:
    fill(folder, "anna", samples=1)
    with Collection(folder) as collection:
        with pytest.raises(AffectlineError, match="no such label"):
            collection.relabel(collection.samples[0].file, label)
        with pytest.raises(AffectlineError, match="no such label"):
            collection.add("anna", label, face_crop(5))


def test_rejections_are_recorded_with_figures_but_without_a_picture(
    folder: Path,
) -> None:
    fill(folder, "anna", samples=0)
    with Collection(folder) as collection:
        collection.reject("anna", "happy", AT, Rejection("dark: brightness 0.1", 100, 300.0, 0.1))
    with Collection(folder) as collection:
        (row,) = collection.rejected
    assert (row.status, row.reason, row.brightness) == ("refused", "dark: brightness 0.1", 0.1)
    assert not list(folder.rglob("*.png"))


def test_of_a_deleted_person_nothing_remains(folder: Path) -> None:
    fill(folder, "anna", "ben", samples=3)
    with Collection(folder) as collection:
        collection.reject("anna", "happy", AT, Rejection("no face"))
        collection.reject("ben", "sad", AT, Rejection("no face"))
        collection.delete(collection.samples[0].file)
        before = (folder / "people/ben/consent.json").read_bytes()
        collection.delete_person("anna")
        assert [person.name for person in collection.people()] == ["ben"]
    for path in folder.rglob("*"):
        assert "anna" not in path.name
        assert path.is_dir() or b"anna" not in path.read_bytes()
    assert {row["person"] for row in rows(folder)} == {"ben"}
    assert len(list(folder.rglob("*.png"))) == 6
    assert (folder / "people/ben/consent.json").read_bytes() == before


@pytest.mark.parametrize("damaged", [b"", b"\xff\xfe", b"{}", None])
def test_everybody_is_listed_and_can_be_deleted_whatever_their_consent(
    folder: Path, damaged: bytes | None
) -> None:
    fill(folder, "anna", "ben")
    record = folder / "people/ben/consent.json"
    record.unlink()
    if damaged is None:
        record.mkdir()
    else:
        record.write_bytes(damaged)
    shutil.rmtree(folder / "people/anna")  # only the manifest knows
    (folder / "people/.DS_Store").touch()
    with Collection(folder) as collection:
        anna, ben = collection.people()
        assert (anna.name, anna.agreed_at, anna.problem) == ("anna", "", "")
        assert (ben.name, ben.agreed_at) == ("ben", "")
        assert "people/ben/consent.json is damaged" in ben.problem
        for person in (anna, ben):
            collection.delete_person(person.name)
        assert collection.people() == []
    assert not any(path.name == "ben" for path in folder.rglob("*"))


def test_faces_are_not_for_everybody_on_the_machine(folder: Path) -> None:
    fill(folder, "anna", samples=0)
    for path in (folder, folder / "people", folder / "people" / "anna"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_folder_has_one_user(folder: Path) -> None:
    with Collection(folder), pytest.raises(AffectlineError, match="is in use by another process"):
        Collection(folder)
    Collection(folder).close()


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(AffectlineError, match="is not empty"):
        Collection(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,label\nx.png,happy\n", "not a table of a collection"),
        ("", "not a table of a collection"),
        ("{head}x.png,happy,anna,,1,cam,1,1,1,100,200,0.5,new,y.png\n", "row 1 file"),
        ("{head}people/ben/a.png,happy,anna,,1,cam,1,1,1,100,200,0.5,new,people/anna/b.png\n",
         "not below people/anna/"),
        ("{head}\0\n", "row 1"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_not_ours_is_rejected(folder: Path, text: str, words: str) -> None:
    fill(folder)
    manifest = folder / "manifest.csv"
    given = text.replace("{head}", manifest.read_text())
    manifest.write_text(given)
    with pytest.raises(AffectlineError, match=words):
        Collection(folder)
    assert manifest.read_text() == given
