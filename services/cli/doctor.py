"""``affectline doctor``: check that this machine can run the pipeline, and suggest fixes."""

import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

import typer
from rich.console import Console

from affectline.common.errors import AffectlineError, explain_import
from affectline.common.model import artifact
from affectline.common.model.network_manifest import (
    NETWORKS,
    NetworkName,
    load_manifest,
    verify_file,
)
from affectline.common.runtime.sockets import taken_ports
from affectline.common.settings.biometrics import BiometricsSettings
from affectline.common.settings.detector import DetectorSettings
from affectline.common.settings.hub import HubSettings
from affectline.common.text_table import text_table
from affectline.services.capture.sample_clip import find_sample
from affectline.services.cli.options import (
    BindHub,
    ConfigFile,
    HubPort,
    read_settings,
    with_bind,
)
from affectline.services.export.exporter import EXPORTERS
from affectline.services.report.section import SECTIONS

REGISTRIES: Final = (BiometricsSettings.registry, DetectorSettings.registry, EXPORTERS, SECTIONS)
STYLES: Final = {"ok": "green", "warning": "yellow", "failure": "red"}


class CheckResult(NamedTuple):
    """What a check found, and how to fix it."""

    check: str
    state: Literal["ok", "warning", "failure"]
    detail: str
    fix: str = ""


def doctor(
    config_file: ConfigFile = None,
    bind: BindHub = None,
    port: HubPort = None,
) -> None:
    """Check camera, display, ports, model and packages; suggest fixes.

    Example: affectline doctor
    """
    settings = read_settings(config_file)
    hub = with_bind(settings.hub, bind, port)
    results = list(run_checks(hub, settings.classifier.model))
    print_results(results)
    raise typer.Exit(int(any(result.state == "failure" for result in results)))


def print_results(results: Iterable[CheckResult]) -> None:
    """Print the results of the checks as a table."""
    table = text_table("check", "state", "finding", "fix")
    for result in results:
        style = STYLES[result.state]
        table.add_row(result.check, f"[{style}]{result.state}[/]", result.detail, result.fix)
    Console().print(table)


def run_checks(hub: HubSettings, model: Path) -> Iterator[CheckResult]:
    """Run all checks, cheapest first."""
    yield _check_python()
    yield from _check_packages()
    yield _check_plugins()
    yield _check_opencv()
    yield _check_pyav()
    yield _check_model(model)
    yield _check_networks()
    yield _check_ports(hub)
    yield _check_sample()
    yield _check_display()
    yield _check_camera()


def _check_python() -> CheckResult:
    return CheckResult(
        "python", "ok", platform.python_version()
    )  # older versions cannot even import this module


def _check_packages() -> Iterator[CheckResult]:
    try:
        requirements = [r for r in requires("affectline") or () if "extra ==" not in r]
    except PackageNotFoundError:
        yield CheckResult("packages", "failure", "affectline is not installed", "pip install -e .")
        return
    satisfied = []
    for requirement in requirements:
        name, bounds = re.match(r"([A-Za-z0-9._-]+)(.*)", requirement).groups()  # type: ignore[union-attr]
        try:
            found = version(name)
        except PackageNotFoundError:
            yield CheckResult(
                "packages", "failure", f"{name} is missing", f"pip install '{requirement}'"
            )
            continue
        if _satisfies(found, bounds):
            satisfied.append(f"{name} {found}")
        else:
            detail = f"{name} {found} is not {bounds}"
            yield CheckResult("packages", "failure", detail, f"pip install '{requirement}'")
    yield CheckResult("packages", "ok", ", ".join(satisfied))


def _satisfies(found: str, bounds: str) -> bool:
    """Return whether a plain release number is within bounds such as ``<5,>=4.10``."""
    have = _numbers(found)
    for operator, bound in re.findall(r"(>=|<|==)\s*([0-9.]+)", bounds):
        want = _numbers(bound)
        holds = {">=": have >= want, "<": have < want, "==": have[: len(want)] == want}
        if not holds[operator]:
            return False
    return True


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", release))


