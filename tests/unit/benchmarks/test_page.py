"""The committed benchmark page is what the code writes from the committed results."""

from tests.benchmarks import growth_page, history, page, recall_chart, recall_page
from tests.benchmarks.__main__ import DOCS, RESULTS
from tests.benchmarks.environment import kernel_version
from tests.benchmarks.results import FullHdSource, Noise, Results
from tests.benchmarks.run_figures import LOST
from tests.unit.benchmarks.example_results import live, machine, results


def test_the_page_and_the_chart_are_in_step_with_the_results() -> None:
    committed = Results.model_validate_json(RESULTS.read_text(encoding="utf-8"))
    earlier = history.read_history(DOCS / history.FILE)
    for name, text in (
        ("benchmarks.md", page.format_page(committed, earlier)),
        ("benchmarks.svg", page.draw_chart(committed)),
        (growth_page.PICTURE, growth_page.draw_growth(committed)),
        (history.PICTURE, history.draw_history(earlier)),
    ):
        assert (DOCS / name).read_text(encoding="utf-8") == text, name


def test_what_faces_are_found_is_in_step_with_the_results() -> None:
    recall = Results.model_validate_json(RESULTS.read_text(encoding="utf-8")).recall
    text = (DOCS / recall_page.PAGE).read_text(encoding="utf-8")
    assert recall_page.write_part(text, recall) == text
    picture = (DOCS / recall_chart.PICTURE).read_text(encoding="utf-8")
    assert recall_chart.draw_recall(recall) == picture


def test_the_results_survive_a_round_trip() -> None:
    text = RESULTS.read_text(encoding="utf-8")
    committed = Results.model_validate_json(text)
    assert committed.model_dump_json(indent=2) + "\n" == text


def test_the_page_begins_with_targets_and_ends_with_the_machine() -> None:
    text = page.format_page(results(part_s={"memory": 9.0, "throughput": 130.0}), [])
    heads = [line for line in text.splitlines() if line.startswith("## ")]
    assert heads[:3] == ["## Targets", "## Growth", "## Floor"]
    assert heads[-1] == "## Machine"
    assert "## Dashboard" in heads  # docs/dashboard.md links to it
    assert "What limits" not in text
    assert "took 11.0 minutes" in text
    assert ": throughput 130 s, memory 9 s, ..." in text


def test_the_page_says_what_limits_targets_and_why_some_are_undecided() -> None:
    camera = FullHdSource(name="camera, MJPEG", reason="no camera here gives MJPEG")
    runs = [live(p99=80.0), live(6, skipped=3, reasons={"stale": 2, LOST: 1})]
    text = page.format_page(
        results(live=runs, full_hd=[camera], noise={"live": Noise(other_cores=1.0)}), []
    )
    assert "| **undecided** |" in text
    assert "* Undecided, because 1.00 cores were busy with other work: throughput" not in text
    assert "* Undecided, because 1.00 cores were busy with other work: live, one stream" in text
    assert "* no camera here gives MJPEG: " in text
    assert "| camera, MJPEG |  |  |  |  | no camera here gives MJPEG |" in text
    assert "3 of 2832 skipped: stale 2, no result 1" in text


def test_the_page_says_that_a_machine_without_vnni_is_not_judged() -> None:
    text = page.format_page(results(machine=machine(simd={"avx2": True})), [])
    assert "**not judged here**" in text
    assert "which this one lacks" in text


def test_a_kernel_is_named_by_major_and_minor_version() -> None:
    assert kernel_version("Linux", "6.18.44-of-a-lab") == "Linux 6.18"
    assert kernel_version("Darwin", "24.1.0") == "Darwin 24.1"
    assert kernel_version("Linux", "") == "Linux"
