"""Polar's streams; bytes are those of its data specification and of the tests of its SDK."""

import inspect
import itertools
import struct
import sys
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import bleak
import pytest
from bleak.exc import BleakError

from affectline.common.errors import AffectlineError
from affectline.services.biometrics.bluetooth import HEART_RATE_MEASUREMENT, Bluetooth
from affectline.services.biometrics.driver import DeviceGone, Reading
from affectline.services.biometrics.drivers.polar import PolarDriver
from affectline.services.biometrics.validation import time_of
from tests.unit.services.biometrics.fakes import START, FakeTime, settings

POINT, FRAMES = (f"FB005C8{n}-02E7-F387-1CAD-8ACD2D8DF0C8" for n in (1, 2))
S = 1_000_000_000
H10 = {  # request: answer
    "0100": "f0010000000001820001010e00",
    "0102": "f00102000000041900320064" "00c800010110000203020004000800",
    "0200000182000101" "0e00": "f00200000000",
    "0202000132000101" "1000020108" "00": "f00202000000",
}  # fmt: skip
VERITY_FACTOR = struct.pack("<f", 2.44e-4).hex()
VERITY = {
    "0101": "f00101000000013700010116000401" "04",
    "0102": "f00102000000013400010110000201080004" "0103",
    "0201000137000101" "1600040104": "f00201000000",
    "0202000134000101" "100002010800040103": "f002020000" "0501" + VERITY_FACTOR,
}  # fmt: skip
ACC_COMPRESSED = bytes.fromhex(
    "71 07 F0 6A 9E 8D 0A 38 BE 5C BE BA 2F 96 B3 EE 4B E5 AD FB 42 B9 EB BE 4C FE BA 2F 92 BF EE"
    "4B E4 B1 FB 12 B9 EC BD 3C 3E BB 2F 8F D3 DE 4B E3 B5 F7 D2 B8 ED BD 30 7E 7B 2F 8B E3 CE 8B"
    "E2 BA F7 A2 B8 EE BC 20 BE 7B 2F 88 F3 CE CB E1 BD EF 52 F8 EF BC 18 FE 3B 2F 84 03 BF CB E0"
    "C2 EF 32 B8 F0 BB 04 4E BC 2E 81 13 AF 0B E0 C6 EF F2 F7 F1 B9 FC 7D BC 2E 7D 27 9F 4B DF CA"
    "EB C2 F7 F2 B8 EC CD 7C 2E 7B 37 8F 4B DE CE E3 92 F7 F3 B8 E0 0D FD 2D 77 4B 7F CB DD D2 DF"
    "62 37 F5 B7 D4 4D BD 2D 74 5B 6F CB DC D7 D7 32 37 F6 B5 C8 8D 7D 2D 71 6B 4F 4B DC DC D3 F2"
    "36 F7 B4 BC DD FD 2C 6F 7B 3F 4B DB E0 CF D2 36 F8 B2 B0 2D BE 2C 6C 8F 1F CB DA E3 C7 A2 76"
    "F9"
)
PPG_COMPRESSED = bytes.fromhex(
    "2C 2D 00 C2 77 00 D3 D2 FF 3D 88 FF 0A 29 B2 F0 EE 34 11 B2 EC EE 74 11 B1 E8 FE B4 11 B1 E8"
    "FE B4 11 B1 E0 FE 34 12 B0 DC 0E 75 12 B0 D8 0E B5 12 AF D4 1E F5 12 AF D0 1E 35 13 AE CC 2E"
    "75 13 AE C8 2E B5 13 AD C4 3E F5 13 AD BC 3E 75 14 AD BC 3E 75 14 AC B8 4E B5 14 AC B4 4E F5"
    "14 AB B0 5E 35 15 AA AC 6E 75 15 AA A8 6E B5 15 AA A4 6E F5 15 A9 A0 7E 35 16 A9 9C 7E 75 16"
    "A8 98 8E B5 16 A7 94 9E F5 16 A7 90 9E 35 17 A7 8C 9E 75 17 A6 88 AE B5 17 A5 88 BE B5 17 A5"
    "80 BE 35 18 A4 7C CE 75 18 A4 78 CE B5 18 A3 78 DE B5 18 A2 70 EE 35 19 A2 6C EE 75 19 A2 6C"
    "EE 75 19 A1 68 FE B5 19 A0 60 0E 36 1A 9F 60 1E 36 1A 9F 5C 1E 76 1A 9F 58 1E B6 1A 9D 54 3E"
    "F6 1A"
)


@dataclass
class Device:
    name: str
    address: str


@dataclass
class Advertisement:
    local_name: str | None = None
    service_uuids: list[str] = field(default_factory=list)


