"""The committed benchmark page is what the code writes from the committed results."""

from tests.benchmarks import page, recall_chart, recall_page
from tests.benchmarks.__main__ import DOCS, RESULTS
from tests.benchmarks.results import Results


def test_the_page_and_the_chart_are_in_step_with_the_results() -> None:
    results = Results.model_validate_json(RESULTS.read_text(encoding="utf-8"))
    assert page.format_page(results) == (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    assert page.draw_chart(results) == (DOCS / "benchmarks.svg").read_text(encoding="utf-8")


def test_what_faces_are_found_is_in_step_with_the_results() -> None:
    recall = Results.model_validate_json(RESULTS.read_text(encoding="utf-8")).recall
    text = (DOCS / recall_page.PAGE).read_text(encoding="utf-8")
    assert recall_page.write_part(text, recall) == text
    picture = (DOCS / recall_chart.PICTURE).read_text(encoding="utf-8")
    assert recall_chart.draw_recall(recall) == picture


def test_the_results_survive_a_round_trip() -> None:
    text = RESULTS.read_text(encoding="utf-8")
    results = Results.model_validate_json(text)
    assert results.model_dump_json(indent=2) + "\n" == text
