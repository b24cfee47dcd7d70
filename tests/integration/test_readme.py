"""What the README and the first session tell to run, from top to bottom, each in one folder.

That is the README's first screen, its table of common tasks, and docs/first-session.md.

The commands are those of the README, word for word, but for what a test cannot have:

* ``a.mp4`` and ``b.mp4`` are films of a second that the test has made, and ``...`` is ``a.mp4``.
* ``make demo`` is the command that it runs, for six seconds.
* The camera (``--source 0``) is the sample clip over and over, the strap (``ble``) the simulator.
* ``HOST`` is this machine, and ports are free ones: settings files that name them are added.
* What joins a running pipeline finds one: started before, ended by the table's own ``quit``.
* What runs until it is stopped is interrupted as soon as it has shown that it works.

``affectline-train`` is not run: it needs FER2013, which is not part of the repository.
"""

import contextlib
import csv
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from affectline.common.settings.hub import HubSettings
from tests.pipelines import AFFECTLINE, Pipeline, free_port, listening, run
from tests.studies import write_film

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST_SESSION: Final = (ROOT / "docs" / "first-session.md").read_text(encoding="utf-8")
MAKEFILE: Final = (ROOT / "Makefile").read_text(encoding="utf-8")
CAMERA: Final[dict[str, Any]] = {
    "sources": [{"name": "driver", "source": "sample", "loop": True}],
    "delivery": "live", "pace": "realtime",
}  # fmt: skip
JOINING: Final = ("biometrics", "control", "lsl-outlet", "mark", "remote", "subscribe")
"""Commands that join a running pipeline."""
HEALTH: Final = {
    "biometrics": "health/biometrics", "lsl-outlet": "health/outlet/lsl", "hub": "health/hub",
    "classifier": "health/classifier", "remote": "health/remote",
}  # fmt: skip
"""Commands that run until they are stopped, and what tells that they work."""
SUBJECT: Final = "anna"
"""Who is measured by the running pipeline."""
PATIENCE_S: Final = 40
ADDRESS: Final = re.compile("http://127.0.0.1:")


def find_rows() -> list[list[str]]:
    """The commands of each row of the table."""
    begin = README.index("## Common tasks")
    lines = README[begin : README.index("\n## ", begin + 1)].splitlines()
    rows = [re.findall(r"`(affectline [^`]+)`", line) for line in lines if line.startswith("|")]
    return [row for row in rows if row]


def find_lines(text: str) -> list[str]:
    """The commands of a page's indented blocks, in order."""
    lines = re.findall(r"^ {4}((?:make|(?:\.venv/bin/)?affectline) .*)$", text, re.MULTILINE)
    return [line.partition("#")[0].removeprefix(".venv/bin/").strip() for line in lines]


