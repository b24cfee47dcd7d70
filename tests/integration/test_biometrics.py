"""Sensors to messages: real processes, a real hub, and the real libraries of devices."""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.clock import monotonic, now_ns
from common.config import HubSettings
from common.health import Health
from common.messages import Packet
from common.senses import Samples
from common.sockets import Listener, publish_once
from common.wire import Message
from services.biometrics.driver import Clock, Driver, Reading
from services.biometrics.feed import Feed
from services.biometrics.readings import time_of
from tests.conftest import SHARED
from tests.pipelines import AFFECTLINE, free_port, run
from tests.samples import EMOTION, PACKETS
from tests.unit.services.biometrics.fakes import settings

LSL_SETTINGS = str(Path(__file__).parents[1] / "lsl_api.cfg")
os.environ["LSLAPICFG"] = LSL_SETTINGS  # read once, when the library is loaded
S = 1_000_000_000


class Bus:
    """A hub with processes around it, and an outsider's ear."""

    def __init__(self, folder: Path, delivery: str, prefixes: tuple[str, ...]) -> None:
        self.hub = HubSettings(port=free_port())
        self._folder, self._delivery = folder, delivery
        self.processes: list[subprocess.Popen[str]] = []
        self.listener = Listener(self.hub, prefixes)
        self.heard: list[Message] = []
        self.start("hub")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a process of the pipeline; what it complains of goes to a file."""
        command = [*AFFECTLINE, *arguments, "--hub", f"127.0.0.1:{self.hub.port}"]
        with (self._folder / f"{len(self.processes)}.log").open("w") as log:
            process = subprocess.Popen(
                [*command, "--delivery", self._delivery], stderr=log, text=True
            )
        self.processes.append(process)
        return process

    def wait_for(self, reached: Callable[[list[Message]], bool], timeout_s: float = 60) -> None:
        """Listen until enough was heard."""
        deadline = monotonic() + timeout_s
        while not reached(self.heard):
            assert monotonic() < deadline, f"in vain; {self.log()}"
            self.listener.wait(timeout_s=0.2)
            self.heard += [packet.message for packet in self.listener.receive()]

    def samples(self, name: str) -> list[Samples]:
        return [m for m in self.heard if isinstance(m, Samples) and m.signal == name]

    def health(self, service: str) -> list[Health]:
        return [m for m in self.heard if isinstance(m, Health) and m.service == service]

    def log(self) -> str:
        return "\n".join(file.read_text()[-2000:] for file in sorted(self._folder.glob("*.log")))

    def close(self) -> None:
        self.listener.close()
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.communicate(timeout=20)


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Callable[..., Bus]]:
    made: list[Bus] = []

    def make(delivery: str = "live", prefixes: tuple[str, ...] = ("bio/",)) -> Bus:
        made.append(Bus(tmp_path, delivery, (*prefixes, "health/")))
        # The hub is there, and knows what this ear wants: nothing that follows is missed
        made[-1].wait_for(lambda _: bool(made[-1].health("hub")))
        return made[-1]

    yield make
    for one in made:
        one.close()


def flat(samples: list[Samples]) -> list[tuple[int, float]]:
    """Time (ns) and value of every sample, by number of the message."""
    found = []
    for message in sorted(samples, key=lambda m: m.seq):
        times = message.offsets or [
            round(i * S / (message.rate or 1)) for i in range(len(message.values))
        ]
        found += [(message.at + t, v) for t, v in zip(times, message.values, strict=True)]
    return found


def test_a_made_up_person_on_a_real_hub(bus: Callable[..., Bus]) -> None:
    b = bus()
    before = now_ns()
    b.start("biometrics", "--driver", "synthetic", "--subject", "anna", "--stress", "1-5")
    b.wait_for(lambda _: len(b.samples("heart_rate")) >= 3)
    for name, unit in (("heart_rate", "/min"), ("rr_interval", "ms"), ("skin_conductance", "uS")):
        found = b.samples(name)
        assert {(m.subject, m.unit, m.synthetic, m.quality) for m in found} == {
            ("anna", unit, True, 1.0)
        }
        assert [m.seq for m in found] == list(range(found[0].seq, found[0].seq + len(found)))
        times = [at for at, _ in flat(found)]
        assert times == sorted(times)
        assert before < times[0] <= times[-1] < now_ns()
    service = "biometrics/anna-synthetic"
    b.wait_for(lambda _: any(h.counters.get("samples") for h in b.health(service)))
    assert b.health(service)[-1].state == "ready"
    b.processes[-1].send_signal(signal.SIGINT)
    assert b.processes[-1].wait(20) == 0


def test_a_real_recording_arrives_whole_in_lossless_delivery(bus: Callable[..., Bus]) -> None:
    folder = SHARED / "biometrics" / "stress_predict" / "S02"
    if not folder.exists():
        pytest.skip("../shared/data/biometrics is not here")
    # An outsider may lose some when it is slow: at 1000 times the speed there are ten a second
    b = bus("lossless")
    process = b.start(
        "biometrics", "--driver", "e4", "--folder", str(folder), "--speed", "1000", "--keep-times"
    )
    b.wait_for(lambda _: process.poll() is not None)
    b.wait_for(lambda _: len(flat(b.samples("skin_conductance"))) == 14262)
    assert process.returncode == 0
    skin = np.loadtxt(folder / "EDA.csv", skiprows=2)
    assert np.allclose([v for _, v in flat(b.samples("skin_conductance"))], skin, atol=0)
    assert len(flat(b.samples("heart_rate"))) == 3555
    beats = np.loadtxt(folder / "IBI.csv", skiprows=1, delimiter=",")
    found = np.array(flat(b.samples("rr_interval")))
    assert np.allclose(found[:, 1], beats[:, 1] * 1000)
    assert np.allclose(found[:, 0] / S - 1644227574, beats[:, 0], atol=1e-3)


def test_wrong_input_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("time,hr\n1,60\n")
    for arguments, words in (
        (["--driver", "csv", "--file", str(file), "--column", "x=heart_rate"], "no column 'x'"),
        ([], "--driver is missing"),
    ):
        done = run("biometrics", *arguments)
        assert done.returncode == 1
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


def drive(driver: Driver, seconds: float, enough: Callable[[list[Reading]], bool]) -> list[Reading]:
    """Read an open driver until it has said enough."""
    found: list[Reading] = []
    deadline = monotonic() + seconds
    while not enough(found):
        assert monotonic() < deadline, f"only {found}"
        found += driver.read()
    return found


def real_clock() -> Clock:
    return Clock(now_ns, monotonic, threading.Event().wait)


def test_the_synthetic_board_of_brainflow() -> None:
    from services.biometrics.brainflow_board import Board

    board = Board(settings("brainflow", board="synthetic"), real_clock())
    begun = now_ns()
    board.open()
    ecg = drive(board, 20, lambda r: sum(len(x.values) for x in r if x.signal == "ecg") >= 300)
    board.close()
    assert board.synthetic
    signals = {r.signal: r.unit for r in ecg}
    assert signals == {
        "ecg": "mV", "ppg": "1", "skin_conductance": "uS", "temperature": "Cel",
        "acceleration_x": "g", "acceleration_y": "g", "acceleration_z": "g",
    }  # fmt: skip
    mine = [r for r in ecg if r.signal == "ecg"]
    assert {r.rate for r in mine} == {250.0}
    ends = [time_of(r, len(r.values)) for r in mine]
    gaps = [b.at - end for b, end in zip(mine[1:], ends, strict=False)]
    assert all(abs(gap) < 0.05 * S for gap in gaps)
    assert begun - S // 10 < mine[0].at <= now_ns()
    board.open()  # once more, as after a loss
    assert drive(board, 20, bool)
    board.close()


def make_outlet(name: str, rate: float) -> Any:
    from mne_lsl.lsl import StreamInfo, StreamOutlet

    info = StreamInfo(name, "Physiology", 2, rate, "float32", f"{name}-source")
    info.set_channel_names(["EDA", "ECG"])
    info.set_channel_types("misc")
    info.set_channel_units(["microsiemens", "microvolts"])
    return StreamOutlet(info)


ROWS = np.array([[i, 1000 * i] for i in range(20)], np.float32)


def test_an_lsl_stream_is_read_in_its_units_at_its_times() -> None:
    from mne_lsl.lsl import local_clock

    from services.biometrics.lsl import Inlet

    outlet = make_outlet("affectline-even", 10.0)
    inlet = Inlet(settings("lsl", name="affectline-even"), real_clock())
    inlet.open()
    sent, begun = local_clock(), now_ns()
    outlet.push_chunk(ROWS[:10], sent)  # the time of the last sample
    outlet.push_chunk(ROWS[10:], sent + 5.0)  # a gap
    found = drive(inlet, 20, lambda r: sum(len(x.values) for x in r) == 40)
    inlet.close()
    del outlet
    gc.collect()
    skin, ecg = ([r for r in found if r.signal == s] for s in ("skin_conductance", "ecg"))
    for readings in (skin, ecg):
        assert [v for r in readings for v in r.values] == [float(i) for i in range(20)]
    assert {(r.unit, r.rate) for r in found} == {("uS", 10.0), ("mV", 10.0)}
    times = [time_of(r, i) for r in skin for i in range(len(r.values))]
    assert abs(times[9] - begun) < 0.005 * S
    assert abs(times[10] - times[9] - 4.1 * S) < 0.001 * S


SENDER = """
import sys, time
import numpy as np
from tests.integration.test_biometrics import ROWS, make_outlet
outlet = make_outlet("affectline-lost", 0.0)
print("up", flush=True)
sys.stdin.readline()
outlet.push_chunk(ROWS[:3], np.array([100.0, 100.7, 102.0]))
sys.stdin.readline()
"""


def test_an_lsl_stream_that_is_lost_is_found_again() -> None:
    from services.biometrics.lsl import Inlet

    inlet = Inlet(settings("lsl", name="affectline-lost"), real_clock())
    feed = Feed(inlet, threading.Event(), lambda: None)
    sender = subprocess.Popen(
        [sys.executable, "-c", SENDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert sender.stdin
    assert sender.stdout
    assert sender.stdout.readline() == "up\n"
    feed.step()
    sender.stdin.write("\n")
    sender.stdin.flush()
    skin, _ = step_until(feed, lambda: feed.take())
    assert [offset // 10_000_000 for offset in skin.offsets] == [0, 70, 200]
    sender.kill()
    sender.communicate()
    assert "is gone" in step_until(feed, lambda: feed.trouble)
    step_until(feed, lambda: "was not found" in feed.trouble)
    outlet = make_outlet("affectline-lost", 0.0)
    step_until(feed, lambda: feed.step() == 0)  # open again
    outlet.push_sample(ROWS[0])
    assert len(step_until(feed, lambda: feed.take())) == 2
    assert feed.trouble == ""
    assert inlet.counters["lost"] == 1
    inlet.close()
    del outlet
    gc.collect()


def step_until(feed: Feed, reached: Callable[[], Any], timeout_s: float = 60) -> Any:
    """Let a feed work, without its pauses, until something is true."""
    deadline = monotonic() + timeout_s
    while not (found := reached()):
        assert monotonic() < deadline, feed.trouble
        feed.step()
    return found


def test_emotions_states_and_markers_reach_a_real_lsl_inlet(bus: Callable[..., Bus]) -> None:
    from mne_lsl.lsl import StreamInlet, local_clock, resolve_streams

    b = bus()
    b.start("lsl-outlet", "--stream", "drive", "--subject", "driver")
    b.wait_for(lambda _: bool(b.health("outlet/lsl")))
    inlets: dict[str, Any] = {}
    for name in ("affectline-emotion-drive", "affectline-state-driver", "affectline-markers"):
        (info,) = resolve_streams(10.0, name)
        inlets[name] = StreamInlet(info)
        inlets[name].open_stream(timeout=10)
    assert inlets["affectline-emotion-drive"].get_sinfo().get_channel_names() == [
        "angry", "disgust", "fear", "happy", "sad", "surprise", "neutral",
    ]  # fmt: skip
    at, there = now_ns(), local_clock()
    moved = {"captured_at": at, "published_at": at}
    for message in (
        EMOTION.model_copy(update=moved),
        EMOTION.model_copy(update={**moved, "seq": EMOTION.seq + 1, "faces": ()}),
        PACKETS["State"].message.model_copy(update={"at": at}),
        PACKETS["Marker"].message.model_copy(update={"at": at}),
    ):
        assert publish_once(b.hub, Packet(message))
    with contextlib.ExitStack() as stack:
        stack.callback(inlets.clear)
        first, stamp = inlets["affectline-emotion-drive"].pull_sample(timeout=20)
        assert first.tolist() == pytest.approx(list(EMOTION.faces[0].probabilities or ()))
        assert abs(stamp - there) < 0.005
        nobody, _ = inlets["affectline-emotion-drive"].pull_sample(timeout=20)
        assert np.isnan(nobody).all()
        state, stamp = inlets["affectline-state-driver"].pull_sample(timeout=20)
        assert state.tolist() == pytest.approx([0.4, -0.2, 63.5, 0.8])
        assert abs(stamp - there) < 0.005
        label, stamp = inlets["affectline-markers"].pull_sample(timeout=20)
        assert label == ['hard braking {"km/h": 63.5}']
        assert abs(stamp - there) < 0.005
