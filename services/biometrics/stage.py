"""The stage of a biometrics process: publishes what a driver reads, in order."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar, Final, Literal

from affectline.common.clock import monotonic
from affectline.common.runtime.event_time import AHEAD_NS, SourceAlignment
from affectline.common.runtime.stage import Route, Stage, on
from affectline.common.settings.biometrics import BiometricsSettings
from affectline.common.wire.base import Message
from affectline.common.wire.biometrics import Samples
from affectline.common.wire.messages import Marker, Packet
from affectline.common.wire.screening import AHEAD_NS as CLOCK_AHEAD_NS
from affectline.common.wire.watermark import Watermark
from affectline.services.biometrics.driver import (
    BUTTON,
    EVENTS,
    Clock,
    Driver,
    Event,
    Reading,
    Timing,
    make_driver,
)
from affectline.services.biometrics.driver_thread import Batch, DriverThread
from affectline.services.biometrics.spec import BiometricsProcess
from affectline.services.biometrics.validation import (
    MonotonicTimestamps,
    has_times,
    time_of,
    validate,
)

MAX_UNSENT: Final = 4096
"""Live delivery: how many messages are buffered while the hub is away, some minutes of a heart-rate
strap. Beyond that the oldest are dropped and counted as ``skipped``."""
MOST_BATCHES: Final = 16
"""How many batches one call of `Biometrics.tick` publishes: four seconds of a recording. A table is
read faster than it is published, and what others say must be heard meanwhile."""
MOST_UNKEPT: Final = 1000
"""Lossless delivery: a table waits while the sink or a recorder lacks more than this many of its
messages and more than `AHEAD_NS` of its time. It would only fill queues, and be sent again."""
SILENCE_S: Final = 5.0
"""A device that is open but sends nothing for this long is reported in health."""

FILMS: Final = "capture/"
"""Beginning of the names of services that read films."""

Make = Callable[[BiometricsSettings, Clock], Driver]


class Biometrics(Stage):
    """The stage of one sensor.

    Args:
        process: Which sensor, and of which person.
        make: Creates the driver.
    """

    outputs: ClassVar[Mapping[type[Message], Route]] = {
        Samples: "bus", Marker: "bus", Watermark: "bus",
    }  # fmt: skip
    tick_ms = 100

    def __init__(self, process: BiometricsProcess, make: Make = make_driver) -> None:
        self._process = process
        self._settings, self._expected = process.settings, set(process.consumers)
        self._make = make
        self._stopping = threading.Event()
        self._thread: DriverThread | None = None
        self._held: Batch | None = None
        """A recording's next batch, while other sources are not that far yet."""
        self._unsent: deque[Packet] = deque()
        self._complete_until: int | None = None
        """The time up to which everything is published once `_unsent` is sent."""
        self._timestamps: dict[str, MonotonicTimestamps] = {}
        self._next_seq: Counter[str] = Counter()
        self._send_failed = self._has_ended = self._is_left = False
        self._remarks_said = 0
        self._films_reached = -1
        """How far the films have come, in ns since the Unix epoch."""
        self._is_warned = False

    def topic(self, kind: type[Message]) -> str | None:
        if kind is Watermark:
            return kind.topic_prefix + "/" if self._is_aligned else None
        return super().topic(kind)

    @property
    def _is_aligned(self) -> bool:
        """Whether it is a recording that shares the time line with others or planned markers."""
        process = self._process
        is_lossless = self.context.delivery == "lossless"
        return is_lossless and process.is_recorded_source and bool(process.recorded_sources)

    def setup(self) -> None:
        self._epoch = self._process.epoch or self.context.now() // 1_000_000
        self._lossless = self.context.delivery == "lossless"
        others = self._process.recorded_sources if self._is_aligned else ()
        self._alignment = SourceAlignment(self.context.service, others)
        self._running = {name for name in others if name != self.context.service}
        self._reached = {name: -1 for name in others if name in self._process.ends_with}
        """How far the sources have come whose end also ends this one."""
        clock = Clock(self._now, monotonic, self._stopping.wait)
        self._driver = self._make(self._settings, clock)
        self._driver.timing = Timing(
            session_start=self._process.session_start,
            ends_at=self._process.ends_at,
            speed=self._process.speed,
            follows_clock=self._process.follows_clock,
            is_aligned=self._is_aligned,
        )
        self._thread = DriverThread(self._driver, self._stopping, self.context.wake)
        self._last_reading_s = monotonic()
        self.context.detail = self._searching(self._thread)

    def _now(self) -> int:
        """The hub's time, which becomes known only after `setup`."""
        return self.context.now()

    @on(Watermark)
    def on_watermark(self, packet: Packet[Watermark]) -> Iterable[Packet]:
        """Note the progress of another recording."""
        message = packet.message
        self._alignment.observe(message, monotonic())
        if message.source in self._reached:
            self._reached[message.source] = max(message.at, self._reached[message.source])
        is_film = message.source.startswith(FILMS)
        if is_film:
            self._films_reached = max(self._films_reached, message.at)
        if message.ended:
            self._running.discard(message.source)
            if not any(name.startswith(FILMS) for name in self._running):
                self._driver.hurry()  # the films have ended: nobody watches the rest
                if is_film and self._process.session_start is not None:
                    self._driver.compare(self._films_reached - self._process.session_start)
        self.context.wake()
        return ()

    def tick(self) -> Iterator[Packet]:
        thread = self._thread
        if thread is None or not self._may_start(thread):
            return
        self._say_remarks()
        yield from self._send_unsent()
        for _ in range(MOST_BATCHES):
            if self._send_failed or not (batch := self._next_batch(thread)):
                break
            self._queue(batch)
            yield from self._send_unsent()
        else:
            self.context.wake()  # for the rest
        if self._send_failed and not self._lossless and not self._driver.can_wait:
            # The hub is away and a sensor does not wait for it: buffer its readings
            while batch := self._next_batch(thread):
                self._queue(batch)
            self._drop_oldest()
        self._report_health(thread)
        if thread.failure:
            raise thread.failure
        if self._is_aligned:
            yield from self._announce(ended=self._is_read(thread))

    def _next_batch(self, thread: DriverThread) -> Batch | None:
        """The next batch if it is its turn; a recording's batch may have to wait for others."""
        if self._is_far_ahead:
            return None
        batch = self._held or thread.next_batch()
        self._held = None
        if batch is None:
            return None
        self._last_reading_s = monotonic()
        if self._is_aligned and batch.readings and not self._may_publish(batch):
            self._held = batch
            return None
        return batch

    @property
    def _is_far_ahead(self) -> bool:
        """Whether consumers first have to catch up with a recording."""
        outbox = self.context.outbox
        if outbox is None or not (self._lossless and self._driver.can_wait):
            return False
        return outbox.is_behind(MOST_UNKEPT, AHEAD_NS)

    def _may_publish(self, batch: Batch) -> bool:
        """Whether it is a batch's turn among the recorded sources."""
        if self._reached:
            # Never go beyond the others: their end is known only once they reach it
            begin = min(reading.at for reading in batch.readings)
            if begin >= max(self._reached.values()):
                self._is_left = self._running.isdisjoint(self._reached)
                return False
        latest = max(time_of(r, len(r.values) - 1) for r in batch.readings)
        return self._alignment.may_publish(latest, monotonic())

    def _is_read(self, thread: DriverThread) -> bool:
        """Whether nothing more will be read from the driver."""
        return self._is_left or (thread.exhausted and self._held is None)

    def _announce(self, *, ended: bool) -> Iterator[Packet]:
        """Promise that nothing earlier than what has been published will follow.

        Messages that could not be sent yet will follow: the promise ends at the earliest of them.
        """
        if self._held is not None:
            begin = min(reading.at for reading in self._held.readings)
            self._complete_until = max(begin, self._complete_until or 0)
        if self._complete_until is None:
            return
        unsent = (packet.message.event_time for packet in self._unsent)
        until = min((at for at in unsent if at is not None), default=self._complete_until)
        ended = ended and not self._unsent
        self._alignment.reach(min(until, self._complete_until), ended=ended)
        for packet in self._alignment.announcements(monotonic()):
            self._send_failed = False
            yield packet
            self._has_ended = ended and not self._send_failed

    def on_send_failed(self, packet: Packet) -> Iterable[Packet]:
        self._send_failed = True
        return ()

    def stop(self) -> Iterator[Packet]:
        self._stopping.set()
        if self._thread:
            while batch := self._next_batch(self._thread):
                self._queue(batch)
        yield from self._send_unsent()
        if self._is_aligned:
            yield from self._announce(ended=True)

    def cleanup(self) -> None:
        self._stopping.set()
        if self._thread and self._thread.is_alive():
            # A library that hangs must not block the exit: the thread is a daemon
            self._thread.join(timeout=1)

    @property
    def done(self) -> bool:
        is_over = self._thread and self._is_read(self._thread) and not self._unsent
        if not self._is_aligned:
            return bool(is_over)
        # The promise is repeated while others run, for consumers that are restarted
        return bool(is_over and self._has_ended and not self._running)

    def _may_start(self, thread: DriverThread) -> bool:
        """Start the driver once the consumers that must not miss anything are ready."""
        if thread.ident is not None:
            return True
        missing = self._expected - self.context.ready if self._lossless else set()
        if missing:
            self.context.detail = f"waiting for {', '.join(sorted(missing))}"
            return False
        self.context.detail = self._searching(thread)
        thread.start()
        return True

    def _send_unsent(self) -> Iterator[Packet]:
        """Send messages until one fails; that one and those after it stay in the queue."""
        self._send_failed = False
        while self._unsent and not self._send_failed:
            yield self._unsent[0]
            if self._send_failed:
                return
            self._unsent.popleft()
            if self._is_aligned:  # a queue that is full for long must not look like silence
                yield from self._announce(ended=False)

    def _queue(self, batch: Batch) -> None:
        self._complete_until = batch.complete_until
        self._unsent += self.to_packets(batch.readings)

    def to_packets(self, readings: Iterable[Reading]) -> Iterator[Packet]:
        """Convert readings to messages; what fits no message is counted as ``invalid``."""
        counters = self._driver.counters
        latest = self.context.now() + CLOCK_AHEAD_NS
        for raw in readings:
            if not has_times(raw):
                counters["invalid"] += len(raw.values)
            elif raw.signal in (BUTTON, EVENTS):
                for i in range(len(raw.values)):
                    marker = self._to_marker(raw, i) if 0 <= time_of(raw, i) <= latest else None
                    counters["invalid"] += marker is None
                    if marker:
                        yield Packet(marker)
            else:
                for reading in validate(raw, counters):
                    timestamps = self._timestamps.setdefault(reading.signal, MonotonicTimestamps())
                    if adjusted := timestamps.adjust(reading, counters, latest):
                        yield Packet(self._to_samples(adjusted))

    def _to_marker(self, reading: Reading, i: int) -> Marker:
        """A marker for a press of the device's button or for an event of a program."""
        pressed = Event("button", {"subject": self._settings.subject})
        said = reading.events[i] if reading.events else pressed
        return Marker(
            session="session",
            at=time_of(reading, i),
            label=said.label,
            source=self._driver.device[:200],
            extra=said.fields,
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

    def _say_remarks(self) -> None:
        """Log the driver's remarks about its input."""
        for remark in self._driver.remarks[self._remarks_said :]:
            self._remarks_said += 1
            self.context.log.warning("%s", remark)
        if self._driver.only_events and self._process.films_have_own_times and not self._is_warned:
            self._is_warned = True
            text = (
                "markers of %s have the clock's times, and the films have others: they do not meet"
                " (set markers by HTTP, or play films without a start at pace realtime)"
            )
            self.context.log.warning(text, self._driver.device)

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
        may_be_silent = self._driver.can_wait or self._driver.only_events
        is_silent = silent_s > SILENCE_S and not may_be_silent
        if not problem and not thread.ended and is_silent:
            where = self._driver.device or self._settings.driver
            problem = f"nothing from {where} for {silent_s:.0f} s"
        state: Literal["ready", "degraded"] = "degraded" if problem else "ready"
        if state != self.context.state:
            # Somebody who has just put on a strap looks here first
            text = problem or f"reading {self._driver.device or self._settings.driver} again"
            self.context.log.warning("%s", text)
        self.context.state, self.context.detail = state, problem or self._searching(thread)

    def _searching(self, thread: DriverThread) -> str:
        """Health's detail until the device is open for the first time."""
        is_waited_for = not (self._driver.can_wait or thread.was_open or thread.ended)
        return "searching" if is_waited_for else ""
