"""Heart-rate straps over Bluetooth Low Energy, through bleak.

Any that has the standard Heart Rate Service: Polar, Garmin, Wahoo, Movesense and so on.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final

from affectline.common.settings.biometrics import BiometricsSettings
from affectline.services.biometrics.driver import (
    WAIT_S,
    Clock,
    DeviceGone,
    Driver,
    Reading,
    missing_package,
)
from affectline.services.biometrics.heart_rate import (
    HeartRateMeasurement,
    RRTimeline,
    parse_measurement,
)

HEART_RATE_SERVICE: Final = "0000180d-0000-1000-8000-00805f9b34fb"
HEART_RATE_MEASUREMENT: Final = "00002a37-0000-1000-8000-00805f9b34fb"
SCAN_S: Final = 10.0
"""Straps advertise about once a second while they are worn and nobody is connected."""
OPEN_S: Final = 30.0
CLOSE_S: Final = 3.0


@dataclass(frozen=True)
class Bluetooth:
    """What is used of bleak, by its own names."""

    scanner: Any
    """``BleakScanner``."""
    client: Any
    """``BleakClient``."""
    errors: tuple[type[Exception], ...]


def load_bluetooth() -> Bluetooth:
    """Import bleak.

    Raises:
        AffectlineError: It is not installed.
    """
    try:
        from bleak import BleakClient, BleakScanner
        from bleak.exc import BleakError
    except ImportError as error:
        raise missing_package("ble", error) from error
    return Bluetooth(BleakScanner, BleakClient, (BleakError, OSError, EOFError))


class BleHeartRate(Driver):
    """A heart-rate strap.

    Args:
        settings: The strap's ``address`` or ``name``; without both the first one found.
        clock: What time it is.
        bluetooth: Stands in for bleak.
    """

    def __init__(
        self, settings: BiometricsSettings, clock: Clock, bluetooth: Bluetooth | None = None
    ) -> None:
        super().__init__()
        self._settings, self._clock = settings, clock
        self._bluetooth = bluetooth or load_bluetooth()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Any = None
        self._mine: Any = None
        """The strap that was connected: where none was named, it is this one from then on."""

    def open(self) -> None:
        self._notes: queue.SimpleQueue[tuple[int, bytes]] = queue.SimpleQueue()
        self._gone = threading.Event()
        self._beats = RRTimeline()
        self._loop = asyncio.new_event_loop()
        # bleak speaks asyncio, in a thread of its own; a daemon, for a system call may hang
        self._thread = threading.Thread(target=self._loop.run_forever, name="bleak", daemon=True)
        self._thread.start()
        try:
            self._wait_for(self._connect(), OPEN_S)
        except self._bluetooth.errors as error:
            what = str(error) or type(error).__name__
            if isinstance(error, FileNotFoundError | ConnectionError):  # the way to the service
                what = "this computer's Bluetooth does not answer: is it there and switched on?"
            raise DeviceGone(f"Bluetooth: {self._what()}: {what}") from error

    def read(self) -> list[Reading]:
        gone = self._gone.is_set()  # asked before the notes: all that came before is read
        notes: list[tuple[int, bytes]] = []
        with contextlib.suppress(queue.Empty):
            notes.append(self._notes.get(timeout=0 if gone else WAIT_S))
            while True:
                notes.append(self._notes.get_nowait())
        if gone and not notes:
            raise DeviceGone(f"Bluetooth: {self.device} is out of reach or was taken off")
        return [reading for note in notes for reading in self._readings(*note)]

    def close(self) -> None:
        loop, client = self._loop, self._client
        self._loop = self._client = None
        if loop is None:
            return
        try:
            with contextlib.suppress(TimeoutError, *self._bluetooth.errors):
                asyncio.run_coroutine_threadsafe(_wind_up(client), loop).result(CLOSE_S)
        finally:  # bleak may raise what it likes; its thread must end
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(CLOSE_S)
            if not self._thread.is_alive():
                loop.close()

    def _wait_for(self, work: Coroutine[Any, Any, None], patience_s: float) -> None:
        """Wait for work in bleak's thread, but not longer than the process shall live."""
        assert self._loop  # noqa: S101 - for the type checker: just made
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        give_up = self._clock.monotonic() + patience_s
        while True:
            with contextlib.suppress(TimeoutError):
                return future.result(WAIT_S)
            if future.done() and future.exception():  # its own time-out, not ours
                raise DeviceGone(f"Bluetooth: {self._what()} did not answer in time")
            if self._clock.wait(0) or self._clock.monotonic() > give_up:
                future.cancel()
                raise DeviceGone(f"Bluetooth: {self._what()} did not answer in time")

    async def _connect(self) -> None:
        address, scanner = self._settings.address, self._bluetooth.scanner
        if address:
            found = await scanner.find_device_by_address(address, timeout=SCAN_S)
        else:
            found = await scanner.find_device_by_filter(self._is_wanted, timeout=SCAN_S)
        if found is None:
            raise DeviceGone(f"Bluetooth: {self._what()} was not found: is it worn, and awake?")
        self.device = f"{found.name or 'strap'} {found.address}"
        gone = self._gone
        client = self._bluetooth.client(found, disconnected_callback=lambda _: gone.set())
        self._client = client
        await client.connect()
        await client.start_notify(HEART_RATE_MEASUREMENT, self._on_note)
        self._mine = found

    def _is_wanted(self, device: Any, advertisement: Any) -> bool:
        if self._settings.name:
            return self._settings.name in (device.name, advertisement.local_name)
        if self._mine:  # another one is on another person; some change their address
            name = self._mine.name
            is_named_so = bool(name) and name in (device.name, advertisement.local_name)
            return is_named_so or device.address == self._mine.address
        return HEART_RATE_SERVICE in (uuid.lower() for uuid in advertisement.service_uuids)

    def _on_note(self, _: Any, data: bytearray) -> None:
        self._notes.put((self._clock.now(), bytes(data)))

    def _what(self) -> str:
        wanted = self._settings.address or self._settings.name
        if self._mine and not wanted:
            wanted = self._mine.name or self._mine.address
        return f"strap {wanted}" if wanted else "any heart-rate strap"

    def _readings(self, arrived: int, payload: bytes) -> list[Reading]:
        measurement = parse_measurement(payload)
        if measurement is None:
            self.counters["invalid"] += 1
            return []
        self.counters["invalid"] += measurement.damaged
        return describe(measurement, arrived, self._beats)


