from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import ServiceName
from affectline.common.lsl_time import measure_lsl_offset
from affectline.services.biometrics.driver import DeviceGone
from affectline.services.biometrics.drivers.lsl import (
    LslDriver,
    is_said,
    map_channels,
    recognize_signal,
    split_at_gaps,
)
from tests.unit.services.biometrics.fakes import START, FakeTime, settings

S = 1_000_000_000
PLAIN = settings("lsl")


@pytest.mark.parametrize(
    ("label", "signal"),
    [
        ("HR", "heart_rate"), ("Heart Rate", "heart_rate"), ("RR", "rr_interval"),
        ("EDA", "skin_conductance"), ("gsr-1", "skin_conductance"), ("BVP", "ppg"),
        ("ACC_X", "acceleration_x"), ("ECG", "ecg"), ("Fz", None), ("", None), ("hr_max", None),
    ],
)  # fmt: skip
def test_labels_tell_signals(label: str, signal: str | None) -> None:
    assert recognize_signal(label) == signal


def test_labels_and_units_of_a_stream_are_used() -> None:
    found = map_channels(
        ["EDA", "ECG", "Fz left", "ECG"], ["microsiemens", "microvolts", "uV", "1"], 4, "x", PLAIN
    )
    described = [(c.signal, c.unit, c.wire_unit) for c in found.values()]
    assert described == [
        ("skin_conductance", "uS", "uS"), ("ecg", "uV", "mV"), ("Fz-left", "uV", "uV"),
        ("ecg_3", "1", "1"),
    ]  # fmt: skip


def test_without_labels_the_type_of_the_stream_tells() -> None:
    found = map_channels(None, None, 2, "PPG", PLAIN)
    assert [(c.signal, c.unit) for c in found.values()] == [("ppg", "1"), ("ppg_1", "1")]
    assert [c.signal for c in map_channels(None, None, 2, "", PLAIN).values()] == [
        "channel_0", "channel_1",
    ]  # fmt: skip


def test_columns_choose_channels() -> None:
    pulse = {"signal": "heart_rate", "unit": "bpm"}
    chosen = settings("lsl", columns={"b": pulse})
    assert list(map_channels(["a", "b"], None, 2, "", chosen)) == [1]
    chosen = settings("lsl", columns={"0": pulse})
    assert list(map_channels(["a", "b"], None, 2, "", chosen)) == [0]
    with pytest.raises(AffectlineError, match=r"--column 0: .*numbers from 0 to -1"):
        map_channels(None, None, 0, "", chosen)
    with pytest.raises(AffectlineError, match=r"--column b: .*it has x, y"):
        map_channels(["x", "y"], None, 2, "", settings("lsl", columns={"b": pulse}))


def test_gaps_cut_even_times() -> None:
    times = np.array([0, 100, 200, 600, 700, 690], np.int64) * S // 1000
    assert split_at_gaps(times, 10.0) == [(0, 3), (3, 5), (5, 6)]


def test_a_stream_that_is_faster_than_it_says_stays_at_its_times() -> None:
    for rate, actual in ((100.0, 101.0), (100.0, 120.0), (1000.0, 1005.0), (256.0, 250.0)):
        times = np.round(np.arange(2000) * S / actual).astype(np.int64)
        parts = split_at_gaps(times, rate)
        for start, stop in parts:
            even = times[start] + np.arange(stop - start) * S / rate
            assert np.abs(even - times[start:stop]).max() <= S / rate / 2, (rate, actual)
    jitter = np.random.default_rng(0).normal(0, 0.001, 2000) * S
    jittery = np.round(np.arange(2000) * S / 100 + jitter).astype(np.int64)
    assert len(split_at_gaps(jittery, 100.0)) == 1


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=40), st.floats(0.1, 1000))
def test_runs_hold_every_sample_once(raw: list[int], rate: float) -> None:
    runs = split_at_gaps(np.array(raw, np.int64), rate)
    assert [i for start, stop in runs for i in range(start, stop)] == list(range(len(raw)))


def test_the_closest_look_at_two_clocks_counts() -> None:
    unix = iter([1000, 9000, 10_000, 10_200, 11_000, 17_000])
    lsl = iter([1e-9, 100e-9, 2e-9])
    assert measure_lsl_offset(lambda: next(unix), lambda: next(lsl)) == 10_000


