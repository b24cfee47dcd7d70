"""The stage of a biometrics process: publishes what a driver reads, in order."""

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
from affectline.services.biometrics.driver import BUTTON, Clock, Driver, Reading, make_driver
from affectline.services.biometrics.driver_thread import DriverThread
from affectline.services.biometrics.spec import BiometricsProcess
from affectline.services.biometrics.validation import MonotonicTimestamps, time_of, validate

MAX_UNSENT: Final = 4096
"""Live delivery: messages buffered while the hub is away, some minutes of a heart-rate strap. Then
the oldest are dropped, and counted as ``skipped``."""
SILENCE_S: Final = 5.0
"""A device that is open and sends nothing for so long is reported in health."""

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
        self._thread: DriverThread | None = None
        self._unsent: deque[Packet] = deque()
        self._timestamps: dict[str, MonotonicTimestamps] = {}
        self._next_seq: Counter[str] = Counter()
        self._send_failed = False

    def setup(self) -> None:
        self._epoch = self.context.now() // 1_000_000
        self._lossless = self.context.delivery == "lossless"
        clock = Clock(self._now, monotonic, self._stopping.wait)
        self._driver = self._make(self._settings, clock)
        self._thread = DriverThread(self._driver, self._stopping, self.context.wake)
        self._last_reading_s = monotonic()

    def _now(self) -> int:
        """The hub's time, which is known only after `setup`."""
        return self.context.now()

    def tick(self) -> Iterator[Packet]:
        thread = self._thread
        if thread is None or not self._may_start(thread):
            return
        yield from self._send_unsent()
        while not self._send_failed and (readings := thread.next_batch()):
            self._last_reading_s = monotonic()
            self._queue(readings)
            yield from self._send_unsent()
        if self._send_failed and not self._lossless and not self._driver.can_wait:
            # The hub is away and a sensor does not wait for it: buffer its readings
            while readings := thread.next_batch():
                self._last_reading_s = monotonic()
                self._queue(readings)
            self._drop_oldest()
        self._report_health(thread)
        if thread.failure:
            raise thread.failure

    def on_send_failed(self, packet: Packet) -> Iterable[Packet]:
        self._send_failed = True
        return ()

    def stop(self) -> Iterator[Packet]:
        self._stopping.set()
        if self._thread:
            while readings := self._thread.next_batch():
                self._queue(readings)
        yield from self._send_unsent()

    def cleanup(self) -> None:
        self._stopping.set()
        if self._thread and self._thread.is_alive():
            # A library that hangs must not block the exit: the thread is a daemon
            self._thread.join(timeout=1)

    @property
    def done(self) -> bool:
        return bool(self._thread and self._thread.exhausted and not self._unsent)

    def _may_start(self, thread: DriverThread) -> bool:
        """Start the driver once the consumers that must miss nothing are ready."""
        if thread.ident is not None:
            return True
        missing = self._expected - self.context.ready if self._lossless else set()
        if missing:
            self.context.detail = f"waits for {', '.join(sorted(missing))}"
            return False
        self.context.detail = ""
        thread.start()
        return True

    def _send_unsent(self) -> Iterator[Packet]:
        """Send until one fails; that one and those behind it keep their place."""
        self._send_failed = False
        while self._unsent:
            yield self._unsent[0]
            if self._send_failed:
                return
            self._unsent.popleft()

    def _queue(self, readings: list[Reading]) -> None:
        for raw in readings:
            if raw.signal == BUTTON:
                self._unsent += [Packet(self._to_marker(raw, i)) for i in range(len(raw.values))]
                continue
            for reading in validate(raw, self._driver.counters):
                timestamps = self._timestamps.setdefault(reading.signal, MonotonicTimestamps())
                adjusted = timestamps.adjust(reading, self._driver.counters)
                if adjusted:
                    self._unsent.append(Packet(self._to_samples(adjusted)))

    def _to_marker(self, reading: Reading, i: int) -> Marker:
        """A press of the device's button, as a marker."""
        extra: dict[str, JsonValue] = {"subject": self._settings.subject}
        return Marker(
            session="session",
            at=time_of(reading, i),
            label="button",
            source=self._driver.device[:200],
            extra=extra,
        )

    def _to_samples(self, reading: Reading) -> Samples:
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

    def _drop_oldest(self) -> None:
        while len(self._unsent) > MAX_UNSENT:
            self._unsent.popleft()
            self.context.counters["skipped"] += 1

    def _report_health(self, thread: DriverThread) -> None:
        """Report the state of the device in health."""
        # Copied in one step, because the driver's thread keeps counting
        self.context.counters.update(
            {k: v - self.context.counters[k] for k, v in list(self._driver.counters.items())}
        )
        problem, silent_s = thread.problem, monotonic() - self._last_reading_s
        if not problem and not thread.ended and silent_s > SILENCE_S:
            where = self._driver.device or self._settings.driver
            problem = f"nothing from {where} for {silent_s:.0f} s"
        state: Literal["ready", "degraded"] = "degraded" if problem else "ready"
        if state != self.context.state:
            # The first place to look for somebody who has just put on a strap
            text = problem or f"reading {self._driver.device or self._settings.driver} again"
            self.context.log.warning("%s", text)
        self.context.state, self.context.detail = state, problem
