"""The package that docs/extending.md shows, installed beside affectline and run for real."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from affectline.common.settings.biometrics import BiometricsSettings
from affectline.common.wire.biometrics import Samples
from tests.integration.buses import Bus
from tests.pipelines import Pipeline, run

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
BLOCK = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def documented_files() -> dict[str, str]:
    """Path and text of every file that the page shows: the path follows the language."""
    return dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for ``sys.path`` into which the documented package is installed."""
    folder = tmp_path_factory.mktemp("plugins")
    for name, text in documented_files().items():
        file = folder / "source" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
         "--no-index", "--target", folder / "site", folder / "source"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "site"


@pytest.fixture
def plugins(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package is found by this process and by those that it starts."""
    use(installed, monkeypatch)
    return installed


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution whose drivers cannot be loaded, each in another way."""
    about = tmp_path / "broken_extras-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-extras\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        "[affectline.drivers]\nmissing = nowhere:Driver\nother = json:JSONDecoder\n"
        "synthetic = json:JSONDecoder\n"
    )
    use(tmp_path, monkeypatch)


def use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder))
    paths = filter(None, (str(folder), os.environ.get("PYTHONPATH")))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


@contextlib.contextmanager
def sending(value: str) -> Iterator[int]:
    """Send a value to a UDP port again and again; yields the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    stopping = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not stopping.wait(0.1):
                sender.sendto(value.encode(), ("127.0.0.1", port))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield port
    finally:
        stopping.set()
        thread.join()


@pytest.mark.usefixtures("plugins")
def test_a_driver_of_another_package_runs_as_a_process(tmp_path: Path) -> None:
    with (
        contextlib.closing(Bus(tmp_path, "live", ("bio/", "health/"))) as b,
        sending("61.5") as port,
    ):
        b.start("biometrics", "--driver", "udp", "--udp-port", str(port), "--subject", "anna")
        b.wait_for(lambda _: len(b.samples("heart_rate")) >= 3)
    message = b.samples("heart_rate")[-1]
    assert (message.subject, message.unit, message.values) == ("anna", "/min", (61.5,))
    assert (message.device, message.synthetic) == (f"UDP port {port}", False)


@pytest.mark.usefixtures("plugins")
def test_a_driver_of_another_package_runs_in_a_pipeline(tmp_path: Path) -> None:
    with sending("7.25") as port:
        settings = tmp_path / "settings.yaml"
        settings.write_text(
            f"biometrics: [{{driver: udp, udp_port: {port}, signal: skin_conductance, unit: uS}}]\n"
            "sources: [{name: clip, source: sample, loop: true}]\npace: realtime\n"
        )
        with Pipeline(tmp_path / "out", "--config", str(settings), prefixes=("bio/",)) as pipeline:
            message = pipeline.wait_for(lambda m: isinstance(m, Samples), timeout_s=60)
    assert isinstance(message, Samples)
    assert (message.signal, message.values) == ("skin_conductance", (7.25,))


@pytest.mark.usefixtures("plugins")
def test_its_settings_are_options_and_are_validated() -> None:
    text = run("biometrics", "--help", env=os.environ | {"COLUMNS": "200"}).stdout
    assert re.search(r"--udp-port .*udp: UDP port on which datagrams arrive", text), text
    wrong = run("biometrics", "--driver", "udp", "--udp-port", "70000")
    assert wrong.returncode == 1
    assert "--udp-port: Input should be less than or equal to 65535" in wrong.stderr
    assert "udp" not in BiometricsSettings.registry.own_names()


@pytest.mark.usefixtures("broken")
def test_a_broken_plug_in_stops_nothing_and_is_named() -> None:
    assert "--driver" in run("biometrics", "--help").stdout
    for name, reason in (
        ("missing", "of broken-extras cannot be loaded (ModuleNotFoundError: No module named"),
        ("other", "of broken-extras has no class with a settings_model whose driver is 'other'"),
    ):
        done = run("biometrics", "--driver", name)
        assert done.returncode == 1
        assert reason in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
    assert BiometricsSettings.model_validate({"driver": "synthetic"}).driver == "synthetic"
    report = " ".join(run("doctor", env=os.environ | {"COLUMNS": "300"}).stdout.split())
    assert "plug-ins" in report
    assert "'missing' of broken-extras cannot be loaded" in report
