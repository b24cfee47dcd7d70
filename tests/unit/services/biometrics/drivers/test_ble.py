import asyncio
import inspect
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import bleak
import pytest
from bleak.exc import BleakError
from bleak.uuids import normalize_uuid_16

from affectline.services.biometrics import bluetooth as strap_connection
from affectline.services.biometrics.bluetooth import Bluetooth
from affectline.services.biometrics.driver import Clock, DeviceGone, Reading
from affectline.services.biometrics.driver_thread import DriverThread
from affectline.services.biometrics.drivers.ble import BleHeartRate
from tests.unit.services.biometrics.fakes import START, FakeTime, settings

PULSE = bytes.fromhex("10483d03")


@dataclass
class Device:
    name: str | None
    address: str


@dataclass
class Advertisement:
    local_name: str | None
    service_uuids: list[str]


@dataclass
class Air:
    """What can be reached by radio; speaks as bleak does."""

    found: list[tuple[Device, Advertisement]] = field(default_factory=list)
    clients: list["Client"] = field(default_factory=list)
    refuse: Exception | None = None
    payloads: tuple[bytes, ...] = (PULSE,)

    @property
    def bluetooth(self) -> Bluetooth:
        return Bluetooth(self, lambda *a, **k: Client(self, *a, **k), (BleakError, OSError))

    async def find_device_by_address(self, address: str, timeout: float) -> Device | None:
        return next((d for d, _ in self.found if d.address == address), None)

    async def find_device_by_filter(self, wanted: Any, timeout: float) -> Device | None:
        return next((d for d, a in self.found if wanted(d, a)), None)


class Client:
    """A connection, like BleakClient."""

    def __init__(self, air: Air, device: Device, disconnected_callback: Any) -> None:
        self.air, self.device, self.lose = air, device, partial(disconnected_callback, self)
        self.threads = {threading.current_thread().name}
        self.connected = False
        air.clients.append(self)

    async def connect(self) -> None:
        if self.air.refuse:
            raise self.air.refuse
        self.connected = True

    async def start_notify(self, uuid: str, callback: Any) -> None:
        assert uuid == normalize_uuid_16(0x2A37)
        self.notify = callback
        for payload in self.air.payloads:
            callback(None, bytearray(payload))

    async def disconnect(self) -> None:
        self.threads.add(threading.current_thread().name)
        self.connected = False
        self.lose()


STRAP = (Device("H10 1234", "AA:BB"), Advertisement(None, [normalize_uuid_16(0x180D).upper()]))
LAMP = (Device("Lamp", "CC:DD"), Advertisement("Lamp", []))


def strap(air: Air, **more: object) -> BleHeartRate:
    return BleHeartRate(settings("ble", **more), FakeTime().clock, air.bluetooth)


def signals(readings: list[Reading]) -> list[tuple[str, float]]:
    return [(r.signal, r.values[0]) for r in readings]


def test_bleak_is_called_by_its_own_names() -> None:
    real = strap_connection.load_bluetooth("ble")
    inspect.signature(real.scanner.find_device_by_address).bind("AA", timeout=1.0)
    inspect.signature(real.scanner.find_device_by_filter).bind(lambda d, a: True, timeout=1.0)
    inspect.signature(real.client).bind("AA", disconnected_callback=lambda client: None)
    inspect.signature(bleak.BleakClient.start_notify).bind(None, "2a37", lambda c, d: None)
    for name in ("connect", "disconnect"):
        assert inspect.iscoroutinefunction(getattr(real.client, name))
    assert normalize_uuid_16(0x180D) == strap_connection.HEART_RATE_SERVICE
    assert normalize_uuid_16(0x2A37) == strap_connection.HEART_RATE_MEASUREMENT


@pytest.mark.parametrize("wanted", [{}, {"name": "H10 1234"}, {"address": "AA:BB"}])
def test_a_strap_is_found_and_heard(wanted: dict[str, str]) -> None:
    air = Air([LAMP, STRAP])
    driver = strap(air, **wanted)
    driver.open()
    assert driver.device == "H10 1234 AA:BB"
    assert signals(driver.read()) == [("heart_rate", 72), ("rr_interval", 809.5703125)]
    assert driver.read() == []
    driver.close()
    assert air.clients[0].connected is False
    assert air.clients[0].threads == {"bleak"}
    assert not [t for t in threading.enumerate() if t.name == "bleak"]


def test_what_came_before_the_loss_is_read_first() -> None:
    air = Air([STRAP])
    driver = strap(air)
    driver.open()
    air.clients[0].lose()
    assert len(driver.read()) == 2
    with pytest.raises(DeviceGone, match="H10 1234 AA:BB is out of reach"):
        driver.read()
    driver.close()