class Sensor:
    """A Polar sensor in reach; speaks as bleak does, and answers by the specification."""

    def __init__(self, answers: dict[str, str], features: str, name: str = "Polar H10 A1") -> None:
        self.answers, self.features = answers, bytes.fromhex(features)
        self.device = Device(name, "AA:BB")
        self.requests: list[str] = []
        self.notify: dict[str, Any] = {}
        self.characteristics = {POINT, FRAMES, HEART_RATE_MEASUREMENT}

    @property
    def bluetooth(self) -> Bluetooth:
        return Bluetooth(self, self._connect_to, (BleakError, OSError))

    def _connect_to(self, device: Device, disconnected_callback: Any) -> "Sensor":
        self.lose = partial(disconnected_callback, self)
        return self

    async def find_device_by_filter(self, wanted: Any, timeout: float) -> Device | None:
        lamp = Device("Lamp", "CC:DD")
        found = [d for d in (lamp, self.device) if wanted(d, Advertisement())]
        return found[0] if found else None

    @property
    def services(self) -> "Sensor":
        return self

    def get_characteristic(self, uuid: str) -> str | None:
        return uuid if uuid in self.characteristics else None

    async def connect(self) -> None:
        self.requests.clear()

    async def disconnect(self) -> None:
        self.lose()

    async def start_notify(self, uuid: str, callback: Any) -> None:
        self.notify[uuid] = partial(callback, None)

    async def read_gatt_char(self, uuid: str) -> bytearray:
        assert uuid == POINT
        self.notify[POINT](bytearray(self.features))  # as BlueZ does
        return bytearray(self.features)

    async def write_gatt_char(self, uuid: str, data: bytes, response: bool) -> None:
        assert (uuid, response) == (POINT, True)
        self.requests.append(data.hex())
        if answer := self.answers.get(data.hex()):
            self.notify[POINT](bytearray.fromhex(answer))

    def send(self, kind: int, stamp: int, form: int, samples: bytes) -> None:
        header = bytes([kind]) + struct.pack("<Q", stamp) + bytes([form])
        self.notify[FRAMES](bytearray(header + samples))


def h10() -> Sensor:
    return Sensor(H10, "0f05000000000000000000000000000000")


def verity() -> Sensor:
    return Sensor(VERITY, "0f06", "Polar Sense B2")


def opened(sensor: Sensor) -> tuple[PolarDriver, FakeTime]:
    time = FakeTime()
    driver = PolarDriver(settings("polar"), time.clock, sensor.bluetooth)
    try:
        driver.open()
    except Exception:
        driver.close()
        raise
    return driver, time


def ecg(*microvolts: int) -> bytes:
    return b"".join(v.to_bytes(3, "little", signed=True) for v in microvolts)


def times(reading: Reading) -> list[int]:
    return [time_of(reading, i) for i in range(len(reading.values))]


def test_bleak_is_called_by_its_own_names() -> None:
    client = bleak.BleakClient
    inspect.signature(client.write_gatt_char).bind(None, POINT, b"", response=True)
    inspect.signature(client.read_gatt_char).bind(None, POINT)
    assert isinstance(client.services, property)


def test_an_h10_is_asked_for_its_streams() -> None:
    sensor = h10()
    driver, _ = opened(sensor)
    assert driver.device == "Polar H10 A1 AA:BB"
    assert sensor.requests == list(H10)[:1] + list(H10)[2:3] + list(H10)[1:2] + list(H10)[3:]
    sensor.notify[HEART_RATE_MEASUREMENT](bytearray.fromhex("10483d03"))
    sensor.send(0, 2 * S, 0, bytes.fromhex("0280ff028000"))  # of Polar's EcgDataTest
    sensor.send(2, 2 * S, 1, bytes.fromhex("f7ffffffe703f8fffeffe503"))  # of its AccDataTest
    found = {reading.signal: reading for reading in driver.read()}
    driver.close()
    assert found["heart_rate"].values == (72.0,)
    assert found["ecg"].values == pytest.approx((-32.766, 32.770))
    assert (found["ecg"].unit, found["ecg"].rate) == ("mV", 130.0)
    assert [found[f"acceleration_{axis}"].values for axis in "xyz"] == [
        pytest.approx(values) for values in ((-0.009, -0.008), (-0.001, -0.002), (0.999, 0.997))
    ]
    assert found["acceleration_x"].rate == 50.0
    assert not +driver.counters
    assert not [t for t in threading.enumerate() if t.name == "bleak"]


def test_compressed_frames_of_a_verity_sense() -> None:
    sensor = verity()
    driver, _ = opened(sensor)
    sensor.send(2, 2 * S, 0x80, ACC_COMPRESSED)
    sensor.send(1, 2 * S, 0x80, PPG_COMPRESSED)
    found = {reading.signal: reading for reading in driver.read()}
    driver.close()
    x = found["acceleration_x"]
    assert (len(x.values), x.rate) == (57, 52.0)
    # The reference sample and the first difference, by hand; polar-python rounds down to mg
    assert x.values[:2] == pytest.approx((1905 * 0.000244, 2095 * 0.000244), abs=0.001)
    z = found["acceleration_z"].values
    assert z[:2] == pytest.approx((-29282 * 0.000244, -29367 * 0.000244), abs=0.001)
    names = ("ppg", "ppg_2", "ppg_3", "ppg_ambient")
    assert [found[name].values[0] for name in names] == [11564, 30658, -11565, -30659]
    assert {len(found[name].values) for name in names} == {42}
    assert found["ppg"].values[1] == 11564 + 0x0B2  # 10 bits of B2 F0, the lowest first


