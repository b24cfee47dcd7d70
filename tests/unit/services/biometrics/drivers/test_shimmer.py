"""A Shimmer3 GSR+, emulated at a pseudo-terminal by the manual of its LogAndStream firmware."""

import contextlib
import os
import pty
import select
import struct
import sys
import threading
import time
import tty
from collections.abc import Iterator

import pytest

from affectline.common.errors import AffectlineError
from affectline.services.biometrics.driver import Clock, DeviceGone, Reading
from affectline.services.biometrics.drivers.shimmer import ShimmerDriver, to_microsiemens
from affectline.services.biometrics.validation import time_of
from tests.unit.services.biometrics.fakes import START, FakeTime, settings

S = 1_000_000_000
ARGUMENTS = {0x05: 2, 0x08: 3, 0x21: 1, 0x5E: 1, 0xA3: 1}
"""Bytes behind the commands that set something."""


class Firmware:
    """Answers commands as the device does."""

    def __init__(self, version: tuple[int, int, int] = (0, 16, 0)) -> None:
        self.version = version
        self.commands: list[bytes] = []
        self.sensors = b"\0\0\0"
        self.divider = 640  # 51.2 Hz, as it comes
        self.mute = self.keeps_divider = False
        self.streaming = threading.Event()
        self._pending = b""

    def receive(self, data: bytes) -> bytes:
        """What it sends when bytes of commands arrive."""
        self._pending += data
        sent = b""
        while self._pending:
            length = 1 + ARGUMENTS.get(self._pending[0], 0)
            if len(self._pending) < length:
                break
            command, self._pending = self._pending[:length], self._pending[length:]
            self.commands.append(command)
            if not self.mute:
                sent += b"\xff" + self._answer(command)
            if command == b"\x07":
                self.streaming.set()
        return sent

    def _answer(self, command: bytes) -> bytes:
        code = command[0]
        if code == 0x05:
            if not self.keeps_divider:
                (self.divider,) = struct.unpack("<H", command[1:])
        elif code == 0x08:
            self.sensors = command[1:]
        elif code == 0x20:
            self.streaming.clear()
        elif code == 0x2E:  # firmware: LogAndStream
            return b"\x2f" + struct.pack("<HHBB", 3, *self.version)
        elif code == 0x01:
            channels = b""
            if self.sensors[1] & 0x01:
                channels += b"\x12"  # A13
            if self.sensors[0] & 0x04:
                channels += b"\x1c"  # GSR
            config = (0x01, 0x09, 0x00, 0x09)
            return b"\x02" + struct.pack(
                "<H4BBB", self.divider, *config, len(channels), 1
            ) + channels  # fmt: skip
        return b""

    def packet(self, ticks: int, gsr: int, pulse: int = 2048) -> bytes:
        return b"\0" + (ticks % (1 << 24)).to_bytes(3, "little") + struct.pack("<HH", pulse, gsr)


class Emulator(Firmware):
    """A device at a pseudo-terminal, in a thread; packets are sent by tests."""

    def __init__(self, version: tuple[int, int, int] = (0, 16, 0)) -> None:
        super().__init__(version)
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.port, self.slave = os.ttyname(slave), slave
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if select.select([self.master], [], [], 0.01)[0]:
                self.send(self.receive(os.read(self.master, 1024)))

    def send(self, data: bytes) -> None:
        os.write(self.master, data)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        for descriptor in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(descriptor)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    made = Emulator()
    yield made
    made.stop()


def opened(emulator: Emulator) -> tuple[ShimmerDriver, FakeTime]:
    fake = FakeTime()

    def wait(seconds: float) -> bool:
        time.sleep(0.05)  # for the other end of the terminal
        return fake.wait(seconds)

    driver = ShimmerDriver(
        settings("shimmer", serial_port=emulator.port), Clock(fake.now, lambda: fake.seconds, wait)
    )
    try:
        driver.open()
    except BaseException:
        driver.close()
        raise
    return driver, fake


def by_signal(readings: list[Reading]) -> dict[str, list[Reading]]:
    found: dict[str, list[Reading]] = {}
    for reading in readings:
        found.setdefault(reading.signal, []).append(reading)
    return found


def test_a_device_is_set_up_and_read(emulator: Emulator) -> None:
    driver, _ = opened(emulator)
    assert emulator.streaming.is_set()
    assert emulator.commands == [
        b"\x20", b"\x2e", b"\xa3\0", b"\x05\x00\x01", b"\x08\x04\x01\x00",
        b"\x5e\x01", b"\x21\x04", b"\x01", b"\x07",
    ]  # fmt: skip
    for i in range(10):
        emulator.send(emulator.packet(1000 + 256 * i, 0x4000 | 1365 + i, 2000 + i))
    found = by_signal(driver.read())
    driver.close()
    (skin,), (pulse,) = found["skin_conductance"], found["ppg"]
    # Range 1, 287 kOhm, at twice the electrodes' half a volt: the skin has as much
    assert skin.values[0] == pytest.approx(1000 / 287)
    assert (skin.unit, skin.rate, skin.quality, len(skin.values)) == ("uS", 128.0, 1.0, 10)
    assert pulse.values == tuple(float(2000 + i) for i in range(10))
    assert time_of(skin, 9) == pytest.approx(START + driver_waited(), abs=2)
    deadline = time.monotonic() + 2
    while emulator.streaming.is_set() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not emulator.streaming.is_set()


