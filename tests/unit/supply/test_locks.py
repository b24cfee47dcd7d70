"""The locks say exactly what may be installed, and everything installs from them."""

import re
import sys
import tomllib
from importlib import metadata
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.supply import locks
from tests.supply.lock import HEADER, shorten
from tests.supply.locks import (
    FOLDER,
    PLATFORMS,
    PYTHONS,
    ROOT,
    Pin,
    holds,
    project,
    read_lock,
    sources,
    wanted,
)

NAMES = tuple(sources())
HERE = (f"{sys.version_info.major}.{sys.version_info.minor}", ("linux", "x86_64"))
by_name = pytest.mark.parametrize("name", NAMES)
everywhere = pytest.mark.parametrize(
    ("python", "platform"),
    [pytest.param(*one, id="-".join((one[0], *one[1]))) for one in product(PYTHONS, PLATFORMS)],
)


def pinned(name: str, python: str, platform: tuple[str, str]) -> dict[str, Pin]:
    """What a lock installs there."""
    there = [pin for pin in read_lock(name) if pin.is_for(python, platform)]
    found = {pin.name: pin for pin in there}
    assert len(found) == len(there), "two releases of one package"
    return found


def test_there_is_one_for_the_runtime_each_extra_the_image_and_development() -> None:
    extras = project()["project"]["optional-dependencies"]
    there = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.txt")}
    assert there == {
        *("build.txt", "constraints.txt", "dev.txt", "image.txt", "runtime.txt"),
        *(f"extras/{extra}.txt" for extra in extras),
    }


@by_name
def test_a_lock_names_no_place_to_get_packages_from(name: str) -> None:
    text = (FOLDER / name).read_text()
    assert text.startswith(HEADER), "wheels alone: what is built from source runs unhashed code"
    for told in ("://", "index", "find-links", "trusted-host", " @ ", "git+"):
        # Names of packages may hold the words
        assert not [line for line in text.splitlines() if told in line.split("==")[0]], told
    assert "://" not in text


def test_neither_do_those_of_node() -> None:
    text = (ROOT / "tests/node/package-lock.json").read_text()
    assert '"resolved"' not in text
    packages = re.findall(r'^    "node_modules/', text, re.MULTILINE)
    assert len(packages) == text.count('"integrity": "sha512-')


@by_name
def test_every_package_has_hashes(name: str) -> None:
    pins = read_lock(name)
    assert pins
    assert all(pin.hashes for pin in pins)


@pytest.mark.parametrize("line", ["numpy", "numpy>=2 --hash=sha256:" + "0" * 64, "numpy==2.4.6"])
def test_a_line_without_them_is_noticed(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "FOLDER", tmp_path)
    (tmp_path / "some.txt").write_text(f"{HEADER}{line}\n")
    with pytest.raises(ValueError, match="no pinned package with its hashes: numpy"):
        read_lock("some.txt")