class Table:
    """A folder with what the commands need.

    Args:
        folder: Where they run.
        pipeline: The running pipeline that some of them join; None where none does.
    """

    def __init__(self, folder: Path, pipeline: Pipeline | None = None) -> None:
        self._folder, self._pipeline = folder, pipeline
        self._hub = HubSettings(port=free_port())
        settings = {"hub": {"port": self._hub.port}}
        self._write("alone", settings)
        self._write("camera", settings | CAMERA)
        if pipeline is not None:
            port = free_port()
            services = {"remote": {"port": port, "labrecorder_port": port + 1}}
            self._write("joining", {"hub": {"port": pipeline.hub.port}, "services": services})

    def _write(self, name: str, settings: dict[str, Any]) -> None:
        (self._folder / f"{name}.yaml").write_text(yaml.safe_dump(settings))

    def rewrite(self, command: str) -> list[str]:
        """The arguments of a command, with what stands in for things that a test cannot have."""
        if command == "make demo":
            return self._rewrite_demo()
        words = [word.replace("HOST", "127.0.0.1") for word in shlex.split(command)[1:]]
        if words[-1] == "...":
            words[-1:] = ["--source", "a.mp4"]
        words = ["synthetic" if word == "ble" else word for word in words]
        settings = "joining" if words[0] in JOINING else "alone"
        if "--source" in words and words[words.index("--source") + 1] == "0":
            at = words.index("--source")
            settings = "camera"
            words[at : at + 2] = ["--source", "a.mp4"] if words[0] == "collect" else []
        if words[0] in ("doctor", "replay"):
            return [*words, "--port", str(self._hub.port)]
        if words[0] in ("report", "info", "export", "keys", "study"):
            return words
        if words[0] == "subscribe":
            return [*words, "--address", self.pipeline.hub.outlet]
        return [*words, "--config", f"{settings}.yaml"]

    def _rewrite_demo(self) -> list[str]:
        recipe = re.search(r"^demo:.*\n\t\$\(BIN\)/affectline (.*)$", MAKEFILE, re.MULTILINE)
        assert recipe
        words = [str(ROOT / word) if "/" in word else word for word in recipe[1].split()]
        return [*words, "--duration", "6", "--bind", f"127.0.0.1:{self._hub.port}"]

    @property
    def pipeline(self) -> Pipeline:
        """The running pipeline."""
        assert self._pipeline is not None
        return self._pipeline

    @contextlib.contextmanager
    def running(self, command: str) -> Iterator[None]:
        """Run a command: to its end, or until the row's end if it does not end by itself."""
        words = self.rewrite(command)
        is_page = words[0] == "collect" or "browser" in words
        if not is_page and words[0] not in (*HEALTH, "subscribe"):
            done = run(*words, cwd=self._folder)
            assert done.returncode == 0, f"{command}: {done.stderr}"
            yield
            return
        started = subprocess.Popen(
            [*AFFECTLINE, *words], cwd=self._folder, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            if words[0] in HEALTH:
                self._wait_for_health(words[0])
            else:
                self._wait_for_line(started, ADDRESS if is_page else re.compile("."))
            yield
            started.send_signal(signal.SIGINT)
            started.communicate(timeout=30)
            assert started.returncode in (0, 130), command
        finally:
            if started.poll() is None:
                started.kill()
                started.communicate()

    def _wait_for_health(self, name: str) -> None:
        hub = self.pipeline.hub if name in JOINING else self._hub
        with listening(hub) as listener:
            deadline = time.monotonic() + PATIENCE_S
            while time.monotonic() < deadline:
                listener.wait(timeout_s=1)
                topics = [packet.message.topic for packet in listener.receive()]
                # The pipeline has a sensor of its own
                if any(t.startswith(HEALTH[name]) and SUBJECT not in t for t in topics):
                    return
        raise AssertionError(f"{name}: nothing was heard of it for {PATIENCE_S} s")

    def _wait_for_line(self, started: subprocess.Popen[str], wanted: re.Pattern[str]) -> None:
        assert started.stdout
        for line in started.stdout:
            if wanted.search(line):
                return
        raise AssertionError(f"{started.args!r} has ended: {started.returncode}")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_table_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFECTLINE_KEYS", str(tmp_path / "keys"))
    pytest.importorskip("pyarrow", reason="needs pyarrow (the tables extra)")
    pytest.importorskip("nicegui", reason="needs nicegui (the dashboard extra)")
    for name in ("a.mp4", "b.mp4"):
        write_film(tmp_path / name, 1)
    settings = CAMERA | {"biometrics": [{"driver": "synthetic", "subject": SUBJECT}]}
    (tmp_path / "running.yaml").write_text(yaml.safe_dump(settings))
    config = ("--config", str(tmp_path / "running.yaml"))
    with Pipeline(tmp_path / "running", *config, prefixes=("emotion/",)) as pipeline:
        table = Table(tmp_path, pipeline)
        pipeline.wait_for_frame(1, timeout_s=60)
        for row in find_rows():
            with contextlib.ExitStack() as stack:
                for command in row:
                    stack.enter_context(table.running(command))
        pipeline.finish()  # by the table's quit
    with (tmp_path / "running" / "markers.csv").open(newline="") as file:
        assert "hard braking" in [row["label"] for row in csv.DictReader(file)]
    made = {path.name for path in (tmp_path / "sessions" / "study1").iterdir()}
    assert {"emotions.csv", "markers.csv", "session.json", "report.html", "export"} <= made
    assert "session.mcap" not in made, "all of this without a recording"
    exported = {path.name for path in tmp_path.glob("sessions/study*/export/*")}
    assert exported == {"emotions.parquet", "states.parquet", "a.mp4"}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", ["README", "first session"])
def test_the_first_steps_run_from_top_to_bottom(page: str, tmp_path: Path) -> None:
    pytest.importorskip("nicegui", reason="needs nicegui (the dashboard extra)")
    write_film(tmp_path / "holiday.mp4", 1)
    first_screen = README[: README.index("\n## ")]
    lines = find_lines(first_screen if page == "README" else FIRST_SESSION)
    assert lines[0] == "make demo"
    assert len(lines) == (2 if page == "README" else 5)
    table = Table(tmp_path)
    for line in lines:
        with table.running(line):
            pass
    reports = {path.parent.name for path in tmp_path.glob("sessions/*/report.html")}
    assert len(reports) == (1 if page == "README" else 2)


def test_every_task_of_the_table_is_run() -> None:
    commands = {shlex.split(command)[1] for row in find_rows() for command in row}
    assert len(find_rows()) >= 12
    assert {"up", "replay", "report", "export", "subscribe", "control", "doctor"} <= commands