class Network:
    """Streams that can be found, and what they say; speaks as ``mne_lsl.lsl`` does."""

    def __init__(self, time: FakeTime, rate: float = 10.0, names: tuple[str, ...] = ("A",)) -> None:
        self.time, self.chunks = time, list[tuple[Any, Any]]()
        self.dtype: Any = np.float32
        self.rate, self.names = rate, names
        self.channels = 1
        self.opened = 1
        """How often the sender has opened its outlets."""

    def local_clock(self) -> float:
        return 5000.0 + self.time.seconds

    def resolve_streams(
        self, timeout: float, name: str | None, kind: str | None, source: str | None, least: int
    ) -> list[Any]:
        found = [
            self.info(n) for n in self.names
            if name in (None, self.info(n).name) and source in (None, self.info(n).source_id)
        ]  # fmt: skip
        return found[:least]

    def info(self, name: str) -> Any:
        name, _, source = name.partition("@")
        return SimpleNamespace(
            source_id=source,
            name=name, stype="EDA", dtype=self.dtype, sfreq=self.rate, hostname="host",
            n_channels=self.channels, uid=f"{name} {source} {self.opened}",
            get_channel_names=lambda: None, get_channel_units=lambda: None,
        )  # fmt: skip

    def StreamInlet(self, info: Any, recover: bool) -> Any:  # noqa: N802 - its name there
        assert not recover
        return SimpleNamespace(
            open_stream=lambda timeout: None, get_sinfo=lambda timeout: info,
            time_correction=lambda timeout: -1000.0, pull_chunk=self.pull_chunk,
        )  # fmt: skip

    def pull_chunk(self, timeout: float, max_samples: int) -> tuple[Any, Any]:
        if self.chunks:
            values, stamps = self.chunks.pop(0)
            return np.array(values, np.float32).reshape(-1, 1), np.array(stamps)
        self.time.wait(timeout)
        return np.empty((0, 1)), np.empty(0)


def test_times_go_through_both_clocks() -> None:
    time = FakeTime()
    network = Network(time)
    network.chunks = [([1.0, 2.0], [6000.0, 6000.1])]  # the sender's clock is 1000 s ahead
    inlet = LslDriver(PLAIN, time.clock, network)
    inlet.open()
    (reading,) = inlet.read()
    assert abs(reading.at - START) < 1000
    assert (reading.signal, reading.unit, reading.rate) == ("skin_conductance", "uS", 10.0)
    assert inlet.device == "LSL A (EDA) at host"


def test_times_that_are_none_cost_themselves_alone() -> None:
    time = FakeTime()
    network = Network(time, rate=0.0)
    stamps = [6000.0, np.nan, 1e300, -np.inf, 5990.0, 6001.0]
    network.chunks = [([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], stamps), ([7.0], [np.nan])]
    inlet = LslDriver(PLAIN, time.clock, network)
    inlet.open()
    (reading,) = inlet.read()
    assert reading.values == (1.0, 5.0, 6.0)
    assert list(reading.offsets) == sorted(reading.offsets)
    assert inlet.read() == []
    assert inlet.counters == {"invalid": 4, "reanchored": 1}


@pytest.mark.parametrize(("rate", "patience_s"), [(10.0, 10), (0.0, 60)])
def test_a_stream_that_falls_silent_is_looked_for_again(rate: float, patience_s: float) -> None:
    time = FakeTime()
    inlet = LslDriver(PLAIN, time.clock, Network(time, rate))
    inlet.open()
    with pytest.raises(DeviceGone, match=f"silent for {patience_s} s"):
        [inlet.read() for _ in range(1000)]
    assert patience_s <= time.seconds < patience_s + 1


def test_an_experiment_may_say_nothing_for_long_and_is_found_when_it_is_started_again() -> None:
    time = FakeTime()
    network = Network(time, rate=0.0)
    network.dtype = "string"
    inlet = LslDriver(PLAIN, time.clock, network)
    inlet.open()
    while time.seconds < 3600:
        assert inlet.read() == []
    network.opened = 2  # under the same name
    with pytest.raises(DeviceGone, match=r"LSL A \(EDA\) at host is gone"):
        [inlet.read() for _ in range(1000)]
    assert time.seconds < 3600 + 12