@everywhere
def test_a_lock_has_what_the_project_asks_for(python: str, platform: tuple[str, str]) -> None:
    """If not: ``make lock``."""
    for name in NAMES:
        there = pinned(name, python, platform)
        for requirement in wanted(name):
            if requirement.marker and not holds(requirement.marker, python, platform):
                continue
            if requirement.name == "affectline":
                continue  # an extra that takes another
            pin = there[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(pin.version, prereleases=True), (
                f"{name}: {requirement}"
            )


@everywhere
def test_locks_agree_with_each_other(python: str, platform: tuple[str, str]) -> None:
    """Whoever installs two of them, or the tests beside the demo, gets the same releases."""
    everything = pinned("dev.txt", python, platform)
    for name in NAMES:
        for package, pin in pinned(name, python, platform).items():
            same = everything[package]
            assert (pin.version, pin.hashes) == (same.version, same.hashes), f"{name}: {package}"


@by_name
def test_what_a_package_needs_is_locked_too(name: str) -> None:
    """As far as the same releases are installed here to be asked."""
    if sys.platform != "linux" or name == "image.txt":
        pytest.skip("the image leaves out what nothing in it needs")
    there = pinned(name, *HERE)
    for package, pin in there.items():
        try:
            if metadata.version(package) != pin.version:
                continue
        except metadata.PackageNotFoundError:
            continue
        for one in map(Requirement, metadata.requires(package) or ()):
            if one.marker is None or one.marker.evaluate({"extra": ""}):
                needed = there[canonicalize_name(one.name)]
                assert one.specifier.contains(needed.version, prereleases=True), one


@pytest.mark.skipif(
    not (Path(sys.prefix) / "dev").exists(), reason="not an environment that make has made"
)
def test_the_tests_run_with_what_is_locked() -> None:
    """If not, something was installed by hand: ``make clean``, or ``make lock``."""
    there = pinned("dev.txt", *HERE)
    found = {name: metadata.version(name) for name in there}
    assert found == {name: pin.version for name, pin in there.items()}


def test_the_supported_versions_are_said_alike() -> None:
    content = project()
    prefix = "Programming Language :: Python :: "
    classifiers = [one.removeprefix(prefix) for one in content["project"]["classifiers"]]
    assert tuple(one for one in classifiers if re.fullmatch(r"3\.\d+", one)) == PYTHONS
    last = int(PYTHONS[-1].partition(".")[2])
    environments = content["tool"]["uv"]["environments"]
    assert len(environments) == len(PLATFORMS)
    for said, (system, processor) in zip(environments, PLATFORMS, strict=True):
        assert f"python_version < '3.{last + 1}'" in said
        assert f"sys_platform == '{system}'" in said
        assert f"platform_machine == '{processor}'" in said
    assert f"(3, 11) <= sys.version_info < (3, {last + 1})" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("file", ["Makefile", "Dockerfile", ".ci/run", "tests/kubernetes.py"])
def test_nothing_is_installed_that_is_not_checked(file: str) -> None:
    """By a hash of a lock; the project itself comes from its folder, without an index."""
    text = (ROOT / file).read_text().replace("\\\n", " ")
    calls = re.findall(r"pip(?: --python \S+)? (?:install|wheel)\b.*?(?=&&|$)", text, re.MULTILINE)
    assert all("--require-hashes" in call or "--no-index" in call for call in calls), calls
    assert not re.search(r"npm (?:install|i|add)\b", text)


def test_the_build_back_end_is_locked() -> None:
    """``--no-build-isolation`` takes it from the environment, where no index is asked."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    there = pinned("build.txt", *HERE)
    for requirement in map(Requirement, build["requires"]):
        assert requirement.specifier.contains(there[requirement.name].version)


@pytest.mark.parametrize(
    ("marker", "short"),
    [
        ("sys_platform == 'darwin' or sys_platform == 'linux'", ""),
        ("implementation_name == 'cpython' and python_full_version < '3.14'", ""),
        ("python_full_version < '3.12' and sys_platform != 'win32'", "python_version <= '3.11'"),
        ("python_full_version >= '3.12'", "python_version >= '3.12'"),
        ("sys_platform == 'darwin'", "sys_platform == 'darwin'"),
        (
            "python_full_version == '3.12.*' and platform_machine != 'arm64'",
            "python_version >= '3.12' and python_version <= '3.12' and sys_platform == 'linux'",
        ),
    ],
)
def test_markers_say_what_tells_versions_and_systems_apart(marker: str, short: str) -> None:
    rest = " \\\n    --hash=sha256:" + "0" * 64
    expected = f"some==1{' ; ' + short if short else ''}{rest}"
    assert shorten(f"some==1 ; {marker}{rest}") == expected


def test_a_marker_that_tells_processors_apart_is_not_shortened_wrongly() -> None:
    with pytest.raises(ValueError, match="some==1: platform_machine"):
        shorten("some==1 ; platform_machine == 'aarch64' \\\n")
