"""The locks in ``requirements/``: exact versions, and the SHA-256 of all that may be installed.

``make lock`` writes them with uv, for Linux and macOS and every supported Python in one file each.
"""

import functools
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "requirements"
PYTHONS: Final = ("3.11", "3.12", "3.13")
"""Versions that the locks are for; ``[tool.uv]`` in ``pyproject.toml`` says the same."""
PLATFORMS: Final = (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))
"""Systems (``sys.platform``) and processors that the locks are for."""
WHEELS_ONLY: Final = "--only-binary :all:"
"""In every lock: a package that is built from source runs code and fetches what has no hash."""

_PIN: Final = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>.+))?")
_HASH: Final = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Pin:
    """One package of a lock."""

    name: str
    """Normalised: lower case, with hyphens."""
    version: str
    marker: Marker | None
    """Where it is wanted, if not everywhere."""
    hashes: tuple[str, ...]
    """``sha256:`` and 64 hexadecimal digits, for every file of the release."""

    def is_for(self, python: str, platform: tuple[str, str]) -> bool:
        """Whether it is wanted by a Python version on one of the `PLATFORMS`."""
        return self.marker is None or holds(self.marker, python, platform)


def holds(marker: Marker, python: str, platform: tuple[str, str]) -> bool:
    """What a marker says of CPython on one of the `PLATFORMS`."""
    system, processor = platform
    return marker.evaluate(
        {
            "python_version": python,
            "python_full_version": f"{python}.5",
            "sys_platform": system,
            "platform_system": system.capitalize(),
            "platform_machine": processor,
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }
    )


@functools.cache
def project() -> dict[str, Any]:
    """What ``pyproject.toml`` says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def sources() -> dict[str, tuple[str, ...]]:
    """The locks below `FOLDER`, and what uv is asked to resolve for each; dev first."""
    extras = project()["project"]["optional-dependencies"]
    every = {
        "dev.txt": ("pyproject.toml", "--all-extras", "--group", "dev"),
        "build.txt": ("--group", "build"),
        "runtime.txt": ("pyproject.toml",),
        # The sample clip is a file inside a package whose own dependencies nothing in it needs.
        "image.txt": (
            *("pyproject.toml", "--extra", "dashboard", "--extra", "sample"),
            *("--no-emit-package", "scipy"),
        ),
    }
    return every | {f"extras/{name}.txt": ("pyproject.toml", "--extra", name) for name in extras}


def run_time_locks() -> Iterator[tuple[str, str]]:
    """What users install: the runtime, and each extra with it. A lock, and who wants it."""
    yield "runtime.txt", "runtime"
    for name in sorted(project()["project"]["optional-dependencies"]):
        yield f"extras/{name}.txt", name


@functools.cache
def read_lock(name: str) -> tuple[Pin, ...]:
    """The packages of a lock.

    Args:
        name: Its path below `FOLDER`.

    Raises:
        ValueError: A line is neither a package with its hashes, an option nor a comment.
    """
    text = (FOLDER / name).read_text(encoding="utf-8").replace("\\\n", " ")
    pins = []
    for line in text.splitlines():
        words = line.partition("#")[0].strip()
        if not words or words == WHEELS_ONLY:
            continue
        pinned, *_ = words.split("--hash=", 1)
        found = _PIN.fullmatch(pinned.strip())
        hashes = tuple(_HASH.findall(words))
        if found is None or not hashes or _HASH.sub("", words).strip() != pinned.strip():
            raise ValueError(f"{FOLDER / name}: no pinned package with its hashes: {words[:80]}")
        marker = Marker(found["marker"]) if found["marker"] else None
        pins.append(Pin(canonicalize_name(found["name"]), found["version"], marker, hashes))
    return tuple(pins)


def wanted(name: str) -> Iterator[Requirement]:
    """What ``pyproject.toml`` asks for that a lock must satisfy."""
    content = project()
    extras: dict[str, list[str]] = content["project"]["optional-dependencies"]
    if name != "build.txt":
        yield from map(Requirement, content["project"]["dependencies"])
    chosen = {
        "dev.txt": tuple(extras),
        "image.txt": ("dashboard", "sample"),
    }.get(name, (Path(name).stem,) if name.startswith("extras/") else ())
    for extra in chosen:
        yield from map(Requirement, extras[extra])
    groups = content["dependency-groups"]
    for group in {"dev.txt": ("dev", "build"), "build.txt": ("build",)}.get(name, ()):
        yield from (Requirement(one) for one in groups[group] if isinstance(one, str))
