"""What README and docs tell people to type runs, from top to bottom, each page in one folder.

The commands are those of the pages, word for word, but for what a test cannot have; what stands in
for that is listed in `tests.command_runs.STAND_INS`, what cannot be run at all in `NOT_RUN`. Films
last a second, sensors are simulated, the camera is the sample clip over and over, ``HOST`` is this
machine, and ports are free ones. What joins a running pipeline finds one, and what runs until it is
stopped is interrupted as soon as it has shown that it works.
"""

import csv
import getpass
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.browsers import CHROMIUM
from tests.command_runs import LSL_SETTINGS, STAND_INS, Page, lsl_outlets, replace
from tests.documented_commands import ROOT, PageCommands, read_commands
from tests.page_files import make_files, record_session
from tests.plugin_package import install_package
from tests.screens import virtual_screen

PLACES: Final = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "examples/*.md")
DOCKER: Final = "tests/e2e/test_containers.py builds the image and runs it by compose"
TWO_HOSTS: Final = "needs two hosts; tests/integration/test_kubernetes.py reads these files"
TRAINING: Final = (
    "takes hours; tests/integration/test_training.py, tests/integration/test_parallel_runs.py and "
    "tests/unit/training do it with a few faces"
)
INDEX: Final = "needs a package index, and would change the environment of the tests"
REMOTE: Final = "needs a machine that is not here"
WRITES: Final = "writes into the repository; unit tests compare what it would write"
NOT_RUN: Final = {
    r"apt-get install .*": "changes the system",
    r"chgrp lab sessions; .*": "needs a group of users",
    r"source \.venv/bin/activate": "tests run in an environment already",
    r"pip install .*": INDEX,
    r"python3 -m venv \.venv": INDEX + "; tests/packaging/test_locked_install.py makes one",
    r"pre-commit install": "writes into .git/hooks",
    r"npm install .*": "needs npm's registry",
    r"mkdir -p \.cache/node .* npm ci .*": "needs npm's registry",
    r"python -m tests\.kubernetes": "gets Helm from the network",
    r"make (again|check|test|test-unit|test-long|coverage)": "runs the tests, this one among them",
    r"make (docs|lock|sbom|site)": WRITES,
    r"python -m tests\.supply\.\w+( --keep)?": WRITES,
    r"make (bench|bench-quick.*|chaos|fuzz)": "up to half an hour; tests run parts of each",
    r"python -m tests\.(benchmarks|chaos|attacks)\b.*": "as make bench and make chaos",
    r"python -m tests\.fuzzing recording message .*": "tests/property gives decoders such bytes",
    r"docker (build|compose|image|pull|push)\b.*": DOCKER,
    r"AFFECTLINE_(LAN|HUB)=\S+ docker compose .*": TWO_HOSTS,
    r"export AFFECTLINE_BASE=.*": DOCKER,
    r"mkdir keys && sudo chown 10001 keys": "needs root, for the containers' user",
    r"helm install .*": REMOTE + "; tests/integration/test_kubernetes.py renders the chart",
    r"kubectl (create secret|exec|port-forward) .*": REMOTE,
    r"sudo scp .*": REMOTE,
    r"sudo chown -R 10001 lab2": "needs root, for the containers' user",
    r"export AFFECTLINE_KEYS=\./lab2": TWO_HOSTS,
    r"ssh .*": REMOTE,
    r"ray start.*": REMOTE,
    r"export RAY_ADDRESS=.*": REMOTE,
    r"affectline analyse .* --engine ray": "tests/integration/test_ray_engine.py, on two nodes",
    r"export AWS_ENDPOINT_URL=.*": REMOTE,
    r"affectline analyse s3://.*": "tests/integration/test_stores.py, in a store of its own",
    r"rfcomm .*": "makes a port of a Bluetooth device that is not here",
    r"affectline biometrics --driver shimmer .*": "needs the sensor; there is no simulator",
    r"affectline (calibrate\b|up .*--calibration\b).*": "needs seconds of a face alone; "
    "tests/integration/test_calibration.py",
    r"affectline control pause": "needs a replay; tests/integration/test_control.py",
    r"affectline sync-test\b.*": "needs a camera that sees the screen: tests/e2e/test_sync_test.py",
    r"affectline subscribe gaze/|affectline schema Gaze": "needs the message that the page adds",
    r"affectline-train (fit|export|average|recalibrate|reproduce)\b.*": TRAINING,
    r"affectline-train fit-(votes-head|covered-face)\b.*": TRAINING,
    r"affectline-train robustness\b.*": "ten minutes; unit tests run its parts",
    r"affectline-train evaluate .*--(groups|predictions)\b.*": "needs a manifest or predictions of "
    "the reader's own; tests/unit/training/evaluate/test_groups.py runs them",
    r"python3 -m venv peers|peers/bin/pip install .*": INDEX,
    r"python -m tests\.peers\b.*": "needs the packages of others",
    r"python -m tests\.(calibration_figures|mirror_views)\b.*": "minutes, and needs ../shared/data",
    r"TF_CONFIG=.* affectline-train fit .*": TRAINING,
    r"tensorboard .*": "a program of others, that serves what training has written",
}
"""Commands that are not run, as regular expressions, and why."""
NEEDS: Final = {
    "README.md": ("nicegui", "pyarrow", "mne_lsl", "starlette"),
    "docs/archives.md": ("pyarrow",),
    "docs/biometrics.md": ("bleak", "brainflow", "fastavro", "mne_lsl"),
    "docs/collect.md": ("nicegui",),
    "docs/dashboard.md": ("nicegui",),
    "docs/experiments.md": ("mne_lsl", "starlette"),
    "docs/first-session.md": ("nicegui",),
    "docs/running.md": ("mne_lsl",),
    "docs/sessions.md": ("nicegui",),
    "docs/state.md": ("scipy",),
    "docs/validation.md": ("scipy",),
}
"""Packages of extras that a page's commands need."""