def _check_plugins() -> CheckResult:
    """Plug-ins of other packages; a broken one is a warning, since only its users are affected."""
    broken = [text for r in REGISTRIES for text in r.broken_plugins().values()]
    if broken:
        fix = "update or remove the packages that add them"
        return CheckResult("plug-ins", "warning", "; ".join(broken), fix)
    added = [
        f"{r.key} {name}" for r in REGISTRIES for name in r.names() if name not in r.own_names()
    ]
    return CheckResult("plug-ins", "ok", ", ".join(added) or "none are installed")


def _check_opencv() -> CheckResult:
    try:
        import cv2
    except ImportError as error:
        return CheckResult(
            "opencv", "failure", str(error), explain_import(error).split(": ", 2)[-1]
        )
    return CheckResult("opencv", "ok", f"{cv2.__version__} can be loaded")


def _check_pyav() -> CheckResult:
    try:
        import av
    except ImportError as error:
        return CheckResult("pyav", "failure", str(error), explain_import(error).split(": ", 2)[-1])
    return CheckResult("pyav", "ok", f"{av.__version__} can be loaded")


def _check_model(folder: Path) -> CheckResult:
    try:
        loaded = artifact.load(folder)
        for kind in loaded.manifest.files:
            loaded.verified(kind)
    except AffectlineError as error:
        return CheckResult("model", "failure", error.problem, error.fix)
    return CheckResult("model", "ok", f"{loaded.model_id}, checksum matches")


def _check_networks(folder: Path = NETWORKS) -> CheckResult:
    names: tuple[NetworkName, ...] = get_args(NetworkName)
    try:
        for name in names:
            manifest = load_manifest(name, folder)
            for entry in (manifest.file, *manifest.extracted.values()):
                verify_file(name, entry, folder)
    except AffectlineError as error:
        return CheckResult("networks", "failure", error.problem, error.fix)
    return CheckResult("networks", "ok", f"{', '.join(names)}: checksums match")


def _check_ports(hub: HubSettings) -> CheckResult:
    taken = taken_ports(hub)
    if taken:
        fix = "stop what uses them (another affectline?), or choose others with --bind"
        return CheckResult("ports", "failure", "; ".join(taken), fix)
    return CheckResult("ports", "ok", f"{min(hub.ports)} to {max(hub.ports)} are free")


def _check_sample() -> CheckResult:
    try:
        return CheckResult("sample clip", "ok", str(find_sample()))
    except AffectlineError as error:
        return CheckResult("sample clip", "warning", "not installed", error.fix)


def _check_display() -> CheckResult:
    from affectline.services.sink.screen import display_problem

    problem = display_problem()
    if problem:
        fix = "fine for --display none and mp4; for a window log in to a desktop or use ssh -X"
        return CheckResult("display", "warning", problem, fix)
    return CheckResult("display", "ok", os.environ.get("DISPLAY", platform.system()))


def _check_camera() -> CheckResult:
    if sys.platform != "linux":
        detail = "on this system a camera can only be found by opening it"
        return CheckResult("camera", "warning", detail, "try: affectline up --source 0")
    cameras = sorted(Path("/dev").glob("video[0-9]*"))
    if not cameras:
        fix = "plug one in (in a container or virtual machine, pass it through), or use a file"
        return CheckResult("camera", "warning", "no /dev/video* device", fix)
    denied = [str(c) for c in cameras if not os.access(c, os.R_OK | os.W_OK)]
    if denied:
        fix = "add yourself to the group: sudo usermod -aG video $USER, then log in again"
        return CheckResult("camera", "warning", f"no permission for {', '.join(denied)}", fix)
    return CheckResult("camera", "ok", ", ".join(map(str, cameras)))
