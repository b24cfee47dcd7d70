"""The thread of a driver: opens it, reads it, and reopens it when the device is lost."""

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Final, NamedTuple

from affectline.common.errors import AffectlineError
from affectline.services.biometrics.driver import WAIT_S, DeviceGone, Driver, Reading

BATCHES: Final = 64
"""How many batches may wait for the stage. Beyond that the driver blocks; meanwhile a device fills
its library's own buffer: those of LSL and BrainFlow hold minutes."""
FIRST_PAUSE_S: Final = 0.5
"""The first pause between attempts to open a device; it doubles."""


class Batch(NamedTuple):
    """The result of one `Driver.read`."""

    readings: list[Reading]
    complete_until: int | None
    """`Driver.complete_until` after these readings."""


class DriverThread(threading.Thread):
    """Reads a driver until it ends, fails for good, or is stopped.

    Args:
        driver: The driver, used only by this thread.
        stopping: Set from outside to end the thread.
        wake: Called when there is a new batch or a new problem.
    """

    def __init__(self, driver: Driver, stopping: threading.Event, wake: Callable[[], None]) -> None:
        super().__init__(name="driver", daemon=True)
        self._driver, self._stopping, self._wake = driver, stopping, wake
        self._batches: queue.Queue[Batch] = queue.Queue(BATCHES)
        self._is_open = False
        self._pause_s = FIRST_PAUSE_S
        self._complete_until: int | None = None
        self.problem = ""
        """Why no data arrives, in words; empty while all is well."""
        self.was_open = False
        """Whether the device has been opened before."""
        self.failure: AffectlineError | None = None
        self.ended = False

    def run(self) -> None:
        try:
            while not self._stopping.is_set() and not self.ended:
                self._stopping.wait(self.step())
        except AffectlineError as error:
            self.failure = error
        finally:
            self._close()
            self._wake()

    def step(self) -> float:
        """Open the device or read it once; return the seconds to wait before the next step."""
        try:
            if not self._is_open:
                self._driver.open()
                self._is_open = self.was_open = True
                if self._driver.only_events:  # it may be silent for long
                    self._on_well()
                self._wake()
            readings = self._driver.read()
        except AffectlineError:
            raise
        except DeviceGone as gone:
            return self._on_lost(str(gone))
        except Exception as error:  # a device's library may fail in any way; health reports it
            self._driver.counters["failures"] += 1
            return self._on_lost(f"{type(error).__name__}: {error}")
        if readings:
            self._on_well()
        if readings or self._driver.complete_until != self._complete_until:
            self._complete_until = self._driver.complete_until
            self._put(Batch(readings, self._complete_until))
        self.ended = self._driver.ended
        return 0.0

    def next_batch(self) -> Batch | None:
        """Return the next batch; None if there is none yet."""
        with contextlib.suppress(queue.Empty):
            return self._batches.get_nowait()
        return None

    @property
    def exhausted(self) -> bool:
        """True when the driver has ended and all batches were fetched."""
        return self.ended and self._batches.empty()

    def _on_well(self) -> None:
        self.problem, self._pause_s = "", FIRST_PAUSE_S

    def _on_lost(self, reason: str) -> float:
        if self._is_open:
            self._driver.counters["lost"] += 1
        self._is_open = False
        self._close()
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, self._driver.longest_pause_s)
        self.problem = f"{reason}; trying again in {pause_s:g} s"
        self._wake()
        return pause_s

    def _close(self) -> None:
        try:
            self._driver.close()
        except Exception:  # a lost device may fail to close; it is opened again
            self._driver.counters["failures"] += 1

    def _put(self, batch: Batch) -> None:
        while not self._stopping.is_set():
            try:
                self._batches.put(batch, timeout=WAIT_S)
            except queue.Full:
                continue
            self._wake()
            return