def test_a_stream_that_is_lost_is_not_replaced_by_another() -> None:
    time = FakeTime()
    network = Network(time)
    inlet = LslDriver(PLAIN, time.clock, network)
    inlet.open()
    inlet.close()
    network.names = ("B", "C")
    with pytest.raises(DeviceGone, match="LSL: A of type EDA was not found"):
        inlet.open()
    network.names = ("A", "B")
    inlet.open()
    assert inlet.device == "LSL A (EDA) at host"


def test_which_stream_must_be_clear() -> None:
    time = FakeTime()
    two = Network(time, names=("A", "B"))
    with pytest.raises(AffectlineError, match=r"several streams: A \(EDA\), B \(EDA\)"):
        LslDriver(PLAIN, time.clock, two).open()
    LslDriver(settings("lsl", name="B"), time.clock, two).open()
    with pytest.raises(DeviceGone, match="LSL: C was not found"):
        LslDriver(settings("lsl", name="C"), time.clock, two).open()
    with pytest.raises(DeviceGone, match="LSL: a stream was not found"):
        LslDriver(PLAIN, time.clock, Network(time, names=())).open()
    beside_ours = Network(time, names=("affectline-markers", "A", "affectline-state-anna"))
    found = LslDriver(PLAIN, time.clock, beside_ours)
    found.open()
    assert found.device == "LSL A (EDA) at host"
    LslDriver(settings("lsl", name="affectline-state-anna"), time.clock, beside_ours).open()
    beside_ours.dtype = "string"
    with pytest.raises(AffectlineError, match="own markers, which would loop back"):
        LslDriver(settings("lsl", name="affectline-markers"), time.clock, beside_ours).open()


@pytest.mark.parametrize("dtype", [np.float32, "string"])
def test_streams_of_one_name_are_told_apart_by_their_source_ids(dtype: Any) -> None:
    time = FakeTime()
    network = Network(time, rate=0.0, names=("OpenSignals@anna", "OpenSignals@ben"))
    network.dtype = dtype
    with pytest.raises(
        AffectlineError, match=r"EDA, source ID anna\), .*EDA, source ID ben"
    ) as told:
        LslDriver(settings("lsl", name="OpenSignals"), time.clock, network).open()
    assert "--source-id" in str(told.value)
    for chosen in ({"name": "OpenSignals", "source_id": "ben"}, {"source_id": "ben"}):
        inlet = LslDriver(settings("lsl", **chosen), time.clock, network)
        inlet.open()
        inlet.close()
    network.names = ("OpenSignals@anna",)
    with pytest.raises(
        DeviceGone, match="OpenSignals of type EDA with source ID ben was not found"
    ):
        inlet.open()
    network.names = ("OpenSignals@anna", "OpenSignals@ben")
    inlet.open()


@pytest.mark.parametrize("dtype", [np.float32, "string"])
def test_a_program_that_starts_again_with_a_new_source_id(dtype: Any) -> None:
    time = FakeTime()
    network = Network(time, rate=0.0, names=("PsychoPy@first",))
    network.dtype = dtype
    inlet = LslDriver(settings("lsl", name="PsychoPy"), time.clock, network)
    inlet.open()
    inlet.close()
    network.names = ("PsychoPy@second",)
    if dtype == "string":  # no body is measured: any experiment of this name is the one
        inlet.open()
        return
    with pytest.raises(DeviceGone) as told:
        inlet.open()
    assert "source ID first was not found; PsychoPy (EDA, source ID second) is there: choose" in (
        str(told.value)
    )


def test_a_recording_goes_on_when_a_lost_stream_can_no_longer_be_told_apart() -> None:
    time = FakeTime()
    network = Network(time)
    inlet = LslDriver(settings("lsl", name="A"), time.clock, network)
    inlet.open()
    inlet.close()
    network.names = ("A@", "A@x")
    with pytest.raises(DeviceGone, match="several streams"):
        inlet.open()


