"""The page of the paper's tables."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow (the training extra)")

from affectline.common.errors import AffectlineError
from affectline.training.reproduce import report as results
from affectline.training.reproduce.checkpoint import CurvePoint
from affectline.training.reproduce.grid import Grid, GridRow

SMALL = Grid(
    sizes=(GridRow("16", 2, 16), GridRow("8", 2, 8)),
    lengths=(GridRow("2", 2, 16), GridRow("4", 4, 16)),
    rates=(GridRow("0.002", 2, 16), GridRow("0.001", 2, 16, 0.001)),
    preprocessings=("unit", "raw"),
    seeds=(0, 1),
)


def test_the_page_shows_what_was_run_and_what_was_not(tmp_path: Path) -> None:
    curve = (CurvePoint(1, 1.5, 0.4, 1.6, 0.35), CurvePoint(2, 1.0, 0.997, 3.0, 0.4625))
    curves = {line.run_config("unit").name: curve for line in SMALL.sizes}
    file = results.write(results.ResultsPage(SMALL, curves, 40, 10), tmp_path)
    text = file.read_text()
    assert "| 16 | 46.1 to 46.7 (99.7) | 46.25 (99.70) | not run |" in text
    assert "| 4 | 46.1 to 46.7 (99.7) | not run | not run |" in text
    assert "in the range" in text
    for line in text.splitlines():
        if line.startswith("!["):
            name = line.split("](")[1].rstrip(")")
            assert (tmp_path / name).read_text().startswith("<?xml")
    table = pd.read_csv(tmp_path / "results" / "curves.csv")
    ends = table[table["epoch"] == 2]
    assert set(ends["training"]) == set(curves)
    assert list(ends["test_accuracy"]) == [0.4625, 0.4625]


def test_the_page_tells_what_the_pixels_make(tmp_path: Path) -> None:
    def ending(epochs: int, accuracy: float) -> CurvePoint:
        return CurvePoint(epochs, 1.0, 0.997, 3.0, accuracy)

    batch, length = SMALL.sizes[1], SMALL.lengths[1]
    curves = {
        batch.run_config("unit").name: (ending(2, 0.456),),
        batch.run_config("raw").name: (ending(2, 0.436),),
        length.run_config("unit").name: (ending(2, 0.461), ending(4, 0.436)),
        length.run_config("raw").name: (ending(2, 0.441), ending(4, 0.431)),
    }
    file = results.write(results.ResultsPage(SMALL, curves, 40, 10), tmp_path)
    words = " ".join(file.read_text().split())
    assert "* Pixels 0 to 255: -2.00 (nearest line) to -3.00 points" in words
    # Of the three lines, one is too far with the better pixels as well.
    assert "Pixels 0 to 255: of 3 lines, 3 end more than 1.5 points from the range." in words
    assert "2 of these 3 end within 1.5 points, and all 3 are 1.5 points nearer" in words
    assert "With pixels 0 to 1, the remaining differences at more epochs (4) are those" in words


def test_a_place_is_checked_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "results.md").write_text("of before")
    results.check_writable(tmp_path)
    assert (tmp_path / "results.md").read_text() == "of before"
    with pytest.raises(AffectlineError, match=r"--out .* \(Not a directory\)"):
        results.check_writable(tmp_path / "results.md")


def test_the_page_tells_a_last_epoch_from_where_the_training_is(tmp_path: Path) -> None:
    lines = (GridRow("20", 20, 16), GridRow("40", 40, 16))
    tables = replace(SMALL, lengths=lines)
    points = tuple(CurvePoint(i, 1.0, 0.997, 3.0, 0.44 + 0.01 * (i % 2)) for i in range(1, 41))
    name = lines[-1].run_config("unit").name
    text = results.write(results.ResultsPage(tables, {name: points}, 40, 10), tmp_path).read_text()
    assert "| 20 | 44.00 | 44.5 | 44.0 to 45.0 | -1.6 |" in text
    assert "| 40 | 44.00 | 44.5 | 44.0 to 45.0 | -1.6 |" in text
    text = results.write(
        results.ResultsPage(tables, {name: points[:30]}, 40, 10), tmp_path
    ).read_text()
    assert "| 40 | 44" not in text, "it is not there yet"


def test_the_same_figures_make_the_same_files(tmp_path: Path) -> None:
    curve = (CurvePoint(1, 1.5, 0.4, 1.6, 0.40), CurvePoint(2, 1.0, 0.5, 3.0, 0.45))
    page = results.ResultsPage(SMALL, {SMALL.sizes[0].run_config("unit").name: curve}, 40, 10)
    for name in ("one", "two"):
        results.write(page, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "one") for path in tmp_path.glob("one/**/*.*"))
    assert len(files) > 1
    for path in files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(AffectlineError, match="--out"):
        results.write(results.ResultsPage(SMALL, {}, 40, 10), tmp_path / "taken")


def test_how_far_off_the_paper_s_range() -> None:
    assert results.distance_from_paper(0.464) == 0
    assert results.distance_from_paper(0.441) == pytest.approx(-0.02)
    assert results.distance_from_paper(0.477) == pytest.approx(0.01)


def test_what_others_have_written_below_the_line_is_kept(tmp_path: Path) -> None:
    page = results.ResultsPage(SMALL, {}, 40, 10)
    file = results.write(page, tmp_path)
    plain = file.read_text()
    file.write_text(f"{plain}\n{results.KEPT_FROM}\n\n## Others\n")
    for _ in range(2):
        assert results.write(page, tmp_path).read_text() == (
            f"{plain}\n{results.KEPT_FROM}\n\n## Others\n"
        )
