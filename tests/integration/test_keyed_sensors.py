"""A sensor with a key of its own: nothing that it has sent is lost, nor kept for ever."""

import csv
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq

from affectline.common.runtime.keys import KeyStore
from tests.integration.test_keys import WAIT_S, KeyedHub, keyed_hub
from tests.pipelines import AFFECTLINE

ROWS = 4000
RATE = 4
"""A second, by the table."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[KeyedHub]:
    with tempfile.TemporaryDirectory() as runtime:
        yield from keyed_hub(tmp_path, Path(runtime), "--delivery", "lossless")


def secure(socket: "zmq.Socket[bytes]", hub: KeyedHub, name: str) -> None:
    credentials = KeyStore(hub.keys / "clients" / name).credentials(hub.address)
    socket.curve_serverkey = credentials.hub_key.encode()
    socket.curve_publickey = credentials.pair.public_key.encode()
    socket.curve_secretkey = credentials.pair.secret_key.encode()


class Run:
    """A sink of the pipeline, and a sensor by its key, in lossless delivery."""

    def __init__(self, hub: KeyedHub, folder: Path, stack: ExitStack, speed: str) -> None:
        self._hub, self._stack, self.out = hub, stack, folder / "out"
        table = folder / "table.csv"
        lines = [f"{row / RATE:.2f},{60 + row % 40}" for row in range(ROWS)]
        table.write_text("\n".join(["time_s,heart_rate_bpm", *lines]) + "\n")
        with zmq.Context() as context, context.socket(zmq.SUB) as ear:
            secure(ear, hub, "desk")
            ear.connect(hub.settings.outlet)
            ear.subscribe("health/")
            assert ear.poll(WAIT_S * 1000)
            self.sink = self.start_sink()
            deadline = time.monotonic() + WAIT_S
            while ear.recv_multipart()[0] != b"health/sink":
                assert time.monotonic() < deadline
        command = [
            "biometrics", "--driver", "csv", "--subject", "anna", "--file", str(table), "--speed",
            speed, "--time-column", "time_s", "--column", "heart_rate_bpm=heart_rate:/min",
        ]  # fmt: skip
        self.sensor = self._start("strap", *command)

    def start_sink(self) -> "subprocess.Popen[str]":
        return self._start("part", "sink", "--out", str(self.out))

    def _start(self, key: str, *command: str) -> "subprocess.Popen[str]":
        words = [*AFFECTLINE, *command, "--hub", self._hub.address, "--delivery", "lossless"]
        environment = self._hub.environment(self._hub.keys / "clients" / key)
        made = subprocess.Popen(words, env=environment, text=True)
        self._stack.callback(made.wait, 20)
        self._stack.callback(made.terminate)
        return made

    def values(self) -> list[int]:
        """What the sink has written."""
        with (self.out / "samples.csv").open(newline="") as file:
            return [round(float(row["value"])) for row in csv.DictReader(file)]


@pytest.mark.parametrize("is_killed", [False, True])
def test_all_samples_of_a_sensor_are_on_disk_when_it_ends(
    hub: KeyedHub, tmp_path: Path, is_killed: bool
) -> None:
    with ExitStack() as stack:
        run = Run(hub, tmp_path, stack, "200" if is_killed else "max")
        began = time.monotonic()
        if is_killed:
            while not (run.out / "samples.csv").exists() or len(run.values()) < 100:
                assert time.monotonic() - began < 60
                time.sleep(0.1)
            run.sink.send_signal(signal.SIGKILL)
            run.sink.wait(20)
            run.sink = run.start_sink()
        assert run.sensor.wait(60) == 0
        assert time.monotonic() - began < 60, "it keeps what it has receipts for"
        values = run.values() if not is_killed else sorted(run.values())
        wanted = [60 + row % 40 for row in range(ROWS)]
        assert values == (sorted(wanted) if is_killed else wanted)