def test_a_compressed_frame_of_type_1() -> None:
    sensor = verity()
    sensor.answers = VERITY | {list(VERITY)[-1]: "f00202000000"}
    driver, _ = opened(sensor)
    sensor.send(2, 101, 0x81, bytes.fromhex("f1ff1400f00306017b0f08"))
    values = [reading.values for reading in driver.read()]
    driver.close()
    expected = ((-0.015, -0.020), (0.020, 0.017), (1.008, 1.008))
    assert values == [pytest.approx(pair) for pair in expected]


def test_times_are_those_of_the_sensor_moved_to_ours() -> None:
    sensor = h10()
    driver, time = opened(sensor)
    # 73 samples a frame at 129.9 Hz, by a clock that began in 2000, under way for 20 to 80 ms
    step = 73 * S / 129.9
    delays = [0.08, 0.02, 0.05, 0.08, 0.03, 0.07] * 4
    found: list[Reading] = []
    for i, delay in enumerate(delays):
        stamp = 123 * S + round(i * step)
        time.seconds = i * step / S + delay
        sensor.send(0, stamp, 0, ecg(*range(73)))
        found += driver.read()
    driver.close()
    steps = {b.at - a.at for a, b in itertools.pairwise(found[12:])}
    assert max(steps) - min(steps) <= 1  # no jitter of the radio
    last = found[-1].at + round(72 * S / 129.9)
    late = last - (START + round((len(delays) - 1) * step))
    assert abs(late - 20_000_000) < 1_000_000  # by the shortest delay
    firsts, lasts = [t.at for t in found[1:]], [times(t)[-1] for t in found[:-1]]
    assert all(a < b for a, b in zip(lasts, firsts, strict=True))


def test_frames_that_are_lost_are_counted_and_keep_their_gap() -> None:
    sensor = h10()
    driver, time = opened(sensor)
    for i in (0, 1, 3):
        time.seconds = i / 2
        sensor.send(0, 5 * S + i * S // 2, 0, ecg(*range(65)))
    first, second, third = driver.read()
    driver.close()
    assert second.at - first.at == pytest.approx(S // 2, abs=1000)
    assert third.at - second.at == pytest.approx(S, rel=0.01)
    assert driver.counters["missing"] == 65


@pytest.mark.parametrize(
    "frame",
    ["", "00", "0000000000000000000000", "07" + "00" * 12, "00" + "00" * 8 + "09" + "00" * 3,
     "00" + "00" * 8 + "81" + "00" * 3, "03" + "00" * 20],
)  # fmt: skip
def test_frames_that_cannot_be_read_are_counted(frame: str) -> None:
    sensor = h10()
    driver, _ = opened(sensor)
    sensor.notify[FRAMES](bytearray.fromhex(frame))
    readings = driver.read()
    driver.close()
    assert not readings
    assert driver.counters["invalid"] >= 1


def test_half_a_sample_is_left_out() -> None:
    sensor = h10()
    driver, _ = opened(sensor)
    sensor.send(0, S, 0, ecg(1000, 2000) + b"\xff")
    (reading,) = driver.read()
    driver.close()
    assert reading.values == pytest.approx((1.0, 2.0))
    assert driver.counters["invalid"] == 1


def test_a_sensor_that_refuses_says_why() -> None:
    sensor = h10()
    sensor.answers = H10 | {list(H10)[2]: "f002000d00"}
    with pytest.raises(DeviceGone, match="refuses ECG: device in charger"):
        opened(sensor)


def test_a_stream_that_is_on_already_is_read() -> None:
    sensor = h10()
    sensor.answers = H10 | {list(H10)[2]: "f002000600"}
    driver, _ = opened(sensor)
    driver.close()


def test_a_lost_sensor_is_gone() -> None:
    sensor = h10()
    driver, _ = opened(sensor)
    sensor.lose()
    with pytest.raises(DeviceGone, match="Polar H10 A1 AA:BB is out of reach"):
        driver.read()
    driver.close()


@pytest.mark.parametrize("case", ["no service", "no streams"])
def test_a_strap_without_streams_is_refused(case: str) -> None:
    sensor = h10()
    if case == "no service":
        sensor.characteristics.remove(POINT)
    else:
        sensor.features = bytes.fromhex("0f08")
    driver = PolarDriver(settings("polar"), FakeTime().clock, sensor.bluetooth)
    with pytest.raises(AffectlineError, match="--driver ble"):
        driver.open()
    driver.close()


def test_other_devices_are_left_alone() -> None:
    sensor = Sensor(H10, "0f05", "Garmin 9")
    driver = PolarDriver(settings("polar"), FakeTime().clock, sensor.bluetooth)
    with pytest.raises(DeviceGone, match="any Polar sensor was not found"):
        driver.open()
    driver.close()


def test_without_polar_python_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polar_python", None)
    with pytest.raises(AffectlineError, match=r"affectline\[sensors\]"):
        PolarDriver(settings("polar"), FakeTime().clock, h10().bluetooth)
