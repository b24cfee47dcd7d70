"""Sensors to messages: real processes, a real hub, and the real libraries of devices."""

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from affectline.common.clock import now_ns
from affectline.common.wire.biometrics import Samples
from affectline.services.biometrics.validation import time_of
from tests.conftest import SHARED
from tests.integration.buses import Bus, drive, real_clock
from tests.pipelines import run
from tests.unit.services.biometrics.drivers.test_shimmer import Emulator
from tests.unit.services.biometrics.fakes import settings

S = 1_000_000_000


def flat(samples: list[Samples]) -> list[tuple[int, float]]:
    """Time (ns) and value of every sample, by number of the message."""
    found = []
    for message in sorted(samples, key=lambda m: m.seq):
        times = message.offsets or [
            round(i * S / (message.rate or 1)) for i in range(len(message.values))
        ]
        found += [(message.at + t, v) for t, v in zip(times, message.values, strict=True)]
    return found


def has_samples(bus: Bus, name: str, count: int, _: object) -> bool:
    return len(flat(bus.samples(name))) >= count


def test_a_simulated_subject_on_a_real_hub(bus: Callable[..., Bus]) -> None:
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
    service = "biometrics/anna/synthetic"
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


def test_a_shimmer_at_a_serial_port_is_opened_again_when_it_sends_nonsense(
    bus: Callable[..., Bus],
) -> None:
    emulator = Emulator()
    try:
        b = bus()
        b.start("biometrics", "--driver", "shimmer", "--serial-port", emulator.port)
        for begin in (0, 50_000):
            assert emulator.streaming.wait(20)
            packets = [emulator.packet(begin + 256 * i, 0x4000 | 1365) for i in range(64)]
            emulator.send(b"".join(packets))
            b.wait_for(partial(has_samples, b, "skin_conductance", 64 if begin == 0 else 128))
            emulator.streaming.clear()
            emulator.send(b"\x55" * 8)
        b.processes[-1].send_signal(signal.SIGINT)
        assert b.processes[-1].wait(20) == 0
    finally:
        emulator.stop()
    samples = flat(b.samples("skin_conductance"))
    assert {round(value, 6) for _, value in samples} == {round(1000 / 287, 6)}
    times = np.array([at for at, _ in samples])
    assert np.ptp(times[:64]) == round(63 * S / 128)
    assert (np.diff(times) > 0).all()


def test_the_table_of_a_film_arrives_whole_with_its_step_in_its_place(
    bus: Callable[..., Bus], tmp_path: Path
) -> None:
    file = SHARED.parent / "cases" / "film_and_sensors" / "sensors.csv"
    if not file.exists():
        pytest.skip("../shared/cases is not here")
    rows = [line.split(",") for line in file.read_text().split()[1:]]
    b = bus("lossless")
    process = b.start(
        "biometrics", "--driver", "csv", "--file", str(file), "--time-column", "time_s",
        "--column", "heart_rate_bpm=heart_rate:/min", "--column", "eda_us=skin_conductance:uS",
        "--start", "2026-11-28T10:15:00+01:00", "--offset", "5", "--speed", "20",
    )  # fmt: skip
    b.wait_for(lambda _: process.poll() is not None)
    assert process.returncode == 0
    begin = (1_795_857_300 + 5) * S
    for name, column, step in (("heart_rate", 1, 90), ("skin_conductance", 2, 4.5)):
        written = [(round(float(row[0]) * S), float(row[column])) for row in rows if row[column]]
        b.wait_for(partial(has_samples, b, name, len(written)))
        found = [(at - begin, value) for at, value in flat(b.samples(name))]
        assert found == written
        assert next(at for at, value in found if value > step) == 10 * S


def test_what_is_left_out_of_a_table_is_said_on_the_terminal(
    bus: Callable[..., Bus], tmp_path: Path
) -> None:
    rows = "".join(f"{i / 4};{3 + i / 100:.2f}".replace(".", ",") + "\n" for i in range(40))
    file = tmp_path / "drive.csv"
    file.write_text(f"time;eda\n{rows}10,0;3,5;1\n10,25;3.5x\n")
    b = bus("lossless")
    process = b.start(
        "biometrics", "--driver", "csv", "--file", str(file),
        "--column", "eda=skin_conductance:uS", "--speed", "50",
    )  # fmt: skip
    b.wait_for(lambda _: process.poll() is not None)
    b.wait_for(lambda _: len(flat(b.samples("skin_conductance"))) == 40)
    assert process.returncode == 0
    assert (
        "drive.csv: 1 of 42 rows were left out: more cells than columns (line 42); "
        "1 cells of eda were left out: no number (line 43 has '3.5x')"
    ) in b.log()


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


def test_the_synthetic_board_of_brainflow() -> None:
    from affectline.services.biometrics.drivers.brainflow import BrainFlowDriver

    board = BrainFlowDriver(settings("brainflow", board="synthetic"), real_clock())
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
