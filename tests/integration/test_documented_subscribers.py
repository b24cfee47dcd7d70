"""The subscribers in docs/protocol.md, word for word, against a real pipeline."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from affectline.common.runtime.endpoints import reach
from tests.pipelines import Pipeline, run

ROOT = Path(__file__).parents[2]
WITH_KEYS = {"AFFECTLINE_SECURITY": "required"}
NODE_MODULES = ROOT / ".cache" / "node" / "node_modules"


def program(language: str, page: str = "protocol.md") -> str:
    text = (ROOT / "docs" / page).read_text()
    match = re.search(rf"<!-- test: {language} -->\n```\w+\n(.*?)```", text, re.DOTALL)
    assert match
    return match[1]


def follow(command: list[str], tmp_path: Path, keys: Path | None = None) -> list[list[str]]:
    """Run a program beside a pipeline until it has printed ten lines."""
    options = {} if keys is None else WITH_KEYS | {"AFFECTLINE_KEYS": str(keys)}
    folder = () if keys is None else (str(keys / "clients" / "wall"),)
    with Pipeline(
        tmp_path / "out", "--pace", "realtime", prefixes=("emotion/",), environment=options
    ) as pipeline:
        reader = subprocess.Popen(
            [*command, pipeline.hub.outlet, *folder], stdout=subprocess.PIPE, text=True
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


def test_the_python_subscriber_with_keys(tmp_path: Path) -> None:
    path = tmp_path / "subscriber.py"
    path.write_text(program("python with keys", "security.md"))
    check(follow([sys.executable, str(path)], tmp_path, new_keys(tmp_path)))


def new_keys(tmp_path: Path) -> Path:
    """A folder of keys with one for a listener."""
    keys = tmp_path / "keys"
    done = run("keys", "new", "wall", "--prefix", "emotion/", "--folder", str(keys))
    assert done.returncode == 0, done.stderr
    return keys


@pytest.mark.parametrize("is_keyed", [False, True], ids=["on loopback", "with keys"])
def test_the_node_subscriber(tmp_path: Path, is_keyed: bool) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    if not (NODE_MODULES / "zeromq").exists():
        pytest.skip(f"no {NODE_MODULES}: CONTRIBUTING.md tells how to install it")
    path = tmp_path / "subscriber.cjs"
    name = "node with keys" if is_keyed else "node"
    path.write_text(program(name, "security.md" if is_keyed else "protocol.md"))
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    check(follow([node, str(path)], tmp_path, new_keys(tmp_path) if is_keyed else None))


def test_the_command_that_stops_a_pipeline(tmp_path: Path) -> None:
    path = tmp_path / "quit.py"
    path.write_text(program("command"))
    source = ("--source", "sample", "--delivery", "live")
    with Pipeline(tmp_path / "out", *source, prefixes=("emotion/",)) as pipeline:
        pipeline.wait_for_frame(1)
        ingress = reach(pipeline.hub).ingress.address
        subprocess.run([sys.executable, str(path), ingress], check=True, timeout=30)
        assert pipeline.process.wait(timeout=30) == 0
