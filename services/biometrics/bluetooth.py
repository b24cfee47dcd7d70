"""The connection to a strap over Bluetooth Low Energy, through bleak.

Every strap has the standard Heart Rate Service; drivers add other measurements.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

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
    RRTimeline,
    parse_measurement,
    to_readings,
)

HEART_RATE_SERVICE: Final = "0000180d-0000-1000-8000-00805f9b34fb"
HEART_RATE_MEASUREMENT: Final = "00002a37-0000-1000-8000-00805f9b34fb"
SCAN_S: Final = 10.0
"""Straps advertise about once a second while they are worn and not connected."""
OPEN_S: Final = 30.0
CLOSE_S: Final = 3.0

Parser = Callable[[bytes, int], list[Reading]]
"""Reads a strap's data, given its time of arrival in ns since the Unix epoch."""
Notification = tuple[Parser, int, bytes]


@dataclass(frozen=True)
class Bluetooth:
    """The parts of bleak that are used."""

    scanner: Any
    """``BleakScanner``."""
    client: Any
    """``BleakClient``."""
    errors: tuple[type[Exception], ...]


def load_bluetooth(driver: str) -> Bluetooth:
    """Import bleak.

    Args:
        driver: Name of the driver that needs it.

    Raises:
        AffectlineError: bleak is not installed.
    """
    try:
        from bleak import BleakClient, BleakScanner
        from bleak.exc import BleakError
    except ImportError as error:
        raise missing_package(driver, error) from error
    return Bluetooth(BleakScanner, BleakClient, (BleakError, OSError, EOFError))


class StrapSettings(BiometricsSettings):
    """A strap; without address and name the first one found."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Name that the strap advertises."""
    address: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Address of the strap (on macOS the UUID that the system assigned to it)."""


class BluetoothStrap(Driver):
    """A strap with the standard Heart Rate Service, and possibly more.

    Args:
        settings: Which strap to connect.
        clock: The clock to use.
        bluetooth: Replaces bleak in tests.
    """

    kind: ClassVar[str] = "heart-rate strap"
    """What to search for, in messages, if the settings name no strap."""
    _settings: StrapSettings

    def __init__(
        self, settings: StrapSettings, clock: Clock, bluetooth: Bluetooth | None = None
    ) -> None:
        super().__init__(settings, clock)
        self._bluetooth = bluetooth or load_bluetooth(settings.driver)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Any = None
        self._known_device: Any = None
        """The strap that was connected: without a name, only this one is reconnected."""

    def open(self) -> None:
        self._notifications: queue.SimpleQueue[Notification] = queue.SimpleQueue()
        self._disconnected = threading.Event()
        self._timeline = RRTimeline()
        self._loop = asyncio.new_event_loop()
        # bleak needs asyncio in a separate thread; it is a daemon, because a system call may hang
        self._thread = threading.Thread(target=self._loop.run_forever, name="bleak", daemon=True)
        self._thread.start()
        try:
            self._wait_for(self._connect(), OPEN_S)
        except self._bluetooth.errors as error:
            reason = str(error) or type(error).__name__
            if isinstance(error, FileNotFoundError | ConnectionError):  # to the system service
                reason = "this computer's Bluetooth does not answer: is it present and switched on?"
            raise DeviceGone(f"Bluetooth: {self._describe_target()}: {reason}") from error

    def read(self) -> list[Reading]:
        # Checked before the queue, so that everything that came before the loss is returned
        gone = self._disconnected.is_set()
        received: list[Notification] = []
        with contextlib.suppress(queue.Empty):
            received.append(self._notifications.get(timeout=0 if gone else WAIT_S))
            while True:
                received.append(self._notifications.get_nowait())
        if gone and not received:
            raise DeviceGone(f"Bluetooth: {self.device} is out of reach or was taken off")
        return [reading for parse, at, data in received for reading in parse(data, at)]

    def close(self) -> None:
        loop, client = self._loop, self._client
        self._loop = self._client = None
        if loop is None:
            return
        try:
            with contextlib.suppress(TimeoutError, *self._bluetooth.errors):
                asyncio.run_coroutine_threadsafe(_shut_down(client), loop).result(CLOSE_S)
        finally:  # whatever bleak raises, its thread must end
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(CLOSE_S)
            if not self._thread.is_alive():
                loop.close()

    def _wait_for(self, work: Coroutine[Any, Any, None], timeout_s: float) -> None:
        """Wait for work in bleak's thread, unless the process has to stop."""
        assert self._loop  # noqa: S101 - for the type checker: just made
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        deadline = self._clock.monotonic() + timeout_s
        while True:
            with contextlib.suppress(TimeoutError):
                return future.result(WAIT_S)
            if future.done() and future.exception():  # its own timeout, not ours
                raise DeviceGone(f"Bluetooth: {self._describe_target()} did not answer in time")
            if self._clock.wait(0) or self._clock.monotonic() > deadline:
                future.cancel()
                raise DeviceGone(f"Bluetooth: {self._describe_target()} did not answer in time")

    async def _connect(self) -> None:
        address, scanner = self._settings.address, self._bluetooth.scanner
        if address:
            found = await scanner.find_device_by_address(address, timeout=SCAN_S)
        else:
            found = await scanner.find_device_by_filter(self._matches, timeout=SCAN_S)
        if found is None:
            raise DeviceGone(
                f"Bluetooth: {self._describe_target()} was not found: is it worn, and awake?"
            )
        self.device = f"{found.name or 'strap'} {found.address}"
        gone = self._disconnected
        client = self._bluetooth.client(found, disconnected_callback=lambda _: gone.set())
        self._client = client
        await client.connect()
        await self._subscribe(client)
        self._known_device = found

    async def _subscribe(self, client: Any) -> None:
        """Subscribe to a connected strap's heart rate; drivers subscribe to more."""
        await client.start_notify(HEART_RATE_MEASUREMENT, self._receive_for(self._parse))

    def _receive_for(self, parse: Parser) -> Callable[[Any, bytearray], None]:
        """A callback for bleak: the driver's own thread parses the data."""
        return lambda _, data: self._notifications.put((parse, self._clock.now(), bytes(data)))

    def _matches(self, device: Any, advertisement: Any) -> bool:
        if self._settings.name:
            return self._settings.name in (device.name, advertisement.local_name)
        if self._known_device:  # other people wear the others; some straps change their address
            name = self._known_device.name
            has_same_name = bool(name) and name in (device.name, advertisement.local_name)
            return has_same_name or device.address == self._known_device.address
        return HEART_RATE_SERVICE in (uuid.lower() for uuid in advertisement.service_uuids)

    def _describe_target(self) -> str:
        wanted = self._settings.address or self._settings.name
        if self._known_device and not wanted:
            wanted = self._known_device.name or self._known_device.address
        return f"strap {wanted}" if wanted else f"any {self.kind}"

    def _parse(self, payload: bytes, arrived: int) -> list[Reading]:
        measurement = parse_measurement(payload)
        if measurement is None:
            self.counters["invalid"] += 1
            return []
        self.counters["invalid"] += measurement.damaged
        return to_readings(measurement, arrived, self._timeline)


async def _shut_down(client: Any) -> None:
    """Cancel pending tasks, such as a scan, and disconnect."""
    under_way = asyncio.all_tasks() - {asyncio.current_task()}
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
    if client is not None:
        await client.disconnect()
