"""Is this machine fit to run the pipeline? Each check says how to mend what it finds."""

import os
import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final, Literal, NamedTuple

from affectline.common.errors import AffectlineError, explain_import
from affectline.common.model import artifact
from affectline.common.runtime.sockets import taken_ports
from affectline.common.settings.biometrics import BiometricsSettings
from affectline.common.settings.pipeline import HubSettings
from affectline.services.capture.sample_clip import find_sample

REGISTRIES: Final = (BiometricsSettings.registry,)


class CheckResult(NamedTuple):
    """What a check found."""

    check: str
    state: Literal["ok", "warning", "failure"]
    detail: str
    mend: str = ""


def examine(hub: HubSettings, model: Path) -> Iterator[CheckResult]:
    """Run all checks, cheapest first."""
    yield _python()
    yield from _packages()
    yield _plugins()
    yield _opencv()
    yield _model(model)
    yield _ports(hub)
    yield _sample()
    yield _display()
    yield _camera()


def _python() -> CheckResult:
    return CheckResult("python", "ok", platform.python_version())  # older ones cannot read this


def _packages() -> Iterator[CheckResult]:
    try:
        needed = [r for r in requires("affectline") or () if "extra ==" not in r]
    except PackageNotFoundError:
        yield CheckResult("packages", "failure", "affectline is not installed", "pip install -e .")
        return
    fine = []
    for requirement in needed:
        name, bounds = re.match(r"([A-Za-z0-9._-]+)(.*)", requirement).groups()  # type: ignore[union-attr]
        try:
            found = version(name)
        except PackageNotFoundError:
            yield CheckResult(
                "packages", "failure", f"{name} is missing", f"pip install '{requirement}'"
            )
            continue
        if _satisfies(found, bounds):
            fine.append(f"{name} {found}")
        else:
            detail = f"{name} {found} is not {bounds}"
            yield CheckResult("packages", "failure", detail, f"pip install '{requirement}'")
    yield CheckResult("packages", "ok", ", ".join(fine))


def _satisfies(found: str, bounds: str) -> bool:
    """True where a plain release number keeps bounds such as ``<5,>=4.10``."""
    have = _numbers(found)
    for operator, bound in re.findall(r"(>=|<|==)\s*([0-9.]+)", bounds):
        want = _numbers(bound)
        kept = {">=": have >= want, "<": have < want, "==": have[: len(want)] == want}
        if not kept[operator]:
            return False
    return True


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", release))


def _plugins() -> CheckResult:
    """Drivers and the like of other packages; a broken one only matters to those who name it."""
    broken = [text for r in REGISTRIES for text in r.broken_plugins().values()]
    if broken:
        remedy = "update or remove the packages that add them"
        return CheckResult("plug-ins", "warning", "; ".join(broken), remedy)
    added = [
        f"{r.key} {name}" for r in REGISTRIES for name in r.names() if name not in r.own_names()
    ]
    return CheckResult("plug-ins", "ok", ", ".join(added) or "none are installed")


def _opencv() -> CheckResult:
    try:
        import cv2
    except ImportError as error:
        return CheckResult(
            "opencv", "failure", str(error), explain_import(error).split(": ", 2)[-1]
        )
    return CheckResult("opencv", "ok", f"{cv2.__version__} can be loaded")


def _model(folder: Path) -> CheckResult:
    try:
        loaded = artifact.load(folder)
        for kind in loaded.manifest.files:
            loaded.verified(kind)
    except AffectlineError as error:
        return CheckResult("model", "failure", error.problem, error.remedy)
    return CheckResult("model", "ok", f"{loaded.model_id}, checksum right")


def _ports(hub: HubSettings) -> CheckResult:
    taken = taken_ports(hub)
    if taken:
        mend = "stop what uses them (another affectline?), or name others with --port"
        return CheckResult("ports", "failure", "; ".join(taken), mend)
    return CheckResult("ports", "ok", f"{min(hub.ports)} to {max(hub.ports)} are free")


def _sample() -> CheckResult:
    try:
        return CheckResult("sample clip", "ok", str(find_sample()))
    except AffectlineError as error:
        return CheckResult("sample clip", "warning", "not installed", error.remedy)


def _display() -> CheckResult:
    try:
        from affectline.services.sink.display import display_problem
    except ImportError:
        return CheckResult("display", "warning", "cannot be looked at without OpenCV")
    problem = display_problem()
    if problem:
        mend = "fine for --display none and mp4; for a window log in to a desktop or use ssh -X"
        return CheckResult("display", "warning", problem, mend)
    return CheckResult("display", "ok", os.environ.get("DISPLAY", platform.system()))


def _camera() -> CheckResult:
    if sys.platform != "linux":
        detail = "cameras can only be seen by opening them here"
        return CheckResult("camera", "warning", detail, "try: affectline up --source 0")
    cameras = sorted(Path("/dev").glob("video[0-9]*"))
    if not cameras:
        mend = "plug one in (in a container or virtual machine, pass it through), or use a file"
        return CheckResult("camera", "warning", "no /dev/video* device", mend)
    closed = [str(c) for c in cameras if not os.access(c, os.R_OK | os.W_OK)]
    if closed:
        mend = "add yourself to the group: sudo usermod -aG video $USER, then log in again"
        return CheckResult("camera", "warning", f"no permission for {', '.join(closed)}", mend)
    return CheckResult("camera", "ok", ", ".join(map(str, cameras)))
