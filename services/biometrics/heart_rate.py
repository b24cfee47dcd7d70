"""Parses the Bluetooth characteristic "Heart Rate Measurement" (0x2A37).

It is defined in the Heart Rate Service 1.0 and in the GATT Specification Supplement (Heart Rate
Measurement) of the Bluetooth SIG. All numbers are little endian.
"""

from dataclasses import dataclass
from typing import Final

from affectline.services.biometrics.driver import Reading
from affectline.services.biometrics.validation import NS

FLAG_RATE_16_BITS: Final = 0x01
FLAG_CONTACT: Final = 0x02
FLAG_CONTACT_SUPPORTED: Final = 0x04
FLAG_ENERGY: Final = 0x08
FLAG_RR_INTERVALS: Final = 0x10
TICKS_PER_S: Final = 1024
"""RR intervals are in 1024ths of a second."""
MAX_DELAY_NS: Final = 1_500_000_000
"""Straps notify once a second, so a beat is at most about that old. If a chain of beats ends longer
than this before the notification, beats were lost."""
LONGEST_PAUSE_NS: Final = 1_600_000_000
"""If more lies between two notifications, one was lost, and the beats in it."""


@dataclass(frozen=True)
class HeartRateMeasurement:
    """One notification of a strap."""

    rate: int
    """Beats a minute; 0 if the strap has no rate."""
    contact: bool | None = None
    """Whether the strap touches the skin; None if it does not report that."""
    energy_kj: int | None = None
    intervals_ms: tuple[float, ...] = ()
    """RR intervals, the oldest first; those of length 0 are left out."""
    damaged: bool = False
    """Whether the payload does not match its flags; unreadable parts were left out."""


def parse_measurement(payload: bytes) -> HeartRateMeasurement | None:
    """Parse a notification; None if it does not even contain the rate.

    A truncated payload is read as far as it goes.
    """
    if not payload:
        return None
    flags, rest = payload[0], payload[1:]
    width = 2 if flags & FLAG_RATE_16_BITS else 1
    if len(rest) < width:
        return None
    rate, rest = int.from_bytes(rest[:width], "little"), rest[width:]
    contact = bool(flags & FLAG_CONTACT) if flags & FLAG_CONTACT_SUPPORTED else None
    energy, damaged = None, False
    if flags & FLAG_ENERGY:
        damaged = len(rest) < 2
        energy = None if damaged else int.from_bytes(rest[:2], "little")
        rest = b"" if damaged else rest[2:]
    ticks: list[int] = []
    if flags & FLAG_RR_INTERVALS:
        ticks = [int.from_bytes(rest[i : i + 2], "little") for i in range(0, len(rest) - 1, 2)]
        rest = rest[2 * len(ticks) :]
    intervals = tuple(tick * 1000 / TICKS_PER_S for tick in ticks if tick)
    damaged = damaged or bool(rest) or 0 in ticks
    return HeartRateMeasurement(rate, contact, energy, intervals, damaged)


class RRTimeline:
    """Assigns times to beats: a strap reports the intervals between beats, not their times.

    The last beat of the first message is placed at its arrival. From then on, beats are chained by
    their intervals, which are exact to a 1024th of a second, so that radio jitter does not show. A
    chain can only be late, never early: if it would end after the arrival of its message, it is
    moved back to that. So the error, at first up to about a second, shrinks with time to the
    shortest delay since then. A lost notification breaks the chain. If a notification has come
    without the intervals of its beats, the chain may be early by as much, up to `MAX_DELAY_NS`.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._arrived = 0

    def timestamp(self, arrived: int, intervals_ms: tuple[float, ...]) -> list[int]:
        """Return the times of the beats that end the intervals, in ns; they never decrease.

        Args:
            arrived: Arrival of the notification, in ns since the Unix epoch; of each one, also
                without intervals.
            intervals_ms: As in `HeartRateMeasurement`.
        """
        if arrived - self._arrived > LONGEST_PAUSE_NS:
            self._last = None
        self._arrived = arrived
        steps = [round(interval * NS / 1000) for interval in intervals_ms]
        if not steps:
            return []
        end = arrived
        if self._last is not None and arrived - MAX_DELAY_NS <= self._last + sum(steps) <= arrived:
            end = self._last + sum(steps)
        self._last = end
        times = [end]
        for step in reversed(steps[1:]):
            times.append(times[-1] - step)
        return times[::-1]


def to_readings(
    measurement: HeartRateMeasurement, arrived: int, timeline: RRTimeline
) -> list[Reading]:
    """Convert a measurement; without skin contact its quality is 0."""
    quality, reason = 1.0, ""
    if measurement.contact is False:
        quality, reason = 0.0, "no skin contact"
    elif measurement.rate == 0:
        quality, reason = 0.0, "the strap has no rate"
    rate = Reading(
        "heart_rate", "/min", arrived, (float(measurement.rate),),
        offsets=(0,), quality=quality, reason=reason,
    )  # fmt: skip
    readings = [rate]
    times = timeline.timestamp(arrived, measurement.intervals_ms)
    if times:
        offsets = tuple(time - times[0] for time in times)
        readings.append(
            Reading(
                "rr_interval", "ms", times[0], measurement.intervals_ms,
                offsets=offsets, quality=quality, reason=reason,
            )
        )  # fmt: skip
    if measurement.energy_kj is not None:
        energy = (float(measurement.energy_kj),)
        readings.append(Reading("energy_expended", "kJ", arrived, energy, offsets=(0,)))
    return readings
