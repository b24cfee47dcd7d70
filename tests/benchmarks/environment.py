"""The virtual environment of the baselines, and the machine."""

import contextlib
import json
import os
import platform
import re
import resource
import subprocess
import sys
import time
import venv
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psutil
from rich.console import Console

from tests.benchmarks.results import Machine

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / ".cache" / "bench"
PYTHON: Final = FOLDER / "bin" / "python"
BASELINES: Final = Path(__file__).with_name("baselines.py")
PACKAGES: Final = (
    "tensorflow",
    "opencv-python<5",
    "pandas",
    "requests",
    "tqdm",
    "setuptools<80",
    "pillow",
)
WITHOUT_DEPENDENCIES: Final = ("fer",)
"""Its declared dependencies include PyTorch, for a detector that is not compared here."""
SIMD: Final = ("avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "amx_int8", "asimddp", "i8mm")
PROBE: Final = "import cv2, keras, pandas, fer.fer"
QUIET_S: Final = 0.5
QUIET_CORES: Final = 0.1
_QUIET_TENSORFLOW: Final = {"TF_CPP_MIN_LOG_LEVEL": "2"}


def ensure_environment(console: Console) -> None:
    """Create the baselines' environment unless it is complete."""
    stamp = FOLDER / "complete"
    expected = "\n".join((*PACKAGES, *WITHOUT_DEPENDENCIES)) + "\n"
    if stamp.exists() and stamp.read_text() == expected:
        return
    if not (PYTHON.exists() and _is_complete()):
        console.print(
            f"Creating the environment for fer and Keras in {FOLDER.relative_to(ROOT)}; "
            "TensorFlow is large, this takes a few minutes"
        )
        if not PYTHON.exists():
            venv.create(FOLDER, with_pip=True)
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES], check=True)
        subprocess.run([*pip, "--no-deps", *WITHOUT_DEPENDENCIES], check=True)
    stamp.write_text(expected)


def _is_complete() -> bool:
    probe = [str(PYTHON), "-W", "ignore", "-c", PROBE]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def run_baseline(*arguments: str) -> dict[str, Any]:
    """Run a baseline and return its measurements.

    Raises:
        RuntimeError: It failed.
    """
    busy, own, started = cpu_busy_s(), _children_s(), time.monotonic()
    command = [str(PYTHON), "-I", "-W", "ignore", str(BASELINES), *arguments]
    done = subprocess.run(
        command,
        env=os.environ | _QUIET_TENSORFLOW,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"baseline {arguments[0]} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    others = cpu_busy_s() - busy - (_children_s() - own)
    return result | {"other_cores": max(0.0, others / (time.monotonic() - started))}


def cpu_busy_s() -> float:
    """Return the CPU seconds that all cores together have been busy since boot."""
    times = psutil.cpu_times()
    idle = ("idle", "iowait", "steal", "guest", "guest_nice")
    return float(sum(times) - sum(getattr(times, name, 0.0) for name in idle))


def own_cpu_s() -> float:
    """Return the CPU seconds of this process and all that it started, including ended ones."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    total = sum(one.ru_utime + one.ru_stime for one in used)
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            total += sum(child.cpu_times()[:4])  # its own, and its ended children's
    return total


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class OtherWork:
    """What else the machine does from now on, beside this process."""

    def __init__(self) -> None:
        self._busy, self._own, self._started = cpu_busy_s(), time.process_time(), time.monotonic()

    def cores(self) -> float:
        """Cores that were busy with it."""
        own = time.process_time() - self._own
        others = cpu_busy_s() - self._busy - own
        return max(0.0, others / (time.monotonic() - self._started))


class IdleGate:
    """Waits for other work on the machine to pause.

    Args:
        budget_s: How long to wait at most, over all calls.
    """

    def __init__(self, budget_s: float) -> None:
        self._budget_s = budget_s

    def wait(self) -> None:
        """Return once the cores were nearly idle for half a second, or the budget is spent."""
        while True:
            busy = cpu_busy_s()
            time.sleep(QUIET_S)
            if (cpu_busy_s() - busy) / QUIET_S < QUIET_CORES or self._budget_s <= 0:
                return
            self._budget_s -= QUIET_S


def describe_machine() -> Machine:
    """Return a description of this machine and its installed packages."""
    text = _cpuinfo()
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = set(
        (re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE) or [""])[0].split()
    )
    packages = ("affectline", "ai-edge-litert", "opencv-python", "numpy", "pyzmq", "pydantic")
    return Machine(
        cpu=model[1] if model else platform.processor() or platform.machine(),
        simd={name: name in flags for name in SIMD[:5]}
        | {name: True for name in SIMD[5:] if name in flags},
        cores=os.cpu_count() or 1,
        memory_gb=psutil.virtual_memory().total / 1e9,
        kernel=kernel_version(platform.system(), platform.release()),
        python=".".join(map(str, sys.version_info[:3])),
        packages={name: version(name) for name in packages},
        commit=find_commit(),
        date=time.strftime("%Y-%m-%d %H:%M"),
        load_before=os.getloadavg()[0],
    )


def kernel_version(system: str, release: str) -> str:
    """A system and its kernel, by major and minor version; more of it may name a private build."""
    found = re.match(r"\d+(\.\d+)?", release)
    return f"{system} {found[0]}" if found else system


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""


def find_commit() -> str:
    """Return the commit that is measured, and whether the packages are changed since."""
    git = ["git", "-C", str(ROOT)]
    where = [*git, "rev-parse", "--short", "HEAD"]
    changes = [*git, "status", "--porcelain", "common", "services"]
    found, changed = (
        subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        for command in (where, changes)
    )
    return found + (" with changes" if changed else "")
