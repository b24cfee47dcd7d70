"""What is packed, and that it works the same from a checkout, an editable install and a wheel."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("common", "services", "training")
Install = Callable[[Path, Path], list[str | Path]]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("packed")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


def tracked() -> set[str]:
    """The files of the package as git knows them, named as they are installed."""
    listed = subprocess.run(
        ["git", "ls-files", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode or not listed.stdout:
        pytest.skip("not a git checkout: what belongs to the package cannot be listed")
    mine = {f"affectline/{line}" for line in listed.stdout.splitlines()}
    return mine | {f"affectline/{name}" for name in ("__init__.py", "__main__.py", "py.typed")}


def test_the_wheel_holds_the_package_and_nothing_else(packed: Path) -> None:
    (wheel,) = packed.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == tracked()
    assert {name.split("/")[0] for name in names} == {"affectline"}, "alone in site-packages"


def test_the_sdist_holds_what_a_wheel_and_the_tests_need(packed: Path) -> None:
    (sdist,) = packed.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"src/{name}" for name in tracked()} <= inside
    for name in ("README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "tests/conftest.py"):
        assert name in inside
    assert any(name.startswith("configs/") for name in inside)
    assert any(name.startswith("docs/") for name in inside)


NETWORK_FILES = {
    f"common/models/{network}/{name}"
    for network in ("face-detection-full-range", "face-detection-short-range", "face-mesh", "iris")
    for name in ("model.tflite", "manifest.json", "LICENSE", "NOTICE", "MODEL_CARD.md")
} | {
    "common/models/face-mesh/canonical_face.json",
    "common/models/covered-face/model.tflite",
    "common/models/covered-face/manifest.json",
    "common/models/covered-face/MODEL_CARD.md",
}
FONT_FILES = {
    f"services/overlay/font/{name}" for name in ("Roboto-Medium.ttf", "LICENSE", "NOTICE")
}


def test_networks_and_the_font_are_packed_with_their_licences(packed: Path) -> None:
    (wheel,) = packed.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert {f"affectline/{name}" for name in NETWORK_FILES | FONT_FILES} <= set(names)
        about = next(name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(about).decode()
    assert "License-Expression: MIT AND Apache-2.0" in metadata
    for name in NETWORK_FILES | FONT_FILES:
        if name.endswith(("/LICENSE", "/NOTICE")):
            assert f"License-File: src/affectline/{name}" in metadata
    (sdist,) = packed.glob("*.tar.gz")
    with tarfile.open(sdist) as packed_source:
        inside = {name.partition("/")[2] for name in packed_source.getnames()}
    assert {f"src/affectline/{name}" for name in NETWORK_FILES | FONT_FILES} <= inside


def test_the_container_image_is_built_from_all_of_them() -> None:
    """The Dockerfile copies common/ whole, and nothing of the models is kept from Docker."""
    assert "COPY common common" in (ROOT / "Dockerfile").read_text().splitlines()
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    assert "!common" in patterns
    kept_out = [pattern for pattern in patterns[patterns.index("!common") :] if pattern[0] != "!"]
    for name in NETWORK_FILES:
        path = PurePosixPath(name)
        assert not any(path.match(pattern.removeprefix("**/")) for pattern in kept_out)


def environment(folder: Path, *more: str) -> Path:
    """A fresh environment; what the package depends on is lent by this one. Its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    mine = [path for path in sys.path if path.endswith("site-packages")]
    # As plain folders: .pth files below them, such as an editable install's, are not read
    (site / "lent.pth").write_text("\n".join([*mine, *more]) + "\n")
    return folder / "bin" / "python"


def pip_install(python: Path, *arguments: str | Path) -> None:
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
    ]
    subprocess.run([*pip, *arguments], check=True)


