"""A clock that is set is noticed, and one that is steered is not."""

import subprocess
import sys
from pathlib import Path

import pytest

from affectline.common import clock
from affectline.common.clock import ClockWatch
from tests.clock_setting import SettableClock

SECOND = 1_000_000_000
START = 1_795_445_587 * SECOND


class Clocks:
    """Two clocks of a machine."""

    def __init__(self) -> None:
        self.elapsed_ns = 7 * SECOND
        self.ahead_ns = START
        self.interruptions_ns: list[int] = []

    def elapsed(self) -> int:
        return self.elapsed_ns

    def now(self) -> int:
        shown = self.elapsed_ns + self.ahead_ns
        if self.interruptions_ns:
            self.elapsed_ns += self.interruptions_ns.pop()
        return shown

    def watch(self) -> ClockWatch:
        return ClockWatch(self.now, self.elapsed)


@pytest.mark.parametrize("by_s", [3600, -3600, 0.06, -0.06])
def test_a_step_is_told_once_with_both_times(by_s: float) -> None:
    clocks = Clocks()
    watch = clocks.watch()
    clocks.elapsed_ns += SECOND
    assert watch.detect_step() is None
    clocks.elapsed_ns += SECOND // 2
    clocks.ahead_ns += round(by_s * SECOND)
    assert watch.detect_step() is None, "it is looked at once a second"
    clocks.elapsed_ns += SECOND // 2
    step = watch.detect_step()
    assert step is not None
    assert step.by_ns == by_s * SECOND
    assert step.before == START + 9 * SECOND
    assert step.after == clocks.now()
    clocks.elapsed_ns += SECOND
    assert watch.detect_step() is None


def test_a_clock_that_is_steered_is_not_set() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    for _ in range(3600):
        clocks.elapsed_ns += SECOND
        clocks.ahead_ns += 500_000
        assert watch.detect_step() is None


def test_a_process_that_is_interrupted_while_it_looks_sees_no_step() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    clocks.elapsed_ns += 5 * SECOND
    clocks.interruptions_ns = [2 * SECOND, 3 * SECOND]
    assert watch.detect_step() is None


def test_real_clocks_run_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "COMPARE_NS", 0)
    watch = ClockWatch()
    assert [watch.detect_step() for _ in range(100)] == [None] * 100


def test_a_process_goes_by_a_clock_that_is_set_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settable = SettableClock(tmp_path)
    monkeypatch.setenv(*settable.variable)
    code = (
        "import sys, time; from affectline.common.clock import now_ns\n"
        "for _ in sys.stdin: print(round((now_ns() - time.time_ns()) / 1e9), flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        seen = []
        for by_s in (0, 3600, -7200):
            settable.set_by(by_s)
            process.stdin.write("\n")
            process.stdin.flush()
            seen.append(int(process.stdout.readline()))
        process.stdin.close()
    assert seen == [0, 3600, -3600]
