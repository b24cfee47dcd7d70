"""The report that ``evaluate --out`` writes."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rich.progress import Progress

from affectline.common.errors import AffectlineError
from affectline.common.labels import LABELS
from affectline.common.model import artifact
from affectline.common.model.litert import open_litert
from affectline.training.cli import main as cli
from affectline.training.data import dataset
from affectline.training.data.faces import LabelledFaces
from affectline.training.data.splits import Split
from affectline.training.evaluate import metrics
from affectline.training.evaluate import report as page
from affectline.training.evaluate.predictions import Predictions, predict_faces
from tests.unit.training.faces import model_trained_on, save

HOSTILE = "happy/<script>alert('$x')</script>\"&amp;.png"
VOID = {"meta", "img", "source", "link", "br"}
OPTIONAL = {"th", "td", "tr", "html", "head", "body", "p"}
"""Elements whose end tags HTML lets be left out."""


class Reader(HTMLParser):
    """Collects pictures and text, and sees that what is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.pictures: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID | OPTIONAL:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "srcset"):
                self.pictures.append(value or "")
            if name == "href":
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        if tag not in OPTIONAL:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def evaluated() -> tuple[Predictions, dict[str, Any]]:
    """The real model's answers to sixty made-up faces of five emotions."""
    chance = np.random.default_rng(3)
    pixels = chance.integers(0, 256, (60, 48, 48), dtype=np.uint8)
    emotions = chance.choice([0, 2, 3, 4, 6], 60)
    usages = np.array(["PrivateTest"] * 60)
    names = tuple(HOSTILE.replace("alert", f"alert{row}") for row in range(60))
    faces = LabelledFaces(pixels, emotions, usages, sources=names)
    opened = artifact.load()
    with Progress(disable=True) as progress:
        outputs = predict_faces(open_litert(opened), pixels, progress)
    shares = artifact.to_probabilities(outputs, opened.manifest)
    figures = {"model": opened.model_id, "data": "<faces>", "split": None}
    return Predictions(faces, shares), {**figures, **metrics.report(shares, emotions)}


