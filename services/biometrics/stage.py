"""The biometrics process' stage: what a driver reads, as messages in order."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar, Final, Literal

from pydantic import JsonValue

from affectline.common.clock import monotonic
from affectline.common.runtime.stage import Route, Stage
from affectline.common.settings.biometrics import BiometricsSettings
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.messages import Marker, Packet
from affectline.services.biometrics.driver import BUTTON, Clock, Driver, Reading
from affectline.services.biometrics.driver_thread import DriverThread
from affectline.services.biometrics.registry import make_driver
from affectline.services.biometrics.spec import BiometricsProcess
from affectline.services.biometrics.validation import MonotonicTimestamps, clean, time_of

MAX_WAITING: Final = 4096
"""Live delivery: messages kept while the hub is away, some minutes of a strap's; then the oldest
go, and are counted as ``skipped``."""
SILENCE_S: Final = 5.0
"""A device that is there and says nothing for so long is worth a word in health."""

Make = Callable[[BiometricsSettings, Clock], Driver]


class Biometrics(Stage):
    """One sensor's stage.

    Args:
        process: Which sensor, of whom.
        make: Makes the driver.
    """

    outputs: ClassVar[Mapping[type[Message], Route]] = {Samples: "bus", Marker: "bus"}
    tick_ms = 100

    def __init__(self, process: BiometricsProcess, make: Make = make_driver) -> None:
        self._settings, self._expected = process.settings, set(process.consumers)
        self._make = make
        self._stopping = threading.Event()
        self._feed: DriverThread | None = None
        self._waiting: deque[Packet] = deque()
        self._order: dict[str, MonotonicTimestamps] = {}
        self._next_seq: Counter[str] = Counter()
        self._refused = False

    def setup(self) -> None:
        self._epoch = self.context.now() // 1_000_000
        self._lossless = self.context.delivery == "lossless"
        clock = Clock(self._now, monotonic, self._stopping.wait)
        self._driver = self._make(self._settings, clock)
        self._feed = DriverThread(self._driver, self._stopping, self.context.wake)
        self._heard = monotonic()

    def _now(self) -> int:
        """The hub's time, which is known only after `setup`."""
        return self.context.now()

    def tick(self) -> Iterator[Packet]:
        feed = self._feed
        if feed is None or not self._may_start(feed):
            return
        yield from self._send_waiting()
        while not self._refused and (readings := feed.take()):
            self._heard = monotonic()
            self._pack(readings)
            yield from self._send_waiting()
        if self._refused and not self._lossless and not self._driver.can_wait:
            # The hub is away, and a sensor cannot wait for it: keep what it misses
            while readings := feed.take():
                self._heard = monotonic()
                self._pack(readings)
            self._forget_oldest()
        self._tell(feed)
        if feed.failure:
            raise feed.failure

    def on_send_failed(self, packet: Packet) -> Iterable[Packet]:
        self._refused = True
        return ()

    def stop(self) -> Iterator[Packet]:
        self._stopping.set()
        if self._feed:
            while readings := self._feed.take():
                self._pack(readings)
        yield from self._send_waiting()

    def cleanup(self) -> None:
        self._stopping.set()
        if self._feed and self._feed.is_alive():
            # A library that hangs must not keep the process: the thread is a daemon
            self._feed.join(timeout=1)

    @property
    def done(self) -> bool:
        return bool(self._feed and self._feed.exhausted and not self._waiting)

    def _may_start(self, feed: DriverThread) -> bool:
        """Start reading once those who must not miss anything are there."""
        if feed.ident is not None:
            return True
        missing = self._expected - self.context.ready if self._lossless else set()
        if missing:
            self.context.detail = f"waits for {', '.join(sorted(missing))}"
            return False
        self.context.detail = ""
        feed.start()
        return True

    def _send_waiting(self) -> Iterator[Packet]:
        """Send until one is refused; that one and those behind it keep their place."""
        self._refused = False
        while self._waiting:
            yield self._waiting[0]
            if self._refused:
                return
            self._waiting.popleft()

    def _pack(self, readings: list[Reading]) -> None:
        for raw in readings:
            if raw.signal == BUTTON:
                self._waiting += [Packet(self._press(raw, i)) for i in range(len(raw.values))]
                continue
            for reading in clean(raw, self._driver.counters):
                order = self._order.setdefault(reading.signal, MonotonicTimestamps())
                placed = order.take(reading, self._driver.counters)
                if placed:
                    self._waiting.append(Packet(self._samples(placed)))

    def _press(self, reading: Reading, i: int) -> Marker:
        """Somebody has pressed the device's button: something happened."""
        extra: dict[str, JsonValue] = {"subject": self._settings.subject}
        return Marker(
            session="session",
            at=time_of(reading, i),
            label="button",
            source=self._driver.device[:200],
            extra=extra,
        )

    def _samples(self, reading: Reading) -> Samples:
        seq = self._next_seq[reading.signal]
        self._next_seq[reading.signal] += 1
        self.context.counters["samples"] += len(reading.values)
        return Samples(
            subject=self._settings.subject,
            signal=reading.signal,
            unit=reading.unit,
            device=self._driver.device[:200],
            synthetic=self._driver.synthetic,
            epoch=self._epoch,
            seq=seq,
            at=reading.at,
            rate=reading.rate,
            offsets=reading.offsets,
            values=reading.values,
            quality=reading.quality,
            reason=reading.reason[:200],
        )

    def _forget_oldest(self) -> None:
        while len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self.context.counters["skipped"] += 1

    def _tell(self, feed: DriverThread) -> None:
        """Say in health how the device is."""
        # A copy in one step: the driver's thread goes on counting
        self.context.counters.update(
            {k: v - self.context.counters[k] for k, v in list(self._driver.counters.items())}
        )
        trouble, silent_s = feed.trouble, monotonic() - self._heard
        if not trouble and not feed.ended and silent_s > SILENCE_S:
            where = self._driver.device or self._settings.driver
            trouble = f"nothing from {where} for {silent_s:.0f} s"
        state: Literal["ready", "degraded"] = "degraded" if trouble else "ready"
        if state != self.context.state:
            # Whoever has just put on a strap looks here first
            said = trouble or f"hears {self._driver.device or self._settings.driver} again"
            self.context.log.warning("%s", said)
        self.context.state, self.context.detail = state, trouble
