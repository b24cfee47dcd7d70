"""The page is written from the results beside it."""

from tests.chaos import page
from tests.chaos.__main__ import PAGE, RESULTS
from tests.chaos.cells import matrix
from tests.chaos.results import CellResult, Matrix

RESULT = CellResult(
    name="record/SIGKILL/sink", mode="record", fault="SIGKILL", target="sink", pause_s=0.5,
    back_s=1.0, sent=100, rows=99, lost=1, skipped=0, unaccounted=0, recorded=100, answers=100,
)  # fmt: skip


def matrix_of(*cells: CellResult) -> Matrix:
    return Matrix(
        date="2026-11-28", commit="abc", machine="2 cores", seconds=60, lanes=2, is_whole=True,
        cells=list(cells),
    )  # fmt: skip


def test_the_page_belongs_to_the_results() -> None:
    results = Matrix.model_validate_json(RESULTS.read_text(encoding="utf-8"))
    assert page.format_page(results) == PAGE.read_text(encoding="utf-8"), (
        "run: python -m tests.chaos --page"
    )


def test_the_results_are_those_of_the_whole_matrix() -> None:
    results = Matrix.model_validate_json(RESULTS.read_text(encoding="utf-8"))
    assert [one.name for one in results.cells] == [cell.name for cell in matrix()]


def test_what_was_not_kept_is_named_first() -> None:
    broken = RESULT.model_copy(update={"verdict": "broken", "broken": ["1 lost"]})
    text = page.format_page(matrix_of(RESULT, broken))
    head, _, _ = text.partition("## Record")
    assert "* `record/SIGKILL/sink`: 1 lost" in head
    assert "lossless: frames without a row | 0 | 2 of 200 in 2 runs" in head


def test_what_could_not_be_tried_says_why() -> None:
    cell = CellResult(
        name="record/fulldisk", mode="record", fault="full disk", target="", verdict="left out",
        broken=["a small disk can be mounted by root alone"],
    )  # fmt: skip
    text = page.format_page(matrix_of(RESULT, cell))
    assert "left out: a small disk can be mounted by root alone" in text
    assert "1 could not be tried here" in text
