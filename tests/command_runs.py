"""Runs documented commands in one folder, with stand-ins for what a test cannot have."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import yaml

from affectline.common.settings.hub import HubSettings
from affectline.common.wire.base import Message
from affectline.common.wire.health import Health
from affectline.common.wire.messages import Emotion
from tests.documented_commands import ROOT, VARIABLE, Group
from tests.page_files import PERSON
from tests.pipelines import Pipeline, free_port, listening

CAMERA: Final[dict[str, Any]] = {
    "sources": [{"name": "driver", "source": "sample", "loop": True}],
    "delivery": "live", "pace": "realtime", "capture": {"rate": 5},
}  # fmt: skip
JOINING: Final = frozenset({
    "biometrics", "capture", "classifier", "control", "dashboard", "detector", "lsl-outlet",
    "mark", "record", "remote", "subscribe",
})  # fmt: skip
"""Commands that join a running pipeline."""
SERVICES: Final = (JOINING | {"hub"}) - {"control", "mark", "subscribe"}
"""Commands that run until they are stopped, and publish their health."""
BOUND: Final = frozenset({"doctor", "hub"})
"""Commands that are told the hub's ports; the others have them from a settings file."""
WITH_SETTINGS: Final = frozenset({"collect", "dashboard", "remote", "replay", "up"})
"""Commands that get a settings file, which names free ports and the sessions' folder."""
LSL_SETTINGS: Final = str(Path(__file__).parent / "lsl_api.cfg")
PATIENCE_S: Final = 120
ADDRESS: Final = re.compile("https?://(127.0.0.1|localhost):")
STAND_INS: Final = (
    (r"\s\[[^\]]*\]", ""),  # what may be left out
    (r"^(affectline up.*) \.\.\.$", r"\1 --source a.mp4"),
    (r"^affectline up(?=( --(?!source|config|help)\S+( \w+)?)+$)", "affectline up --source a.mp4"),
    (r"^affectline analyse \.\.\.", "affectline analyse a.mp4 --out results"),
    (r"^(affectline collect)$", r"\1 --source 0"),
    (r"^(affectline collect.*--source) 0", r"\1 a.mp4"),
    (r"--source 0", "--config camera.yaml"),  # the sample clip, over and over
    (r"--driver (ble|polar)\b.*", "--driver synthetic"),
    (r"--board cyton --parameter \S+", "--board synthetic"),
    (r"(stress-predict) FOLDER", r"\1 stress_predict"),
    (r"(drivedb|--drives) FOLDER", r"\1 drivedb_data"),
    (r"(validate sessions) FOLDER", r"\1 lab_sessions"),
    (r"--fit services/fusion/", "--fit "),
    (r"--held-out services/validation/", "--held-out "),
    (r"--out FOLDER", "--out sessions/joined"),
    (r"--fit FILE", "--fit coefficients.json"),
    (r"(keys allow \w+) FILE", r"\1 visitor.key"),
    (r"\bFILE\b", "sessions/drive7"),
    (r"(--hub) (HOST|192\.168\.1\.20)\b", r"\1 127.0.0.1:HUB"),
    (r"\bHOST:PORT\b", "192.168.1.21:5555"),
    (r"http://127\.0\.0\.1:5560", "http://127.0.0.1:METRICS"),
    (r"^docker run .* affectline keys", "affectline keys"),
    (r"^AFFECTLINE_KEYS=desk", "XDG_RUNTIME_DIR=. AFFECTLINE_KEYS=desk"),  # not by its sockets
    (r"--udp-port 9000", "--udp-port HUB"),
    (r"\bsudo ", ""),
    (r"--from 1m30s --to 1m45s", "--from 0.5s --to 1s"),
    (r"^(affectline --install-completion)$", r"HOME=. \1 && true"),  # in a shell
    (r"\bpytest (.*)", r"pytest --collect-only --quiet --quiet -p no:cacheprovider \1"),
)
"""What is run instead of what a page says, as regular expressions: all that apply, in order."""
ANSWERS: Final = {
    "affectline sessions delete sessions/drive": "y\n",
    "python -m pdb -m affectline detector sample": "continue\n",
}
"""What is typed into commands that ask."""
MODULES: Final = {
    "affectline": ("-m", "affectline"), "affectline-train": ("-m", "affectline.training"),
}  # fmt: skip
AFFECTLINE: Final = f"{sys.executable} -m affectline"
DEMO: Final = re.compile(r"^demo:.*\n\t\$\(BIN\)/affectline (.*)$", re.MULTILINE)
OUTLETS: Final = """
import sys
from mne_lsl.lsl import StreamInfo, StreamOutlet
outlets = []
for name, kind, channels, kind_of_value in (
    ("OpenSignals", "Physiology", ["EDA"], "float32"),
    ("Amp", "EEG", ["1", "Left hand"], "float32"),
    ("PsychoPyMarkers", "Markers", ["label"], "string"),
):
    source = {"OpenSignals": "00:07:80:3B:46:61"}.get(name, name)
    info = StreamInfo(name, kind, len(channels), 0.0, kind_of_value, source)
    info.set_channel_names(channels)
    outlets.append(StreamOutlet(info))
print("up", flush=True)
sys.stdin.read()
"""
"""What the pages read from the Lab Streaming Layer."""


