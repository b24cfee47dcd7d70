"""The report of an hour's session with sensors: what it costs."""

import os
import subprocess
import sys
from pathlib import Path

from tests.pipelines import AFFECTLINE

ROOT = Path(__file__).parents[2]
MOST_BYTES = 500 << 20
MOST_CPU_S = 40.0
"""A quarter of it is used where nothing else runs; processors that are shared take longer."""


def test_the_report_of_an_hour_takes_little_memory_and_time(tmp_path: Path) -> None:
    write = [sys.executable, "-m", "tests.hour_session", str(tmp_path / "hour")]
    subprocess.run(write, cwd=ROOT, check=True)
    with subprocess.Popen(
        [*AFFECTLINE, "report", str(tmp_path / "hour")], stdout=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout is not None
        said = command.stdout.read()
        _, status, used = os.wait4(command.pid, 0)
        command.returncode = os.waitstatus_to_exitcode(status)
    assert command.returncode == 0
    assert "One face for 100\N{NO-BREAK SPACE}% of 1\N{NO-BREAK SPACE}h; mostly happy" in said
    assert "How calm anna was: mostly calm." in said
    assert used.ru_maxrss * 1024 < MOST_BYTES
    assert used.ru_utime + used.ru_stime < MOST_CPU_S
    page = (tmp_path / "hour/report.html").read_text()
    assert len(page) < 3_000_000
    assert page.count("<article>") == 6
    assert ">50:00</span>" in page