def driver_waited() -> int:
    """Nanoseconds for which the driver has waited by its clock: once to open, once to read."""
    return round(0.4 * S)


@pytest.mark.parametrize(
    ("raw", "kohm"),
    [  # by hand, from the amplifier's equation: R = feedback / (volts / 0.5 - 1)
        (0x0000 | 2730, 40.2 / (2.0 / 0.5 - 1)),
        (0x4000 | 2730, 287.0 / 3),
        (0x8000 | 2730, 1000.0 / 3),
        (0xC000 | 1365, 3300.0),
    ],
)
def test_conductance_in_each_range(raw: int, kohm: float) -> None:
    assert to_microsiemens(raw) == pytest.approx(1000 / kohm)


def test_open_electrodes_are_said(emulator: Emulator) -> None:
    driver, _ = opened(emulator)
    emulator.send(emulator.packet(0, 0xC000 | 600) + emulator.packet(256, 0xC000 | 1365))
    skin = driver.read()[0]
    driver.close()
    assert skin.values == pytest.approx((0.0, 1000 / 3300))
    assert (skin.quality, skin.reason) == (0.5, "no skin contact")


def test_the_device_s_clock_goes_on_where_it_begins_again(emulator: Emulator) -> None:
    driver, fake = opened(emulator)
    readings: list[Reading] = []
    begin = (1 << 24) - 3 * 256
    for i in range(4):
        ticks = begin + 512 * i
        emulator.send(emulator.packet(ticks, 1365) + emulator.packet(ticks + 256, 1365))
        fake.seconds = 10 + 2 * i / 128 - 0.1  # a read waits as long
        readings += by_signal(driver.read())["skin_conductance"]
    driver.close()
    assert [r.at - readings[0].at for r in readings] == pytest.approx(
        [i * S // 64 for i in range(4)], abs=2
    )
    assert not +driver.counters


def test_lost_packets_are_counted_and_keep_their_gap(emulator: Emulator) -> None:
    driver, _ = opened(emulator)
    for i in (0, 1, 5, 6):
        emulator.send(emulator.packet(5000 + 256 * i, 1365))
    first, second = by_signal(driver.read())["skin_conductance"]
    driver.close()
    assert second.at - first.at == pytest.approx(5 * S / 128, abs=2)
    assert (len(first.values), len(second.values)) == (2, 2)
    assert driver.counters["missing"] == 3


def test_reports_between_packets_are_passed_over(emulator: Emulator) -> None:
    driver, _ = opened(emulator)
    report = b"\x8a\x71\x21"
    packets = [emulator.packet(256 * i, 1365) for i in range(1, 4)]
    emulator.send(packets[0] + report + packets[1] + b"\xff" + report + packets[2])
    skin = driver.read()[0]
    driver.close()
    assert len(skin.values) == 3


def test_an_older_firmware_is_not_asked_for_what_it_cannot() -> None:
    emulator = Emulator(version=(0, 11, 0))
    driver, _ = opened(emulator)
    driver.close()
    emulator.stop()
    assert not [command for command in emulator.commands if command[0] == 0xA3]


def test_a_device_that_still_streams_is_taken_over(emulator: Emulator) -> None:
    emulator.send(emulator.packet(1, 1365) * 20 + b"\0\1\2")
    driver, _ = opened(emulator)
    emulator.send(emulator.packet(256, 1365))
    assert len(driver.read()) == 2
    driver.close()


def test_bytes_that_are_no_packet_begin_anew(emulator: Emulator) -> None:
    driver, _ = opened(emulator)
    emulator.send(emulator.packet(256, 1365) + b"\x55" * 16)
    assert len(driver.read()) == 2  # what came before is not lost
    with pytest.raises(DeviceGone, match="sent 0x55 where a packet begins"):
        driver.read()
    assert driver.counters["invalid"] == 1
    driver.close()
    driver.open()
    emulator.send(emulator.packet(256, 1365))
    assert len(driver.read()) == 2
    driver.close()


def test_a_device_that_falls_silent_is_gone(emulator: Emulator) -> None:
    driver, fake = opened(emulator)
    assert driver.read() == []
    fake.seconds += 6
    with pytest.raises(DeviceGone, match="silent for 5 s"):
        driver.read()
    driver.close()


def test_a_port_that_does_not_answer(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("affectline.services.biometrics.drivers.shimmer.ANSWER_S", 0.1)
    emulator.mute = True
    with pytest.raises(DeviceGone, match=f"Shimmer at {emulator.port}: .*switched on"):
        opened(emulator)


def test_a_port_that_is_not_there() -> None:
    driver = ShimmerDriver(settings("shimmer", serial_port="/dev/none"), FakeTime().clock)
    with pytest.raises(DeviceGone, match=r"Shimmer at /dev/none: .*is it paired") as gone:
        driver.open()
    driver.close()
    assert "\n" not in str(gone.value)


def test_without_pyshimmer_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyshimmer.bluetooth", None)
    with pytest.raises(AffectlineError, match=r"affectline\[shimmer\]"):
        ShimmerDriver(settings("shimmer", serial_port="x"), FakeTime().clock)


def test_a_rate_that_is_none_is_a_device_that_cannot_be_read(emulator: Emulator) -> None:
    emulator.divider = 0
    emulator.keeps_divider = True
    with pytest.raises(DeviceGone, match="Shimmer at"):
        opened(emulator)