@pytest.mark.parametrize(
    ("dtype", "stream_type", "is_event"),
    [
        ("string", "", True), (np.int32, "Markers", True), (np.int16, "markers", True),
        (np.int32, "EEG", False), (np.float32, "Markers", False),
    ],
)  # fmt: skip
def test_texts_and_triggers_say_things(dtype: Any, stream_type: str, is_event: bool) -> None:
    assert is_said(dtype, stream_type) == is_event


def test_a_subject_may_have_several_streams() -> None:
    names = {settings("lsl", name=name).service for name in ("PsychoPy Markers", "ECG amp")}
    assert names == {"biometrics/person/lsl-PsychoPy-Markers", "biometrics/person/lsl-ECG-amp"}
    assert PLAIN.service == "biometrics/person/lsl"


@pytest.mark.parametrize(
    "differ",
    [
        {"subject": "participant-2026-11-30-A-"}, {"subject": "x" * 56}, {"name": "n" * 56},
        {"subject": "y" * 60, "name": "My very long name "},
    ],
)  # fmt: skip
def test_no_two_sensors_have_the_same_service(differ: dict[str, str]) -> None:
    of_one = {"subject": "anna", "name": "OpenSignals"}
    last = list(differ)[-1]
    names = {
        settings("lsl", **of_one | differ | {last: differ[last] + end}).service
        for end in ("left", "right", "leftmost")
    }
    assert len(names) == 3
    for name in names:
        TypeAdapter(ServiceName).validate_python(name)


def test_a_stream_of_markers_is_searched_for_often_and_may_be_silent() -> None:
    network = Network(FakeTime())
    inlet = LslDriver(PLAIN, network.time.clock, network)
    assert inlet.longest_pause_s == 0.5
    inlet.open()
    assert not inlet.only_events
    network.dtype = "string"
    inlet.open()
    assert inlet.only_events


@pytest.mark.parametrize("rate", [np.nan, np.inf, -1.0, 1e-300, 1e9])
def test_a_rate_that_is_none_leaves_the_times_of_the_samples(rate: float) -> None:
    time = FakeTime()
    network = Network(time, rate=rate)
    network.chunks = [([1.0, 2.0], [6000.0, 6000.5])]
    inlet = LslDriver(PLAIN, time.clock, network)
    inlet.open()
    (reading,) = inlet.read()
    assert reading.rate is None
    assert reading.offsets == (0, S // 2)


def test_times_that_do_not_fit_the_samples_end_the_connection() -> None:
    time = FakeTime()
    network = Network(time)
    network.chunks = [([1.0, 2.0], [6000.0])]
    inlet = LslDriver(PLAIN, time.clock, network)
    inlet.open()
    with pytest.raises(DeviceGone, match="gave 1 times for 2 samples"):
        inlet.read()


def test_a_description_may_tell_of_too_few_channels_or_too_many() -> None:
    columns = map_channels(["HR"], ["bpm", "uV", "uV"], 2, "EEG", PLAIN)
    assert [(c.signal, c.unit) for c in columns.values()] == [
        ("heart_rate", "bpm"), ("channel_1", "uV"),
    ]  # fmt: skip
    assert list(map_channels(["a", "b", "c"], None, 1, "", PLAIN)) == [0]


def test_what_a_stream_says_is_cut_to_what_a_marker_holds() -> None:
    time = FakeTime()
    network = Network(time, rate=0.0)
    network.dtype = "string"
    network.pull_chunk = lambda timeout, max_samples: (  # type: ignore[method-assign]
        [["go" * 1000, "\N{PILE OF POO}" * 5000, "x" * 5000]],
        np.array([6000.0]),
    )
    network.channels = 3
    inlet = LslDriver(PLAIN, time.clock, network)
    inlet.open()
    (reading,) = inlet.read()
    (event,) = reading.events
    assert len(event.label) == 1000
    assert event.fields == {"channel_1": "\N{PILE OF POO}" * 5000}


def test_the_name_of_a_stream_is_one_short_line() -> None:
    time = FakeTime()
    inlet = LslDriver(PLAIN, time.clock, Network(time, names=("A\nB" * 200,)))
    inlet.open()
    assert len(inlet.device) == 200
    assert "\n" not in inlet.device