def read_pages() -> dict[str, PageCommands]:
    """The commands of every page that has some, by its path."""
    paths = [path for place in PLACES for path in sorted(ROOT.glob(place))]
    found = {
        str(path.relative_to(ROOT)): read_commands(path.read_text(encoding="utf-8"))
        for path in paths
    }
    return {path: page for path, page in found.items() if page.groups or page.names}


PAGES: Final = read_pages()


def is_run(command: str) -> bool:
    return not any(re.fullmatch(pattern, command) for pattern in NOT_RUN)


def find_run(page: PageCommands) -> list[str]:
    return [command for group in page.groups for command in group.commands if is_run(command)]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_session(tmp_path_factory.mktemp("recorded"))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_package(tmp_path_factory.mktemp("plugins"))


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Variables of the commands: nothing of the user's own is read or changed."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "AFFECTLINE_SECURITY"):
        monkeypatch.delenv(name, raising=False)
    keys = str(tmp_path / "keys")
    return {"AFFECTLINE_KEYS": keys, "LSLAPICFG": LSL_SETTINGS, "USER": getpass.getuser()}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", [path for path, page in PAGES.items() if find_run(page)])
def test_the_commands_of_a_page_run_from_top_to_bottom(
    path: str, tmp_path: Path, environment: dict[str, str], session: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    for package in NEEDS.get(path, ()):
        pytest.importorskip(package, reason=f"a command of {path} needs {package}")
    commands = find_run(PAGES[path])
    text = "\n".join(commands)
    if "--to pdf" in text and not Path(CHROMIUM).exists():
        pytest.skip("no Chromium here: apt-get install chromium")
    with ExitStack() as stack:
        if "--driver lsl" in text:
            stack.enter_context(lsl_outlets(environment))
        if "--display window" in text:
            environment["DISPLAY"] = stack.enter_context(virtual_screen())
        if path == "docs/extending.md":
            environment["PYTHONPATH"] = str(request.getfixturevalue("package"))
        if path == "docs/containers.md":
            environment["AFFECTLINE_SECURITY"] = "required"
        make_files(tmp_path, [replace(command) for command in commands], session)
        page = stack.enter_context(Page(tmp_path, environment))
        for name, settings in re.findall(r"```yaml\n# (\w+)\.yaml\n(.*?)```", read(path), re.S):
            page.write_settings(name, settings)
        for group in PAGES[path].groups:
            page.run(group._replace(commands=tuple(filter(is_run, group.commands))))
    check_results(path, tmp_path)


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def check_results(path: str, folder: Path) -> None:
    """What pages promise is there."""
    if path == "README.md":
        with (folder / "running" / "markers.csv").open(newline="") as file:
            assert "hard braking" in [row["label"] for row in csv.DictReader(file)]
        made = {one.name for one in (folder / "sessions" / "study1").iterdir()}
        assert {"emotions.csv", "session.json", "report.html", "export"} <= made
        assert "session.mcap" not in made, "all of this without a recording"
        exported = {one.name for one in folder.glob("sessions/study*/export/*")}
        files = {"emotions.parquet", "states.parquet", "a.mp4"}
        assert exported == files | {"affectline-export.json"}
    if path == "docs/first-session.md":
        assert len(list(folder.glob("sessions/*/report.html"))) == 2
    for file in re.findall(r"--from-file=(\S+)", read(path)):
        assert (folder / file).exists(), "kubectl finds what the commands before it have made"


def test_what_is_not_run_is_on_a_page() -> None:
    texts = {c for page in PAGES.values() for group in page.groups for c in group.commands}
    texts |= {name for page in PAGES.values() for name in page.names}
    unused = [p for p in NOT_RUN if not any(re.fullmatch(p, text) for text in texts)]
    assert not unused, "no page says it any more: remove it from the table"


def test_tests_that_run_something_instead_are_there() -> None:
    named = {file for why in NOT_RUN.values() for file in re.findall(r"tests/[\w/]+(?:\.py)?", why)}
    assert len(named) > 5
    assert not [file for file in named if not (ROOT / file).exists()]


def test_what_stands_in_is_needed() -> None:
    everything = [command for page in PAGES.values() for command in find_run(page)]
    for pattern, _ in STAND_INS:
        used = [c for c in everything if re.search(pattern, replace(c, until=pattern))]
        assert used, f"no page says {pattern} any more"


def test_files_of_the_repository_that_commands_name_are_there() -> None:
    for path, page in PAGES.items():
        for command in [c for group in page.groups for c in group.commands]:
            named = re.findall(r"\s(?:-f|-r) (\S+)|\b(configs/\S+)", command)
            for file in filter(None, (name for pair in named for name in pair)):
                assert (ROOT / file).exists(), f"{path}: {command}"


def test_a_command_that_a_page_only_names_is_run_by_another() -> None:
    everything = [command for page in PAGES.values() for command in find_run(page)]
    for path, page in PAGES.items():
        for name in filter(is_run, page.names):
            begin = " ".join(name.split()[:2])
            assert any(command.startswith(begin) for command in everything), f"{path}: {name}"


def test_blocks_of_commands_are_found() -> None:
    for path, page in PAGES.items():
        found = {command for group in page.groups for command in group.commands}
        lines = re.findall(r"^ {4,}((?:\.venv/bin/)?affectline(?:-train)? .*)$", read(path), re.M)
        for line in lines:
            plain = re.sub(r"\s+#.*$", "", line.removeprefix(".venv/bin/"))
            assert any(command.endswith(plain) for command in found), f"{path}: {line}"
    assert {"README.md", "docs/sessions.md", "docs/training.md"} <= PAGES.keys()