async def _wind_up(client: Any) -> None:
    """End what is under way, such as a search, and let go of the strap."""
    under_way = asyncio.all_tasks() - {asyncio.current_task()}
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
    if client is not None:
        await client.disconnect()


def describe(measurement: HeartRateMeasurement, arrived: int, beats: RRTimeline) -> list[Reading]:
    """What a strap's message says, as readings; a strap without skin contact is not trusted."""
    quality, reason = 1.0, ""
    if measurement.contact is False:
        quality, reason = 0.0, "no skin contact"
    elif measurement.rate == 0:
        quality, reason = 0.0, "the strap has no rate"
    rate = Reading(
        "heart_rate", "/min", arrived, (float(measurement.rate),),
        offsets=(0,), quality=quality, reason=reason,
    )  # fmt: skip
    found = [rate]
    times = beats.place(arrived, measurement.intervals_ms)
    if times:
        offsets = tuple(time - times[0] for time in times)
        found.append(
            Reading(
                "rr_interval", "ms", times[0], measurement.intervals_ms,
                offsets=offsets, quality=quality, reason=reason,
            )
        )  # fmt: skip
    if measurement.energy_kj is not None:
        energy = (float(measurement.energy_kj),)
        found.append(Reading("energy_expended", "kJ", arrived, energy, offsets=(0,)))
    return found
