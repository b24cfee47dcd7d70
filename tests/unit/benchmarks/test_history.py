"""The history has an entry for each run, and compares machines only by ratios."""

import xml.etree.ElementTree as ET
from pathlib import Path

from tests.benchmarks import history
from tests.benchmarks.history import HistoryEntry
from tests.benchmarks.results import Noise
from tests.benchmarks.targets import compare_with_targets
from tests.unit.benchmarks.example_results import results


def entry(commit: str, date: str, machine: str = "Abacus", **figures: float) -> HistoryEntry:
    return HistoryEntry(commit=commit, date=date, machine=machine, figures=figures)


def texts(svg: str) -> list[str]:
    return ["".join(one.itertext()) for one in ET.fromstring(svg).iter() if "text" in one.tag]


def test_an_entry_has_the_figures_of_all_targets_that_were_measured() -> None:
    measured = results(report=None, noise={"live": Noise(other_cores=1.0)})
    made = history.make_entry(measured, compare_with_targets(measured))
    assert made.machine == "Abacus, 2 cores, VNNI"
    assert made.figures["times_paper"] == 42
    assert made.figures["memory_mb"] == 420
    assert "report_s" not in made.figures
    assert "live_p50_ms" in made.disturbed
    assert "first_s" not in made.disturbed


def test_the_history_grows(tmp_path: Path) -> None:
    file = tmp_path / history.FILE
    assert history.read_history(file) == []
    first, second = entry("a", "1", frame_cpu_ms=9.0), entry("b", "2", frame_cpu_ms=8.0)
    history.write_history(file, history.add_entry([first], second))
    assert history.read_history(file) == [first, second]
    assert file.read_text(encoding="utf-8").endswith("]\n")


def test_a_run_replaces_itself_and_no_other() -> None:
    old, other = entry("a", "1", first_s=2.0), entry("a", "1", "Babbage", first_s=3.0)
    again = entry("a", "1", first_s=1.0)
    assert history.add_entry([old, other], again) == [other, again]


def test_only_ratios_are_drawn_across_machines() -> None:
    runs = [
        entry("aaa", "1", times_paper=20.0, frame_cpu_ms=18.0),
        entry("bbb with changes", "2", "Babbage", times_paper=10.0, frame_cpu_ms=17.0),
        entry("ccc", "3", times_paper=40.0, frame_cpu_ms=9.0),
    ]
    said = texts(history.draw_history(runs))
    assert "Ratios, all machines" in said
    assert "CPU, ms a frame: machine 1" in said
    assert "CPU, ms a frame: machine 2" not in said  # one dot shows nothing
    assert [said.count(name) for name in ("aaa", "bbb", "ccc")] == [2, 1, 2]
    assert said.count("times the paper's way") == 1
    assert not any("memory" in text for text in said)  # which no run has measured
    assert history.describe_machines(runs) == (
        "machine 1: Abacus; machine 2: Babbage (one run, shown in the ratios only)"
    )


def test_what_was_disturbed_is_drawn_hollow() -> None:
    quiet, noisy = entry("aaa", "1", first_s=1.0), entry("bbb", "2", first_s=1.0)
    noisy.disturbed.append("first_s")
    svg = history.draw_history([quiet, noisy])
    assert svg.count("<circle") == 2
    assert svg.count('r="3.5" fill="#fff"') == 1


def test_the_chart_shows_the_last_runs() -> None:
    runs = [entry(f"c{i}", str(i), times_paper=float(i)) for i in range(1, 2 * history.SHOWN)]
    assert history.draw_history(runs).count("<circle") == history.SHOWN
    ET.fromstring(history.draw_history([]))