@pytest.fixture(scope="module")
def folder(
    evaluated: tuple[Predictions, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("evaluation") / "deep" / "report"
    page.write(out, *evaluated)
    return out


@pytest.fixture(scope="module")
def read(folder: Path) -> Reader:
    reader = Reader()
    reader.feed((folder / "index.html").read_text(encoding="utf-8"))
    reader.close()
    return reader


def test_the_folder_holds_the_page_and_what_it_speaks_of(folder: Path, read: Reader) -> None:
    assert {path.name for path in folder.iterdir()} == set(page.FILES)
    assert read.open == []
    assert read.links
    assert all((folder / link).is_file() for link in read.links)


def test_the_page_needs_nothing_from_elsewhere(folder: Path, read: Reader) -> None:
    assert not {"script", "link", "iframe", "object"} & set(read.tags)
    assert all(picture.startswith("data:image/") for picture in read.pictures)
    assert "url(" not in (folder / "index.html").read_text(encoding="utf-8")


def test_every_picture_opens(
    evaluated: tuple[Predictions, dict[str, Any]], folder: Path, read: Reader
) -> None:
    drawings = faces = 0
    for picture in read.pictures:
        kind, content = picture.split(";base64,")
        if kind == "data:image/svg+xml":
            assert ET.fromstring(b64decode(content)).tag.endswith("svg")
            drawings += 1
        else:
            decoded = cv2.imdecode(np.frombuffer(b64decode(content), np.uint8), 0)
            assert decoded is not None
            assert decoded.shape == (48, 48)
            faces += 1
    predictions = evaluated[0]
    hits = int((predictions.labels == predictions.faces.emotions).sum())
    assert drawings == 4  # two diagrams, each for light and dark
    assert faces == min(60 - hits, page.WORST) + min(hits, page.BEST)
    for name in ("confusion.svg", "reliability.svg"):
        assert ET.fromstring((folder / name).read_bytes()).tag.endswith("svg")


def test_mistakes_are_shown_surest_first(read: Reader) -> None:
    sheet = read.text.split("The worst mistakes")[1].split("The most confident hits")[0]
    shares = [int(share) for share in re.findall(r"→ \w+ (\d+)%", sheet)]
    assert len(shares) > 5
    assert shares == sorted(shares, reverse=True)


def test_names_are_text_not_markup(folder: Path, read: Reader) -> None:
    raw = (folder / "index.html").read_text(encoding="utf-8")
    assert "<script" not in raw
    assert "<faces>" in read.text
    assert re.search(r"happy/<script>alert\d+\('\$x'\)</script>\"&amp;\.png", read.text)


def test_an_emotion_that_is_not_in_the_data_is_said_to_be(read: Reader) -> None:
    assert read.text.count("not in these data") == 2


def test_the_figures_lie_beside_the_page(
    evaluated: tuple[Predictions, dict[str, Any]], folder: Path
) -> None:
    report = json.loads((folder / "report.json").read_text())
    assert report == {"kind": page.KIND, **evaluated[1]}
    lines = (folder / "predictions.csv").read_text().splitlines()
    assert len(lines) == 61


def test_the_same_answers_give_the_same_files(
    evaluated: tuple[Predictions, dict[str, Any]], folder: Path, tmp_path: Path
) -> None:
    page.write(tmp_path, *evaluated)
    for name in page.FILES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("given", [0, 3])
def test_a_report_of_nothing_but_hits_or_mistakes(tmp_path: Path, given: int) -> None:
    faces = LabelledFaces(np.zeros((1, 48, 48), np.uint8), np.array([3]), np.array(["Training"]))
    shares = np.eye(7)[[given]]
    figures = {"model": "m", "data": "d", "split": "Training"}
    page.write(
        tmp_path,
        Predictions(faces, shares),
        {**figures, **metrics.report(shares, faces.emotions)},
    )
    text = (tmp_path / "index.html").read_text()
    assert text.count("There are none") == 1
    assert "trained on these very faces" in text


def test_an_earlier_report_is_replaced_and_a_folder_with_more_is_not(
    evaluated: tuple[Predictions, dict[str, Any]], tmp_path: Path
) -> None:
    page.write(tmp_path, *evaluated)
    page.write(tmp_path, *evaluated)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(AffectlineError, match="not a report"):
        page.write(tmp_path, *evaluated)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_somebody_else_s_page_is_not_a_report(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(AffectlineError, match="not a report"):
        page.check_report_folder(tmp_path)
    (tmp_path / "report.json").write_text("[]")
    with pytest.raises(AffectlineError, match="not a report"):
        page.check_report_folder(tmp_path)
    (tmp_path / "report.json").write_bytes(b"\xff{")
    with pytest.raises(AffectlineError, match="not a report"):
        page.check_report_folder(tmp_path)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["affectline-train", "evaluate", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("kind", ["file", "full"])
def test_a_bad_folder_is_one_line_before_anything_is_read(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    kind: str,
) -> None:
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / "mine").touch()
    assert run(monkeypatch, "--data", tmp_path / "none.csv", "--out", out) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("affectline-train: ")
    assert f"--out {out}" in last


def fer2013(path: Path) -> Path:
    """A file of twelve rows, four of them private test rows."""
    chance = np.random.default_rng(0)
    lines = ["emotion,pixels,Usage"]
    for usage in ("Training", "PublicTest", "PrivateTest"):
        for emotion in (0, 3, 3, 6):
            pixels = " ".join(map(str, chance.integers(0, 256, 48 * 48)))
            lines.append(f"{emotion},{pixels},{usage}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_csv_file_is_measured_on_its_private_test_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data, out = fer2013(tmp_path / "faces.csv"), tmp_path / "report"
    assert run(monkeypatch, "--data", data, "--out", out, "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["split"], figures["rows"]) == ("PrivateTest", 4)
    assert json.loads((out / "report.json").read_text()) == {"kind": page.KIND, **figures}
    assert "row 9," in (out / "predictions.csv").read_text()
    assert run(monkeypatch, "--data", data, "--split", "Test") == 0
    assert "on 8 Test faces of faces.csv: accuracy" in capsys.readouterr().out


def test_a_folder_is_measured_on_all_its_pictures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    chance = np.random.default_rng(0)
    for label in (LABELS[3], LABELS[4]):
        (tmp_path / "faces" / label).mkdir(parents=True)
        for index in range(3):
            picture = chance.integers(0, 256, (60, 60), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / "faces" / label / f"{index}.png"), picture)
    arguments = ("--data", tmp_path / "faces", "--out", tmp_path / "report")
    assert run(monkeypatch, *arguments) == 0
    shown = capsys.readouterr().out
    assert "on 6 faces of faces: accuracy" in shown
    assert re.search(r"angry\W+none\W", shown)
    assert "happy/0.png" in (tmp_path / "report" / "index.html").read_text()
    assert run(monkeypatch, *arguments, "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["split"], figures["rows"]) == (None, 6)


def own_folder(folder: Path, count: int = 40) -> Path:
    chance = np.random.default_rng(0)
    for index in range(count):
        label = LABELS[3 + index % 2]
        save(folder / label / f"{index}.png", chance.integers(0, 256, (48, 48), dtype=np.uint8))
    return folder


def test_a_folder_is_measured_on_its_private_pictures_though_some_were_added(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = own_folder(tmp_path / "faces")
    before = dataset.load(data)
    private = int(before.rows(Split.PRIVATE_TEST).sum())
    assert 0 < private < 40
    model = model_trained_on(tmp_path / "mine", sha256=before.sha256, from_folder=True)
    arguments = ("--data", data, "--artifact", model)

    def measured(*more: str) -> dict[str, Any]:
        assert run(monkeypatch, *arguments, "--json", *more) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    found = measured()
    assert (found["split"], found["rows"]) == ("PrivateTest", private)
    assert (found["is_own_data"], found["may_be_own_data"]) == (True, False)
    save(data / "sad" / "added.png")
    found = measured()
    assert found["split"] == "PrivateTest"
    assert found["rows"] in (private, private + 1)
    assert (found["is_own_data"], found["may_be_own_data"]) == (False, True)
    assert measured("--all")["rows"] == 41
    assert run(monkeypatch, *arguments, "--out", tmp_path / "out") == 0
    assert "The model was trained on a folder of pictures, but not" in capsys.readouterr().out
    assert "before pictures were added" in (tmp_path / "out" / "index.html").read_text()
    assert run(monkeypatch, *arguments, "--all", "--split", "Training") == 1
    assert "--all and --split Training contradict" in capsys.readouterr().err


def test_a_folder_is_measured_whole_by_a_model_of_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = own_folder(tmp_path / "faces")
    model = model_trained_on(tmp_path / "mine", sha256="1f3a", from_folder=False)
    assert run(monkeypatch, "--data", data, "--artifact", model, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["split"], found["rows"], found["may_be_own_data"]) == (None, 40, False)


def test_people_s_votes_are_a_second_measure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data, votes = fer2013(tmp_path / "faces.csv"), tmp_path / "votes.csv"
    lines = [
        "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    ]
    for row in range(12):
        usage = ("Training", "PublicTest", "PrivateTest")[row // 4]
        # The last row's votes are for contempt, which no model of ours can answer.
        counts = "0,0,0,0,0,0,0,10,0,0" if row == 11 else "0,9,1,0,0,0,0,0,0,0"
        lines.append(f"{usage},fer{row}.png,{counts}")
    votes.write_text("\n".join(lines) + "\n")
    assert run(monkeypatch, "--data", data, "--votes", votes, "--json") == 0
    assert json.loads(capsys.readouterr().out)["ferplus"]["rows"] == 3


def test_help_and_measuring_without_a_report_need_no_matplotlib() -> None:
    code = (
        "import sys; from affectline.training.cli import main; "
        "from affectline.training.evaluate import metrics, predictions; "
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
