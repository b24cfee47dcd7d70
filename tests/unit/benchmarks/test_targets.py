"""Targets are met or missed only where the measurement says so."""

from typing import Any

import pytest

from tests.benchmarks.results import FullHdSource, Noise
from tests.benchmarks.run_figures import LOST
from tests.benchmarks.targets import Target, compare_with_targets, format_figure
from tests.unit.benchmarks.example_results import live, lossless, machine, results, spread


def find(key: str, **changes: Any) -> Target:
    """The target with this key, where the results are such."""
    return next(one for one in compare_with_targets(results(**changes)) if one.key == key)


def slow_paper(times: float) -> dict[str, Any]:
    paper = results().paper.model_copy(update={"rate": spread(210.0 / times)})
    return {"paper": paper}


def test_all_targets_are_met_by_results_that_are_good() -> None:
    targets = compare_with_targets(results())
    assert {target.verdict for target in targets} == {"met"}
    assert len({target.key for target in targets}) == len(targets) > 30
    assert [target.key for target in targets][:3] == ["times_paper", "times_fer", "frame_cpu_ms"]


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("times_paper", slow_paper(39)),
        ("live_p99_ms", {"live": [live(p99=31.0)]}),
        ("live_longest_ms", {"live": [live(max_ms=101.0)]}),
        ("four_skipped_percent", {"live": [live(4, skipped=40)]}),
        ("six_fairness", {"live": [live(6, shares=[0.9, 0.8, 0.9, 0.9, 0.9, 0.9])]}),
        ("six_unexplained", {"live": [live(6, skipped=3, reasons={"behind": 2, LOST: 1})]}),
        ("long_film_loss_percent", {"long_film": lossless(whole_rate=190.0)}),
        ("stream_mb", {"live": [live(1, rss_mb=400, pss_mb=300), live(3, rss_mb=530, pss_mb=400)]}),
        ("first_s", {"first": results().first.model_copy(update={"received": spread(1.21)})}),
    ],
)
def test_what_is_beyond_its_target_has_missed_it(key: str, changes: dict[str, Any]) -> None:
    target = find(key, **changes)
    assert (target.verdict, target.met) == ("missed", False)
    assert target.gap
    assert target.limit


def test_the_better_of_two_runs_of_four_streams_counts() -> None:
    runs = [live(4, skipped=300), live(4, skipped=5, classifiers=2)]
    assert find("four_skipped_percent", live=runs).met
    # Runs in which memory is read are disturbed by that
    assert find("four_skipped_percent", live=[live(4, rss_mb=500.0)]).met is None


@pytest.mark.parametrize(
    "noise", [Noise(other_cores=1.0), Noise(stolen_percent=20), Noise(drift_percent=30)]
)
def test_a_noisy_machine_is_not_judged(noise: Noise) -> None:
    disturbed = dict.fromkeys(("live", "throughput"), noise)
    missed = find("live_p99_ms", live=[live(p99=80.0)], noise=disturbed)
    assert missed.verdict == "undecided"
    assert missed.disturbed
    # What is met in spite of it is met
    assert find("live_p99_ms", noise=disturbed).verdict == "met"
    # A ratio may have been met because of it
    assert find("times_paper", noise=disturbed).verdict == "undecided"
    # Other parts were quiet
    assert find("first_s", noise=disturbed).verdict == "met"


def test_other_work_changes_no_memory() -> None:
    disturbed = {"memory": Noise(other_cores=1.0)}
    memory = results().memory.model_copy(update={"rss": 451.0})
    assert find("memory_mb", memory=memory, noise=disturbed).verdict == "missed"


def test_runs_that_counted_other_work_by_themselves_are_undecided() -> None:
    assert find("live_p99_ms", live=[live(p99=80.0, other_cores=0.5)]).verdict == "undecided"


def test_without_vnni_only_ratios_are_judged() -> None:
    old = machine(simd={"avx2": True})
    assert find("live_p99_ms", machine=old).verdict == "not judged here"
    assert find("live_p99_ms", machine=old, live=[live(p99=80.0)]).verdict == "not judged here"
    assert find("times_paper", machine=old).verdict == "met"
    assert find("times_paper", machine=old, **slow_paper(12)).verdict == "missed"
    assert find("eight_faces_cpu", machine=old).verdict == "met"


def test_what_was_not_measured_says_why() -> None:
    target = find("report_s", report=None, not_measured={"report": "no room on the disk"})
    assert (target.verdict, target.limit) == ("not measured", "no room on the disk")
    camera = FullHdSource(name="camera, MJPEG", reason="no camera here gives MJPEG")
    target = find("full_hd_mjpeg_skipped_percent", full_hd=[camera])
    assert (target.verdict, target.limit) == ("not measured", "no camera here gives MJPEG")
    assert find("page_p95_ms", hour_page=None).verdict == "not measured"


def test_a_stream_without_any_result_has_no_fair_share() -> None:
    target = find("six_fairness", live=[live(6, shares=[0.0, 1.0, 1.0, 1.0, 1.0, 1.0])])
    assert target.verdict == "missed"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (146.4, "frames/s", "146 frames/s"), (9.0, "ms", "9 ms"), (1.234, "s", "1.23 s"),
        (0.05, "ms", "0.05 ms"), (12.34, "%", "12.3 %"), (120.0, "MB", "120 MB"),
        (0.0, "frames", "0 frames"),
    ],
)  # fmt: skip
def test_figures_have_as_many_digits_as_they_deserve(value: float, unit: str, text: str) -> None:
    assert format_figure(value, unit) == text
