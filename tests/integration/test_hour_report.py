"""The report of an hour's session with sensors: what it costs."""

import subprocess
import sys
from pathlib import Path

from tests.pipelines import AFFECTLINE

ROOT = Path(__file__).parents[2]
MOST_BYTES = 500 << 20
MOST_CPU_S = 40.0
"""A quarter of it is used where nothing else runs; processors that are shared take longer."""


MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_maxrss, used.ru_utime + used.ru_stime)
"""
"""Run a command and print its peak memory, in KiB, and its processor time, in s."""


def test_the_report_of_an_hour_takes_little_memory_and_time(tmp_path: Path) -> None:
    write = [sys.executable, "-m", "tests.hour_session", str(tmp_path / "hour")]
    subprocess.run(write, cwd=ROOT, check=True)
    # A child's peak begins with what its parent holds, which for a process of tests may be much
    measure = [sys.executable, "-c", MEASURE, *AFFECTLINE, "report", str(tmp_path / "hour")]
    command = subprocess.run(measure, stdout=subprocess.PIPE, text=True, check=True)
    said, _, figures = command.stdout.rstrip().rpartition("\n")
    peak_kib, cpu_s = map(float, figures.split())
    assert "One face for 100\N{NO-BREAK SPACE}% of 1\N{NO-BREAK SPACE}h; mostly happy" in said
    assert "How calm anna was: mostly calm." in said
    assert peak_kib * 1024 < MOST_BYTES
    assert cpu_s < MOST_CPU_S
    page = (tmp_path / "hour/report.html").read_text()
    assert len(page) < 3_000_000
    assert page.count("<article>") == 6
    assert ">50:00</span>" in page
