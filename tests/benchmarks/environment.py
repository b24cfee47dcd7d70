"""The environment that the baselines run in, and the machine that everything runs on."""

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
"""What it declares as needed includes PyTorch, for a detector that is not compared here."""
SIMD: Final = ("avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "amx_int8", "asimddp", "i8mm")
WORKS: Final = "import cv2, keras, pandas, fer.fer"
QUIET_S: Final = 0.5
QUIET_CORES: Final = 0.1
_HUSH: Final = {"TF_CPP_MIN_LOG_LEVEL": "2"}


def ensure(console: Console) -> None:
    """Make the baselines' environment unless it is there and complete."""
    stamp = FOLDER / "complete"
    wanted = "\n".join((*PACKAGES, *WITHOUT_DEPENDENCIES)) + "\n"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if not (PYTHON.exists() and _works()):
        console.print(
            f"Making the environment for fer and Keras in {FOLDER.relative_to(ROOT)}; "
            "TensorFlow is large, this takes a few minutes"
        )
        if not PYTHON.exists():
            venv.create(FOLDER, with_pip=True)
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES], check=True)
        subprocess.run([*pip, "--no-deps", *WITHOUT_DEPENDENCIES], check=True)
    stamp.write_text(wanted)


def _works() -> bool:
    probe = [str(PYTHON), "-W", "ignore", "-c", WORKS]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def run_baseline(*arguments: str) -> dict[str, Any]:
    """Run a baseline to its end.

    Raises:
        RuntimeError: It failed.
    """
    busy, own, begun = busy_s(), _children_s(), time.monotonic()
    command = [str(PYTHON), "-I", "-W", "ignore", str(BASELINES), *arguments]
    done = subprocess.run(
        command, env=os.environ | _HUSH, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        raise RuntimeError(f"baseline {arguments[0]} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    others = busy_s() - busy - (_children_s() - own)
    return result | {"others": max(0.0, others / (time.monotonic() - begun))}


def busy_s() -> float:
    """CPU seconds that all of this machine's cores have worked so far, for whomever."""
    times = psutil.cpu_times()
    idle = ("idle", "iowait", "steal", "guest", "guest_nice")
    return float(sum(times) - sum(getattr(times, name, 0.0) for name in idle))


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Quiet:
    """Waits for other work on the machine to pause.

    Args:
        budget_s: How long to wait at most, in all.
    """

    def __init__(self, budget_s: float) -> None:
        self._left = budget_s

    def wait(self) -> None:
        """Return when the cores have been nearly idle for half a second, or patience is out."""
        while True:
            busy = busy_s()
            time.sleep(QUIET_S)
            if (busy_s() - busy) / QUIET_S < QUIET_CORES or self._left <= 0:
                return
            self._left -= QUIET_S


def describe() -> Machine:
    """This machine, and what is installed on it."""
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
        kernel=f"{platform.system()} {platform.release()}",
        python=".".join(map(str, sys.version_info[:3])),
        packages={name: version(name) for name in packages},
        commit=_commit(),
        date=time.strftime("%Y-%m-%d %H:%M"),
        load_before=os.getloadavg()[0],
    )


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""


def _commit() -> str:
    git = ["git", "-C", str(ROOT)]
    where = [*git, "rev-parse", "--short", "HEAD"]
    changes = [*git, "status", "--porcelain", "common", "services"]
    found, changed = (
        subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        for command in (where, changes)
    )
    return found + (" with changes" if changed else "")
