"""Lab Streaming Layer, both ways: its own library at the other end."""

import contextlib
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from affectline.common.clock import monotonic, now_ns
from affectline.common.errors import AffectlineError
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.messages import Marker, Packet
from affectline.services.biometrics.driver_thread import DriverThread
from affectline.services.biometrics.validation import time_of
from tests.integration.buses import Bus, drive, real_clock
from tests.publishing import publish_once
from tests.samples import EMOTION, PACKETS
from tests.unit.services.biometrics.fakes import settings

LSL_SETTINGS = str(Path(__file__).parents[1] / "lsl_api.cfg")
os.environ["LSLAPICFG"] = LSL_SETTINGS  # read once, when the library is loaded
S = 1_000_000_000


def make_outlet(name: str, rate: float, source: str = "") -> Any:
    from mne_lsl.lsl import StreamInfo, StreamOutlet

    info = StreamInfo(name, "Physiology", 2, rate, "float32", source or f"{name}-source")
    info.set_channel_names(["EDA", "ECG"])
    info.set_channel_types("misc")
    info.set_channel_units(["microsiemens", "microvolts"])
    return StreamOutlet(info)


ROWS = np.array([[i, 1000 * i] for i in range(20)], np.float32)


def test_an_lsl_stream_is_read_in_its_units_at_its_times() -> None:
    from mne_lsl.lsl import local_clock

    from affectline.services.biometrics.drivers.lsl import LslDriver

    outlet = make_outlet("affectline-even", 10.0)
    inlet = LslDriver(settings("lsl", name="affectline-even"), real_clock())
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
from tests.integration.test_lsl import ROWS, make_outlet
outlet = make_outlet("affectline-lost", 0.0)
print("up", flush=True)
sys.stdin.readline()
outlet.push_chunk(ROWS[:3], np.array([100.0, 100.7, 102.0]))
sys.stdin.readline()
"""


def test_an_lsl_stream_that_is_lost_is_found_again() -> None:
    from affectline.services.biometrics.drivers.lsl import LslDriver

    inlet = LslDriver(settings("lsl", name="affectline-lost"), real_clock())
    feed = DriverThread(inlet, threading.Event(), lambda: None)
    sender = subprocess.Popen(
        [sys.executable, "-c", SENDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert sender.stdin
    assert sender.stdout
    assert sender.stdout.readline() == "up\n"
    feed.step()
    sender.stdin.write("\n")
    sender.stdin.flush()
    skin, _ = step_until(feed, feed.next_batch).readings
    assert [offset // 10_000_000 for offset in skin.offsets] == [0, 70, 200]
    sender.kill()
    sender.communicate()
    assert "is gone" in step_until(feed, lambda: feed.problem)
    step_until(feed, lambda: "was not found" in feed.problem)
    outlet = make_outlet("affectline-lost", 0.0)
    step_until(feed, lambda: feed.step() == 0)  # open again
    outlet.push_sample(ROWS[0])
    assert len(step_until(feed, feed.next_batch).readings) == 2
    assert feed.problem == ""
    assert inlet.counters["lost"] == 1
    inlet.close()
    del outlet
    gc.collect()


def test_one_of_two_devices_with_one_name_never_stands_for_the_other() -> None:
    from affectline.services.biometrics.drivers.lsl import LslDriver

    outlets = {
        who: make_outlet("affectline-twin", 10.0, f"device-{who}") for who in ("anna", "ben")
    }
    with pytest.raises(AffectlineError, match=r"source ID device-anna\), .*source ID device-ben"):
        LslDriver(settings("lsl", name="affectline-twin"), real_clock()).open()
    inlet = LslDriver(
        settings("lsl", name="affectline-twin", source_id="device-anna"), real_clock()
    )
    feed = DriverThread(inlet, threading.Event(), lambda: None)
    feed.step()
    outlets["anna"].push_sample(ROWS[2])
    skin, _ = step_until(feed, feed.next_batch).readings
    assert skin.values == (2.0,)
    del outlets["anna"]
    gc.collect()
    step_until(feed, lambda: "with source ID device-anna was not found" in feed.problem)
    outlets["ben"].push_sample(ROWS[9])
    outlets["anna"] = make_outlet("affectline-twin", 10.0, "device-anna")
    step_until(feed, lambda: feed.step() == 0)  # open again
    outlets["anna"].push_sample(ROWS[3])
    skin, _ = step_until(feed, feed.next_batch).readings
    assert skin.values == (3.0,)
    inlet.close()
    outlets.clear()
    gc.collect()


def step_until(feed: DriverThread, reached: Callable[[], Any], timeout_s: float = 60) -> Any:
    """Let a feed work, without its pauses, until something is true."""
    deadline = monotonic() + timeout_s
    while not (found := reached()):
        assert monotonic() < deadline, feed.problem
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
        "angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "valence", "arousal",
    ]  # fmt: skip
    at, there = now_ns(), local_clock()
    moved = {"captured_at": at, "received_at": at, "published_at": at}
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
        face = EMOTION.faces[0]
        values = [*(face.probabilities or ()), face.valence, face.arousal]
        assert first.tolist() == pytest.approx(values)
        assert abs(stamp - there) < 0.005
        nobody, _ = inlets["affectline-emotion-drive"].pull_sample(timeout=20)
        assert np.isnan(nobody).all()
        state, stamp = inlets["affectline-state-driver"].pull_sample(timeout=20)
        assert state.tolist() == pytest.approx([0.4, -0.2, 63.5, 0.8])
        assert abs(stamp - there) < 0.005
        label, stamp = inlets["affectline-markers"].pull_sample(timeout=20)
        assert label == ['hard braking {"km/h": 63.5}']
        assert abs(stamp - there) < 0.005


def make_markers(name: str, channels: int = 1, dtype: str = "string") -> Any:
    """What PsychoPy (texts) or E-Prime (trigger numbers) opens for its markers."""
    from mne_lsl.lsl import StreamInfo, StreamOutlet

    info = StreamInfo(name, "Markers", channels, 0.0, dtype, f"{name}-source")
    if channels > 1:
        info.set_channel_names(["label", "trial", "side"][:channels])
    return StreamOutlet(info)


def test_texts_and_trigger_numbers_become_markers_at_their_times() -> None:
    from mne_lsl.lsl import local_clock

    from affectline.services.biometrics.drivers.lsl import LslDriver

    texts, numbers = make_markers("PsychoPy", 3), make_markers("E-Prime", dtype="int32")
    readers = {}
    for name in ("PsychoPy", "E-Prime"):
        readers[name] = LslDriver(settings("lsl", name=name), real_clock())
        readers[name].open()
    sent, begun = local_clock(), now_ns()
    for i in range(20):
        texts.push_sample([f"trial {i}", str(i), "left"], timestamp=sent + i / 10)
    texts.push_sample(["", "20", ""], timestamp=sent + 2.1)
    numbers.push_sample(np.array([64], np.int32), timestamp=sent)
    said = drive(readers["PsychoPy"], 20, lambda r: sum(len(x.events) for x in r) == 20)
    events = [event for reading in said for event in reading.events]
    assert [event.label for event in events] == [f"trial {i}" for i in range(20)]
    assert events[3].fields == {"trial": "3", "side": "left"}
    times = [time_of(r, i) for r in said for i in range(len(r.events))]
    assert all(abs(at - begun - i * S // 10) < 0.005 * S for i, at in enumerate(times))
    (trigger,) = drive(readers["E-Prime"], 20, lambda r: bool(r))
    assert [event.label for event in trigger.events] == ["64"]
    assert abs(trigger.at - begun) < 0.005 * S
    assert readers["PsychoPy"].counters["invalid"] == 1, "one said nothing"
    for reader in readers.values():
        reader.close()
    del texts, numbers
    gc.collect()


def test_an_experiment_s_markers_reach_the_hub_also_after_it_was_started_again(
    bus: Callable[..., Bus],
) -> None:
    b = bus("live", ("marker/",))
    outlet = make_markers("OpenSesame")
    b.start("biometrics", "--driver", "lsl", "--name", "OpenSesame")
    service = "biometrics/person/lsl-OpenSesame"
    b.wait_for(lambda _: bool(b.health(service)))
    _wait_for_consumer(outlet)
    outlet.push_sample(["begin"])
    b.wait_for(lambda heard: [m.label for m in heard if isinstance(m, Marker)] == ["begin"])
    del outlet
    gc.collect()
    outlet = make_markers("OpenSesame")
    _wait_for_consumer(outlet)
    outlet.push_sample(["again"])
    b.wait_for(lambda heard: any(m.label == "again" for m in heard if isinstance(m, Marker)))
    (first, *_) = [m for m in b.heard if isinstance(m, Marker)]
    assert abs(first.at - now_ns()) < 60 * S
    assert first.source.startswith("LSL OpenSesame (Markers)")
    del outlet
    gc.collect()


def _wait_for_consumer(outlet: Any) -> None:
    deadline = monotonic() + 40
    while not outlet.has_consumers:
        assert monotonic() < deadline, "nobody listens"
        outlet.wait_for_consumers(timeout=1)


def test_signals_and_faces_have_outlets_of_their_own(bus: Callable[..., Bus]) -> None:
    from mne_lsl.lsl import StreamInlet, local_clock, resolve_streams

    b = bus()
    b.start("lsl-outlet", "--stream", "drive", "--subject", "anna")
    b.wait_for(lambda _: bool(b.health("outlet/lsl")))
    at, there = now_ns(), local_clock()
    samples = Samples(
        subject="anna", signal="skin_conductance", unit="uS", epoch=1, seq=0, at=at, rate=4.0,
        values=(5.0, 5.5),
    )  # fmt: skip
    assert publish_once(b.hub, Packet(samples))
    (info,) = resolve_streams(20.0, "affectline-skin_conductance-anna")
    assert (info.stype, info.n_channels) == ("EDA", 1)
    inlet = StreamInlet(info)
    inlet.open_stream(timeout=10)
    assert inlet.get_sinfo().get_channel_units() == ["uS"]
    again = samples.model_copy(update={"seq": 1, "at": at + S // 2, "values": (6.0, 6.5)})
    assert publish_once(b.hub, Packet(again))
    value, stamp = inlet.pull_sample(timeout=20)
    while value[0] < 6:
        value, stamp = inlet.pull_sample(timeout=20)
    assert value[0] == pytest.approx(6.0)
    assert abs(stamp - there - 0.5) < 0.005
    (faces,) = resolve_streams(10.0, "affectline-faces-drive")
    boxes = StreamInlet(faces)
    boxes.open_stream(timeout=10)
    moved = {"captured_at": at, "received_at": at, "published_at": at}
    assert publish_once(b.hub, Packet(EMOTION.model_copy(update=moved)))
    row, _ = boxes.pull_sample(timeout=20)
    largest = max(EMOTION.faces, key=lambda face: face.box[2] * face.box[3])
    assert row.tolist() == [len(EMOTION.faces), largest.track, *largest.box]
    del inlet, boxes
    gc.collect()
