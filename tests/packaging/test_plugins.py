"""The package that docs/extending.md shows, installed beside affectline and run for real."""

import contextlib
import csv
import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from affectline.common.recording.writer import SessionWriter
from affectline.common.settings.biometrics import BiometricsSettings
from affectline.common.settings.detector import DetectorSettings
from affectline.common.wire import codec
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.messages import Emotion, FaceEmotion, Packet
from tests.integration.buses import Bus
from tests.pipelines import Pipeline, run, up
from tests.plugin_package import install_package
from tests.recordings import QUALITY, frame, recording


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for ``sys.path`` into which the documented package is installed."""
    return install_package(tmp_path_factory.mktemp("plugins"))


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
        "synthetic = json:JSONDecoder\n[affectline.exporters]\ndocx = nowhere:Exporter\n"
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
    text = run("biometrics", "--help-all", env=os.environ | {"COLUMNS": "200"}).stdout
    assert re.search(r"--udp-port .*udp: UDP port on which datagrams arrive", text), text
    wrong = run("biometrics", "--driver", "udp", "--udp-port", "70000")
    assert wrong.returncode == 1
    assert "--udp-port: Input should be less than or equal to 65535" in wrong.stderr
    assert "udp" not in BiometricsSettings.registry.own_names()


def settings_file(tmp_path: Path, detector: str) -> str:
    path = tmp_path / "settings.yaml"
    path.write_text(f"detector: {detector}\n")
    return str(path)


@pytest.mark.usefixtures("plugins")
def test_a_detector_of_another_package_runs_in_a_pipeline(tmp_path: Path) -> None:
    config = settings_file(tmp_path, "{backend: alt2, min_side: 50}")
    out = tmp_path / "out"
    done = up("--config", config, "--source", "sample", "--out", str(out))
    assert done.returncode == 0, done.stderr
    session = json.loads((out / "session.json").read_text())
    assert session["settings"]["detector"] == {
        "backend": "alt2", "min_side": 50, "scan_interval": 8, "search_interval": 1,
        "max_faces": 8, "max_misses": 15, "mesh": True, "pose": True, "eyes": True,
        "landmarks": False, "mirror": True, "margin": 0.01,
    }  # fmt: skip
    (stream,) = session["streams"].values()
    assert stream["frames_with_face"] > 0.5 * stream["frames"] > 50
    with (out / "emotions.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == "face"]
    assert len(rows) >= stream["frames_with_face"]
    # The detector does not measure rolls; the landmarks of its faces tell them
    assert len({row["angle"] for row in rows}) > 5
    assert all(row["yaw"] for row in rows)


@pytest.mark.usefixtures("plugins")
def test_settings_of_its_detector_are_validated(tmp_path: Path) -> None:
    for detector, reason in (
        ("{backend: alt2, min_side: 5}", "detector.min_side: Input should be greater than or"),
        ("{backend: alt2, scan_size: 320}", "the backend alt2 has no such setting"),
        ("{backend: alt3}", "there is no backend 'alt3': there are 'haar', 'haar+net', 'net', "),
    ):
        done = up("--config", settings_file(tmp_path, detector), "--source", "sample")
        assert done.returncode == 1
        assert reason in " ".join(done.stderr.split()), done.stderr
    assert "alt2" not in DetectorSettings.registry.own_names()


def test_without_the_package_there_is_no_such_detector(tmp_path: Path) -> None:
    done = up("--config", settings_file(tmp_path, "{backend: alt2}"), "--source", "sample")
    assert done.returncode == 1
    assert "there is no backend 'alt2'" in " ".join(done.stderr.split())


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
    listed = run("export", "--list", env=os.environ | {"COLUMNS": "300"}).stdout
    assert "the exporter 'docx' of broken-extras cannot be loaded" in listed
    assert "parquet" in listed
    assert BiometricsSettings.model_validate({"driver": "synthetic"}).driver == "synthetic"
    report = " ".join(run("doctor", env=os.environ | {"COLUMNS": "300"}).stdout.split())
    assert "plug-ins" in report
    assert "'missing' of broken-extras cannot be loaded" in report


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drive")
    writer = SessionWriter(folder / "session.mcap", {})
    happy = FaceEmotion(track=1, box=(0, 0, 9, 9), quality=QUALITY, label="happy")
    for index in range(60, 63):
        message = frame(index)[1].message
        assert isinstance(message, Emotion)
        faces = message.model_copy(update={"faces": (happy, happy)})
        writer.add("Emotion", codec.encode(Packet(faces)), index, index)
    for packet in recording():
        writer.add(type(packet.message).__name__, codec.encode(packet), 99, 99)
    writer.finish()
    return folder


@pytest.mark.usefixtures("plugins")
def test_an_exporter_of_another_package_is_listed_and_runs(session: Path, tmp_path: Path) -> None:
    listed = run("export", "--list", env=os.environ | {"COLUMNS": "200"})
    assert "how often each emotion was recognised" in listed.stdout
    done = run("export", str(session), "--to", "labels", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'labels.txt'}\n"
    assert (tmp_path / "labels.txt").read_text() == "happy 51\n"
    none = run("export", str(session), "--to", "labels", "--least", "52", "--out", str(tmp_path))
    assert none.returncode == 1
    assert "holds nothing for --to labels" in none.stderr
    wrong = run("export", str(session), "--to", "labels", "--delimiter", ";")
    assert wrong.returncode == 1
    assert "the exporter labels has no such setting" in wrong.stderr


@pytest.mark.usefixtures("plugins")
def test_a_report_section_of_another_package_is_in_the_page(session: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = run("report", str(session), "--out", str(page), "--set", "weather.text=<rain>")
    assert done.returncode == 0, done.stderr
    body = page.read_text()
    place = body.rindex("<h2>Weather</h2>\n<p>&lt;rain&gt;</p>")
    assert body.rindex("<h2>Over time</h2>") < place < body.rindex("<h2>About this report</h2>")