@pytest.mark.parametrize(
    ("air", "words"),
    [
        (Air([LAMP]), "any heart-rate strap was not found"),
        (Air([STRAP], refuse=BleakError("le-connection-abort")), "le-connection-abort"),
        (Air([STRAP], refuse=TimeoutError()), "did not answer in time"),
        (Air([STRAP], refuse=FileNotFoundError(2, "No such file")), "Bluetooth does not answer"),
    ],
)
def test_a_strap_that_cannot_be_reached_is_gone(air: Air, words: str) -> None:
    driver = strap(air)
    with pytest.raises(DeviceGone, match=words):
        driver.open()
    driver.close()
    assert not [t for t in threading.enumerate() if t.name == "bleak"]


def test_a_connection_that_hangs_ends_when_the_process_shall() -> None:
    class Hangs(Client):
        async def connect(self) -> None:
            await asyncio.Event().wait()

    air, time = Air([STRAP]), FakeTime()
    stopping = Clock(time.now, lambda: time.seconds, lambda _: bool(air.clients))
    bluetooth = Bluetooth(air, lambda *a, **k: Hangs(air, *a, **k), (BleakError, OSError))
    driver = BleHeartRate(settings("ble"), stopping, bluetooth)
    with pytest.raises(DeviceGone, match="did not answer in time"):
        driver.open()
    driver.close()
    assert not [t for t in threading.enumerate() if t.name == "bleak"]


def test_a_strap_that_comes_back_is_heard_again() -> None:
    air = Air([STRAP])
    driver = strap(air)
    feed = DriverThread(driver, threading.Event(), lambda: None)
    assert feed.step() == 0
    air.clients[0].lose()
    air.found = []
    assert [feed.step() for _ in range(2)] == [0.5, 1.0]
    assert "was not found" in feed.problem
    air.found = [STRAP]
    assert (feed.step(), feed.problem) == (0, "")
    assert len(air.clients) == 2
    batches = [feed.next_batch(), feed.next_batch()]
    assert [len(batch.readings) for batch in batches if batch] == [2, 2]
    driver.close()


@pytest.mark.parametrize("name", ["H10 1234", None])
def test_a_strap_that_is_lost_is_not_replaced_by_somebody_else_s(name: str | None) -> None:
    mine = (Device(name, "AA:BB"), STRAP[1])
    other = (Device("H10 5678", "EE:FF"), STRAP[1])
    air = Air([mine, other])
    driver = strap(air)
    driver.open()
    driver.close()
    air.found = [other]
    with pytest.raises(DeviceGone, match=f"strap {name or 'AA:BB'} was not found"):
        driver.open()
    driver.close()
    again = "AA:CC" if name else "AA:BB"  # a name stays when the address changes
    air.found = [other, (Device(name, again), STRAP[1])]
    driver.open()
    driver.close()
    assert air.clients[-1].device.address == again


def test_a_strap_that_bleak_cannot_let_go_of_is_heard_again() -> None:
    class Clings(Client):
        async def disconnect(self) -> None:
            raise AssertionError("no bus")

    air = Air([STRAP])
    bluetooth = Bluetooth(air, lambda *a, **k: Clings(air, *a, **k), (BleakError, OSError))
    driver = BleHeartRate(settings("ble"), FakeTime().clock, bluetooth)
    feed = DriverThread(driver, threading.Event(), lambda: None)
    assert feed.step() == 0
    air.clients[0].lose()
    assert feed.step() == 0.5
    assert not [t for t in threading.enumerate() if t.name == "bleak"]
    assert (feed.step(), feed.problem) == (0, "")
    assert driver.counters["failures"] == 1
    with pytest.raises(AssertionError, match="no bus"):
        driver.close()


def test_every_length_of_payload_is_survived() -> None:
    payloads = tuple(bytes([0xFF] * n) for n in range(31))
    driver = strap(Air([STRAP], payloads=payloads))
    driver.open()
    readings = driver.read()
    driver.close()
    assert len([r for r in readings if r.signal == "heart_rate"]) == 28
    assert driver.counters["invalid"] > 3


def test_no_skin_contact_is_said() -> None:
    driver = strap(Air([STRAP], payloads=(bytes.fromhex("0448"), bytes.fromhex("0000"))))
    driver.open()
    said = [(r.quality, r.reason) for r in driver.read()]
    driver.close()
    assert said == [(0.0, "no skin contact"), (0.0, "the strap has no rate")]


def test_energy_and_arrival() -> None:
    driver = strap(Air([STRAP], payloads=(bytes.fromhex("08480100"),)))
    driver.open()
    rate, energy = driver.read()
    driver.close()
    assert (energy.signal, energy.unit, energy.values) == ("energy_expended", "kJ", (1.0,))
    assert rate.at == energy.at == START
