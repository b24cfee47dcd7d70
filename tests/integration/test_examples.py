"""The programs in examples/, beside one pipeline."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from affectline.common.labels import LABELS
from affectline.common.wire.messages import Marker
from tests.pipelines import Pipeline

EXAMPLES = Path(__file__).parents[2] / "examples"
CONFIG = """
delivery: live
pace: realtime
sources:
  - {name: driver, source: sample, loop: true}
"""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("examples")
    config = folder / "config.yaml"
    config.write_text(CONFIG)
    prefixes = ("emotion/", "marker/")
    with Pipeline(folder / "out", "--config", str(config), prefixes=prefixes) as started:
        started.wait_for_frame(10, timeout_s=60)
        yield started
        started.interrupt()


def run(name: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.splitlines()


def test_every_example_is_listed_and_has_a_test() -> None:
    scripts = {path.name for path in EXAMPLES.glob("*.py")}
    listed = set(re.findall(r"\]\((\w+\.py)\)", (EXAMPLES / "README.md").read_text()))
    here = Path(__file__)
    tested = set(re.findall(r'"(\w+\.py)"', here.read_text()))
    tested -= {"test_experiments.py"}
    tested |= set(
        re.findall(r'"examples/(\w+\.py)"', here.with_name("test_experiments.py").read_text())
    )
    assert scripts == listed == tested


def test_subscribe_emotions(pipeline: Pipeline) -> None:
    lines = run("subscribe_emotions.py", "--address", pipeline.hub.outlet, "--count", "10")
    assert len(lines) >= 10
    assert all(line.startswith("driver ") for line in lines)
    assert any(re.search(rf"face \d+: ({'|'.join(LABELS)}) \d+% \(\d+ ms\)", s) for s in lines)


def test_live_bars(pipeline: Pipeline) -> None:
    lines = run("live_bars.py", "--address", pipeline.hub.outlet, "--count", "2")
    assert [line.split()[0] for line in lines] == [*LABELS, *LABELS]
    shares = [int(line.split()[-1].rstrip("%")) for line in lines[: len(LABELS)]]
    assert sum(shares) == pytest.approx(100, abs=len(LABELS) / 2)


def test_publish_marker_and_read_session(pipeline: Pipeline) -> None:
    pytest.importorskip("pandas", reason="the example needs pandas")
    run(
        "publish_marker.py", "stimulus on", "--field", "trial=3", "--field", "image=beach.jpg",
        "--address", pipeline.hub.ingress, "--outlet", pipeline.hub.outlet,
    )  # fmt: skip
    marker = pipeline.wait_for(lambda message: isinstance(message, Marker))
    assert isinstance(marker, Marker)
    assert (marker.label, marker.extra) == ("stimulus on", {"trial": 3, "image": "beach.jpg"})
    for _ in range(30):  # the sink writes it down: all of it, and what follows
        pipeline.wait_for(lambda message: message.topic == "emotion/driver")
    lines = run("read_session.py", str(pipeline.out))
    assert lines[0] == "Share of the frames by stream:"
    assert any(line.startswith("driver") for line in lines)
    begin = next(i for i, line in enumerate(lines) if line.startswith("stimulus on at "))
    changes = [line.split() for line in lines[begin + 1 :]]
    assert [name for name, _ in changes] == list(LABELS)
    assert sum(float(change) for _, change in changes) == pytest.approx(0, abs=0.01)
