"""The wheel, installed into a fresh environment, runs the command line from there."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; what it depends on is lent by this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False, symlinks=True)
    python = folder / "env" / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel],
        check=True,
    )
    (site,) = (folder / "env" / "lib").glob("python*/site-packages")
    mine = [p for p in sys.path if p.endswith("site-packages")]
    (site / "lent.pth").write_text("\n".join(mine) + "\n")
    return folder / "env" / "bin"


def call(program: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [program, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_the_wheel_is_what_is_imported(fresh: Path, tmp_path: Path) -> None:
    found = call(
        fresh / "python", "-c", "import affectline; print(affectline.__file__)", cwd=tmp_path
    )
    assert str(fresh.parent) in found.stdout


def test_the_commands_run_from_it(fresh: Path, tmp_path: Path) -> None:
    assert "emotion timelines" in call(fresh / "affectline", "--help", cwd=tmp_path).stdout
    assert "fit" in call(fresh / "affectline-train", "--help", cwd=tmp_path).stdout


def test_the_wheel_brings_the_model(fresh: Path, tmp_path: Path) -> None:
    code = (
        "from affectline.common.model import artifact; a = artifact.load(); "
        "print(a.model_id, a.verified('litert-int8').stat().st_size)"
    )
    done = call(fresh / "python", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("vgg16-48@")
    assert int(done.stdout.split()[1]) > 10_000_000


def test_the_wheel_brings_the_pages(fresh: Path, tmp_path: Path) -> None:
    code = (
        "from affectline.services.web import server; "
        "from affectline.services.dashboard import live_page; "
        "from affectline.services.web.components import STATIC as WEB; "
        "from affectline.services.dashboard.panel import STATIC, load_panels; "
        "from affectline.services.collect.page import STATIC as COLLECT; "
        "print(sorted(f'{p.parts[-3]}/{p.name}' for s in (WEB, STATIC, COLLECT) "
        "for p in s.iterdir() if p.is_file())); "
        "print([panel.__name__ for panel in load_panels()])"
    )
    done = call(fresh / "python", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    files = (
        "web/index.js", "web/socket.js", "web/keys.js", "web/picture.js", "web/style.css",
        "web/key_bindings.js", "dashboard/index.js", "dashboard/video.js", "dashboard/curves.js",
        "dashboard/echart.js", "dashboard/processes.js", "dashboard/dashboard.css",
        "collect/viewfinder.js", "collect/collect.css",
    )  # fmt: skip
    for name in (*files, "VideoPanel", "SignalsPanel", "HealthPanel"):
        assert repr(name) in done.stdout
