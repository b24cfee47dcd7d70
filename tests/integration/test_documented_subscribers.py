"""The subscribers in docs/protocol.md, word for word, against a real pipeline."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipelines import Pipeline

ROOT = Path(__file__).parents[2]
NODE_MODULES = ROOT / ".cache" / "node" / "node_modules"


def program(language: str) -> str:
    text = (ROOT / "docs" / "protocol.md").read_text()
    match = re.search(rf"<!-- test: {language} -->\n```\w+\n(.*?)```", text, re.DOTALL)
    assert match
    return match[1]


def follow(command: list[str], tmp_path: Path) -> list[list[str]]:
    """Run a program beside a pipeline until it has printed ten lines."""
    with Pipeline(tmp_path / "out", "--pace", "realtime") as pipeline:
        reader = subprocess.Popen(
            [*command, pipeline.hub.outlet], stdout=subprocess.PIPE, text=True
        )
        assert reader.stdout
        lines = [reader.stdout.readline().split() for _ in range(10)]
        reader.kill()
        reader.communicate()
        pipeline.finish()
    return lines


def check(lines: list[list[str]]) -> None:
    seqs = [int(line[0]) for line in lines]
    assert seqs == list(range(seqs[0], seqs[0] + 10))
    for _, track, label, confidence in lines:
        assert int(track) == 1
        assert label.isalpha()
        assert 0 < float(confidence) <= 1


def test_the_python_subscriber(tmp_path: Path) -> None:
    path = tmp_path / "subscriber.py"
    path.write_text(program("python"))
    check(follow([sys.executable, str(path)], tmp_path))


def test_the_node_subscriber(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    if not (NODE_MODULES / "zeromq").exists():
        pytest.skip(f"npm install --prefix {NODE_MODULES.parent} zeromq @msgpack/msgpack")
    path = tmp_path / "subscriber.cjs"
    path.write_text(program("node"))
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    check(follow([node, str(path)], tmp_path))


def test_the_command_that_stops_a_pipeline(tmp_path: Path) -> None:
    path = tmp_path / "quit.py"
    path.write_text(program("command"))
    source = ("--source", "sample", "--delivery", "live")
    with Pipeline(tmp_path / "out", *source, prefixes=("emotion/",)) as pipeline:
        pipeline.wait_for_frame(1)
        subprocess.run([sys.executable, str(path), pipeline.hub.ingress], check=True, timeout=30)
        assert pipeline.process.wait(timeout=30) == 0
