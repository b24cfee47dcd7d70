"""The page of the curves, from a model that is not one."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.progress import Progress

from affectline.common.errors import AffectlineError
from affectline.training.data.faces import LabelledFaces
from affectline.training.robustness import curves, page

DOCS = Path(__file__).parents[4] / "docs"


def classify(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Sure of happiness in sharp pictures, of anything in others."""
    sharp = np.clip(pixels.astype(float).std(axis=(1, 2)) / 80, 0.05, 0.9)
    shares = np.tile(((1 - sharp) / 6)[:, np.newaxis], (1, 7))
    shares[:, 3] = sharp
    return shares


def some_faces(count: int = 24) -> LabelledFaces:
    random = np.random.default_rng(5)
    pixels = random.integers(0, 256, (count, 48, 48), dtype=np.uint8)
    usages = np.array(["PublicTest"] * count)
    return LabelledFaces(pixels, random.integers(0, 7, count), usages)


@pytest.fixture(scope="module")
def measured() -> page.Measured:
    faces = some_faces()
    with Progress(disable=True) as progress:
        pictures = curves.measure_pictures(curves.draw_faces(faces, 12), classify, progress)
    levels = tuple(
        curves.measure_outcome(
            level, classify(faces.pixels), faces.emotions, np.full(24, level or 1.0)
        )
        for level in (0.0, 30.0, 60.0)
    )
    turned = tuple(
        curves.DamageCurve(name, title, "degrees", levels) for name, title, *_ in curves.TURNS
    )
    own = curves.OwnPoses(
        np.linspace(0, 50, 24), np.linspace(-40, 30, 24), np.arange(24) % 3 > 0, 1
    )
    turns = curves.TurnedCurves(turned, own)
    return page.Measured("PublicTest", 12, 24, pictures, turns)


def test_the_page_names_every_kind_and_its_figures(measured: page.Measured, tmp_path: Path) -> None:
    file = page.write(tmp_path, "model@1", measured, measured)
    text = file.read_text()
    for curve in measured.curves():
        assert f"\n## {curve.title}\n" in text
    assert "will be lost" in text
    table = json.loads((tmp_path / page.FOLDER / page.TABLE).read_text())
    assert table["model"] == "model@1"
    assert set(table["limits"]) == set(page.read_limits(measured))
    blur = table["splits"]["PublicTest"]["curves"]["blur"]["points"]
    assert [point["level"] for point in blur] == list(curves.PICTURES[0].levels)
    assert all(
        low <= point["accuracy"] <= high for point in blur for low, high in [point["interval"]]
    )
    assert ET.fromstring((tmp_path / page.FOLDER / page.PICTURE).read_bytes()).tag.endswith("svg")


def test_the_same_figures_give_the_same_files(measured: page.Measured, tmp_path: Path) -> None:
    for name in ("one", "two"):
        page.write(tmp_path / name, "model@1", measured, measured)
    for part in (page.PAGE, f"{page.FOLDER}/{page.TABLE}", f"{page.FOLDER}/{page.PICTURE}"):
        assert (tmp_path / "one" / part).read_bytes() == (tmp_path / "two" / part).read_bytes()


def test_the_documented_figures_can_be_drawn_again_without_measuring() -> None:
    table = json.loads((DOCS / page.FOLDER / page.TABLE).read_text())
    shown = table["splits"]["PrivateTest"]["curves"]
    assert ET.fromstring(page.draw(shown)).tag.endswith("svg")
    assert {kind.axis for kind in curves.PICTURES} <= {curve["axis"] for curve in shown.values()}


def test_an_axis_has_its_unit_and_is_to_scale() -> None:
    table = json.loads((DOCS / page.FOLDER / page.TABLE).read_text())
    axes = Figure().subplots()
    curve = table["splits"]["PrivateTest"]["curves"]["jpeg"]
    page.draw_curve(axes, "jpeg", curve)
    assert axes.get_xlabel() == "quality of the JPEG compression of the 48x48 crop"
    names = [tick.get_text() for tick in axes.get_xticklabels()]
    assert names == ["none", "75", "50", "30", "20", "10"]
    assert [*axes.get_xticks()] == [101, 75, 50, 30, 20, 10]
    assert axes.get_xlim()[0] > axes.get_xlim()[1]


def test_names_of_levels_do_not_overlap() -> None:
    assert page.choose_ticks([0, 1, 50, 55, 100], False) == [0, 50, 100]
    assert page.choose_ticks([1, 0.1, 0.01], True) == [1, 0.1, 0.01]


def test_a_place_that_cannot_be_written_is_named(measured: page.Measured, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(AffectlineError, match="--out"):
        page.write(tmp_path / "file", "model@1", measured, measured)


def test_the_same_faces_are_drawn_each_time() -> None:
    faces = some_faces()
    one, two = (curves.draw_faces(faces, 10) for _ in range(2))
    assert one.sources == two.sources
    assert len(one) == 10
    assert len(curves.draw_faces(faces, 100)) == 24


def test_faces_without_a_mesh_cannot_be_turned() -> None:
    nothing = LabelledFaces(
        np.full((4, 48, 48), 128, np.uint8), np.zeros(4, np.int64), np.array(["PublicTest"] * 4)
    )
    with (
        Progress(disable=True) as progress,
        pytest.raises(AffectlineError, match="none of the 4 faces has a mesh"),
    ):
        curves.measure_turns(nothing, 4, classify, progress)