@pytest.fixture(scope="module", params=["checkout", "editable", "wheel"])
def python(
    request: pytest.FixtureRequest, packed: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The Python of an environment that has the package, in one of three ways."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "checkout":
        return environment(folder, str(ROOT / "src"))
    made = environment(folder)
    if request.param == "editable":
        pip_install(made, "--no-build-isolation", "--editable", ROOT)
    else:
        (wheel,) = packed.glob("*.whl")
        pip_install(made, wheel)
    return made


def call(program: Path, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [program, *arguments], cwd=cwd, env=variables, capture_output=True, text=True, check=False
    )


def evaluate(python: Path, code: str, cwd: Path) -> str:
    done = call(python, "-c", code, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_is_imported_by_one_name_wherever_it_is(python: Path, tmp_path: Path) -> None:
    for name in FOLDERS:  # somebody else's, where the user happens to be
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('not ours')")
    code = (
        "import affectline, affectline.common.errors as e; print(affectline.__file__, e.__name__)"
    )
    file, name = evaluate(python, code, tmp_path).split()
    assert name == "affectline.common.errors"
    is_wheel = str(python.parents[1]) in file
    assert is_wheel or Path(file) == ROOT / "src" / "affectline" / "__init__.py"


def test_its_version_is_public(python: Path, tmp_path: Path) -> None:
    code = "import affectline; print(affectline.__all__, affectline.__version__)"
    names, _, version = evaluate(python, code, tmp_path).rpartition(" ")
    assert "'__version__'" in names
    assert version.startswith("0.")


def test_the_folders_are_no_packages_of_their_own(python: Path, tmp_path: Path) -> None:
    code = (
        "import importlib.util as u; "
        "print([n for n in ('common', 'services', 'training') if u.find_spec(n)])"
    )
    assert evaluate(python, code, tmp_path) == "[]"


def test_the_command_lines_run(python: Path, tmp_path: Path) -> None:
    shown = call(python, "-m", "affectline", "--help", cwd=tmp_path)
    assert "Facial expressions" in shown.stdout, shown.stderr
    shown = call(python, "-m", "affectline.training", "--help", cwd=tmp_path)
    assert "fit" in shown.stdout, shown.stderr
    script = python.with_name("affectline")
    if script.exists():
        assert "Facial expressions" in call(script, "--help", cwd=tmp_path).stdout


def test_the_model_comes_with_it(python: Path, tmp_path: Path) -> None:
    code = (
        "from affectline.common.model import artifact; a = artifact.load(); "
        "print(a.model_id, a.verified('litert-int8').stat().st_size)"
    )
    model, size = evaluate(python, code, tmp_path).split()
    assert model.startswith("vgg16-48@")
    assert int(size) > 10_000_000


def test_the_networks_come_with_it(python: Path, tmp_path: Path) -> None:
    code = (
        "from typing import get_args; "
        "from affectline.common.model.network_manifest import NetworkName; "
        "from affectline.common.model.network import load_network; "
        "from affectline.common.model.canonical_face import load_canonical_face; "
        "print([load_network(n).input_size[0] for n in get_args(NetworkName)], "
        "len(load_canonical_face().vertices))"
    )
    assert evaluate(python, code, tmp_path) == "[192, 128, 192, 64, 48] 468"


def test_a_pipeline_runs_from_it(python: Path, tmp_path: Path) -> None:
    from tests.pipelines import free_port

    out, port = tmp_path / "s", str(free_port())
    done = call(
        python, "-m", "affectline", "up", "--json", "--out", out, "--port", port, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert (out / "emotions.csv").read_text().count("\n") > 100


def test_the_pages_come_with_it(python: Path, tmp_path: Path) -> None:
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
    found = evaluate(python, code, tmp_path)
    files = (
        "web/index.js", "web/socket.js", "web/keys.js", "web/picture.js", "web/style.css",
        "web/key_bindings.js", "dashboard/index.js", "dashboard/video.js", "dashboard/curves.js",
        "dashboard/echart.js", "dashboard/processes.js", "dashboard/dashboard.css",
        "collect/viewfinder.js", "collect/collect.css",
    )  # fmt: skip
    for name in (*files, "VideoPanel", "SignalsPanel", "HealthPanel"):
        assert repr(name) in found