def replace(command: str, until: str = "") -> str:
    """The command with stand-ins for what a test cannot have: all, or those before a pattern."""
    for pattern, replacement in STAND_INS:
        if pattern == until:
            break
        command = re.sub(pattern, replacement, command)
    return command


class Call(NamedTuple):
    """What is started for a command.

    Attributes:
        name: Of our command, ``up`` or ``mark``; empty for programs of others.
    """

    command: str
    name: str
    words: list[str]
    environment: dict[str, str]
    folder: Path


class Running:
    """A command that runs until it is stopped."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.process = subprocess.Popen(
            call.words, cwd=call.folder, env=call.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if call.command in ANSWERS and self.process.stdin:
            self.process.stdin.write(ANSWERS[call.command])
            self.process.stdin.flush()

    def wait_for_line(self, wanted: re.Pattern[str]) -> None:
        """Wait until it has printed something."""
        assert self.process.stdout
        for line in self.process.stdout:
            if wanted.search(line):
                return
        raise AssertionError(f"{self.call.command}: has ended, {self.process.wait()}")

    def wait_for_message(self, hub: HubSettings) -> None:
        """Wait until it says at the hub that it is ready, or its pipeline has analysed a frame."""
        with listening(hub) as listener:
            deadline = time.monotonic() + PATIENCE_S
            while time.monotonic() < deadline:
                listener.wait(timeout_s=1)
                if any(self._is_sign(packet.message) for packet in listener.receive()):
                    return
                if self.process.poll() is not None:  # it has played all that it had
                    assert self.process.stdout
                    printed = self.process.stdout.read()
                    assert self.process.returncode == 0, f"{self.call.command}: {printed}"
                    return
        raise AssertionError(f"{self.call.command}: it says nothing for {PATIENCE_S} s")

    def _is_sign(self, message: Message) -> bool:
        if self.call.name == "up":
            return isinstance(message, Emotion)
        is_own = isinstance(message, Health) and message.pid == self.process.pid
        return is_own and getattr(message, "state", "") == "ready"

    def stop(self) -> None:
        """Press Ctrl-C."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        printed, _ = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode in (0, 130), f"{self.call.command}: {printed}"

    def kill(self) -> None:
        """End it where the test has failed."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


class Page:
    """A folder in which the commands of a page run, one after the other.

    What joins a running pipeline finds one: that of its group, or one which is started for the
    page. What runs until it is stopped is interrupted at the end of its group, or by the next of
    its name, and has to have shown that it works.

    Args:
        folder: Where they run; `tests.page_files` has been there.
        environment: Variables of all of them, besides ours.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._more = environment
        self._hub = HubSettings(port=free_port())
        port = free_port()
        self._settings: dict[str, Any] = {
            "hub": {"port": self._hub.port},
            "dashboard": {"port": port + 2, "sessions": str(folder / "sessions")},
        }
        self._write("alone", {})
        self._write("camera", CAMERA)
        remote = {"port": port, "labrecorder_port": port + 1}
        self._write("remote", {"services": {"remote": remote}})
        self._pipeline: Pipeline | None = None
        self._stack = contextlib.ExitStack()
        self._is_begun = False
        """Whether a command of the group has begun a pipeline, or a hub."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._stack:
            if self._pipeline is not None and kind is None:
                assert self._pipeline.interrupt() in (0, 130)

    def _write(self, name: str, settings: dict[str, Any]) -> None:
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(self._settings | settings))

    def write_settings(self, name: str, text: str) -> None:
        """Write a settings file that the page shows, with stand-ins for its camera and strap."""
        shown: dict[str, Any] = yaml.safe_load(text)
        for sensor in shown.get("biometrics", ()):
            sensor["driver"] = "synthetic"
        self._write(name, shown | CAMERA)

    @property
    def pipeline(self) -> Pipeline:
        """The running pipeline of the page."""
        if self._pipeline is None:
            sensors = [{"driver": "synthetic", "subject": PERSON}]
            quiet = {"biometrics": sensors, "sink": {"display": "none"}}
            self._write("running", CAMERA | quiet)
            config = ("--config", str(self.folder / "running.yaml"))
            out = self.folder / "running"
            self._pipeline = self._stack.enter_context(
                Pipeline(out, *config, prefixes=("emotion/",), environment=self._more)
            )
            self._pipeline.wait_for_frame(1, timeout_s=PATIENCE_S)
        return self._pipeline

    def run(self, group: Group) -> None:
        """Run what belongs together."""
        running: dict[str, Running] = {}
        self._is_begun = False
        try:
            for command in group.commands:
                call = self._prepare(command)
                if call.name in running:
                    running.pop(call.name).stop()
                if not self._lasts(call):
                    self._run_to_its_end(call)
                    continue
                running[call.name] = Running(call)
                self._is_begun |= call.name in ("hub", "up")
                self._wait(running[call.name])
            while running:
                running.popitem()[1].stop()
        finally:
            for one in running.values():
                one.kill()

    def _run_to_its_end(self, call: Call) -> None:
        terminal, end = os.openpty()
        os.write(terminal, ANSWERS.get(call.command, "").encode())
        done = subprocess.run(
            call.words, cwd=call.folder, env=call.environment, text=True, check=False,
            capture_output=True, stdin=end, timeout=200,
        )  # fmt: skip
        os.close(terminal)
        os.close(end)
        said = f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
        assert done.returncode == 0, f"{call.command}: {said}"
        if call.command == "affectline control quit":
            self.pipeline.finish()
            self._pipeline = None

    def _lasts(self, call: Call) -> bool:
        """Whether it runs until it is stopped."""
        if "--help" in call.words:
            return False
        if call.name == "up":
            settings = call.folder / call.words[call.words.index("--config") + 1]
            return bool(yaml.safe_load(settings.read_text()).get("delivery") == "live")
        lasting = SERVICES | {"collect", "subscribe"}
        return call.name in lasting or "browser" in call.words

    def _wait(self, running: Running) -> None:
        """Wait until a command shows that it works."""
        call = running.call
        if call.name == "subscribe":
            topic = call.words[call.words.index("subscribe") + 1]
            running.wait_for_line(re.compile(f"\\b{topic}"))
        elif call.name == "collect" or "browser" in call.words:
            running.wait_for_line(ADDRESS)
        else:
            running.wait_for_message(self._find_hub(call.name))

    def _find_hub(self, name: str) -> HubSettings:
        """The hub that a command connects to, or runs."""
        if name in JOINING and not self._is_begun:
            return self.pipeline.hub
        return self._hub

    def _prepare(self, command: str) -> Call:
        """What is started for a command, with stand-ins for what a test cannot have."""
        text = self._read_demo() if command == "make demo" else replace(command).removesuffix(" &")
        if "METRICS" in text:
            text = text.replace("METRICS", str(self.pipeline.hub.metrics_port))
        found = re.search(r"\baffectline (?!--)([\w-]+)", text)
        name = found[1] if found else ""
        if "HUB" in text:
            text = text.replace("HUB", str(self._find_hub(name).port))
        words = shlex.split(text)
        environment = dict(os.environ | self._more)
        while VARIABLE.match(words[0]):
            variable, _, value = words.pop(0).partition("=")
            environment[variable] = value
        folder = self.folder
        if re.search(r" && | \| ", text):
            words = ["bash", "-c", text.replace("affectline", AFFECTLINE)]
        elif words[0] == "pytest" or (words[:2] == ["python", "-m"] and name == ""):
            words = [sys.executable, "-m", *(words if words[0] == "pytest" else words[2:])]
            folder = ROOT
        elif words[0] in ("python", "affectline", "affectline-train"):
            words = [
                sys.executable,
                *MODULES.get(words[0], ()),
                *words[1:],
                *self._add(name, words),
            ]
        return Call(command, name, words, environment, folder)

    def _add(self, name: str, words: Sequence[str]) -> list[str]:
        """Options that name free ports."""
        if "--help" in words:
            return []
        added = []
        if name in JOINING and "--hub" not in words:
            added += ["--hub", f"127.0.0.1:{self._find_hub(name).port}"]
        if name in BOUND:
            host = words[words.index("--bind") + 1] if "--bind" in words else "127.0.0.1"
            added += ["--bind", f"{host}:{self._hub.port}"]
        if name in WITH_SETTINGS and "--config" not in words:
            added += ["--config", "remote.yaml" if name == "remote" else "alone.yaml"]
        return added

    def _read_demo(self) -> str:
        """What ``make demo`` runs, for three seconds."""
        recipe = DEMO.search((ROOT / "Makefile").read_text(encoding="utf-8"))
        assert recipe
        words = [str(ROOT / word) if "/" in word else word for word in recipe[1].split()]
        return shlex.join(["affectline", *words, "--duration", "3", "--bind", str(self._hub.port)])


@contextlib.contextmanager
def lsl_outlets(environment: dict[str, str]) -> Iterator[None]:
    """The streams of the Lab Streaming Layer that pages read."""
    sender = subprocess.Popen(
        [sys.executable, "-c", OUTLETS], env=os.environ | environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert sender.stdout
        assert sender.stdout.readline() == "up\n"
        yield
    finally:
        sender.communicate("")
