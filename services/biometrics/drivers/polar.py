"""Polar sensors: electrocardiogram, pulse wave and acceleration, besides the heart rate.

The streams are those of Polar's service PMD ("Polar Measurement Data"), as its SDK and the H10's
data specification describe them. polar-python packs requests and unpacks settings and frames,
including compressed ones. The connection is our own, so that a sensor is found, lost and opened
again like every strap. A frame contains the sensor's time of its last sample.
"""

import asyncio
import math
import struct
from typing import Any, Final, Literal, NamedTuple

from affectline.common.errors import AffectlineError
from affectline.services.biometrics.bluetooth import Bluetooth, BluetoothStrap, StrapSettings
from affectline.services.biometrics.driver import Clock, DeviceGone, Reading, missing_package
from affectline.services.biometrics.sensor_clock import SensorClock
from affectline.services.biometrics.validation import NS

ANSWER_S: Final = 5.0
HEADER: Final = 10
"""Bytes of a frame before its samples: kind, 8 bytes of time, and the samples' format."""
ECG_BYTES: Final = 3
"""Bytes of a sample of the electrocardiogram."""
SAME_RATE: Final = 0.1
"""Two frames are consecutive if the time between them deviates by less than this from the rate."""
UNREADABLE: Final = (ValueError, LookupError, TypeError, ArithmeticError, struct.error)
"""What polar-python raises for unexpected bytes."""
NO_STREAMS: Final = "read its heart rate with --driver ble"


class Stream(NamedTuple):
    """A stream that a sensor may offer."""

    kind: str
    """Name in polar-python's ``PmdMeasurementType``."""
    rate: int
    """Samples a second to request; the nearest rate that the sensor supports is used."""
    signals: tuple[str, ...]
    """Signals of the channels, in order."""
    unit: str
    scale: float
    """Converts the sensor's values to ``unit``."""


STREAMS: Final = (
    Stream("ECG", 130, ("ecg",), "mV", 1e-3),
    # Three photodiodes and ambient light; 55 is the rate outside of Polar's "SDK mode"
    Stream("PPG", 55, ("ppg", "ppg_2", "ppg_3", "ppg_ambient"), "1", 1.0),
    Stream("ACC", 50, ("acceleration_x", "acceleration_y", "acceleration_z"), "g", 1e-3),
)


class PolarSettings(StrapSettings):
    """One Polar sensor; without address and name the first one found."""

    driver: Literal["polar"] = "polar"


class PolarDriver(BluetoothStrap):
    """A Polar sensor with ECG, PPG or acceleration (H10, Verity Sense, OH1), and its heart rate.

    Args:
        settings: Which sensor to connect.
        clock: The clock to use.
        bluetooth: Replaces bleak in tests.
    """

    settings_model = PolarSettings
    kind = "Polar sensor"
    _settings: PolarSettings

    def __init__(
        self, settings: PolarSettings, clock: Clock, bluetooth: Bluetooth | None = None
    ) -> None:
        super().__init__(settings, clock, bluetooth)
        try:
            from polar_python import constants, models, parsers
        except ImportError as error:
            raise missing_package("polar", error) from error
        self._constants: Any = constants
        self._models: Any = models
        self._unpack: Any = parsers.parse_polar_data

    def open(self) -> None:
        self._rates: dict[str, int] = {}
        self._factors: dict[Any, float] = {}
        self._last_stamps: dict[str, int] = {}
        self._sensor_clock = SensorClock()
        super().open()

    def _matches(self, device: Any, advertisement: Any) -> bool:
        if self._settings.name or self._known_device:
            return super()._matches(device, advertisement)
        names = (device.name, advertisement.local_name)
        return any((name or "").startswith("Polar ") for name in names)

    async def _subscribe(self, client: Any) -> None:
        point = self._constants.PolarCharacteristic.PMD_CONTROL_POINT.value
        if client.services.get_characteristic(point) is None:
            raise AffectlineError(f"Bluetooth: {self.device} has no Polar streams", NO_STREAMS)
        await super()._subscribe(client)
        self._answers: asyncio.Queue[bytes] = asyncio.Queue()
        await client.start_notify(point, lambda _, data: self._answers.put_nowait(bytes(data)))
        frames = self._constants.PolarCharacteristic.PMD_DATA.value
        await client.start_notify(frames, self._receive_for(self._parse_frame))
        features = bytes(await client.read_gatt_char(point))
        kinds = self._constants.PmdMeasurementType
        offered = [s for s in STREAMS if len(features) > 1 and features[1] >> kinds[s.kind] & 1]
        if not offered:
            raise AffectlineError(
                f"Bluetooth: {self.device} offers none of {', '.join(s.kind for s in STREAMS)}",
                NO_STREAMS,
            )
        for stream in offered:
            await self._start(client, stream)

    async def _start(self, client: Any, stream: Stream) -> None:
        """Request a stream with the nearest rate, and otherwise the highest settings."""
        kind = self._constants.PmdMeasurementType[stream.kind]
        codes = self._constants.PmdControlOperationCode
        setting_types = self._constants.PmdSettingType
        offer = await self._request(client, stream, bytes([codes.GET, kind]))
        chosen = []
        for setting in offer.settings:
            values = [value for value in setting.values if value > 0]
            if not values:
                continue
            value = max(values)
            if setting.type == setting_types.SAMPLE_RATE:
                value = min(values, key=lambda rate: abs(rate - stream.rate))
                self._rates[stream.kind] = value
            chosen.append(self._models.MeasurementSettings.SettingType(setting.type, [value]))
        self._rates.setdefault(stream.kind, stream.rate)
        wanted = self._models.MeasurementSettings(kind, chosen)
        started = await self._request(client, stream, bytes(wanted.to_bytes()))
        for setting in started.settings:
            if setting.type == setting_types.FACTOR and setting.values:
                factor = _to_float(setting.values[0])
                if not math.isfinite(factor):
                    raise DeviceGone(f"{self.device} says that a unit of {stream.kind} is {factor}")
                self._factors[kind] = factor

    async def _request(self, client: Any, stream: Stream, request: bytes) -> Any:
        """Write a request to the control point, and return the sensor's answer.

        Raises:
            DeviceGone: The sensor refuses, or does not answer.
        """
        point = self._constants.PolarCharacteristic.PMD_CONTROL_POINT.value
        await client.write_gatt_char(point, request, response=True)
        while True:
            try:
                data = await asyncio.wait_for(self._answers.get(), ANSWER_S)
            except TimeoutError as error:
                raise DeviceGone(f"{self.device} does not answer about {stream.kind}") from error
            if len(data) >= 4 and data[:3] == bytes([0xF0, *request[:2]]):
                break  # other answers belong to other requests, such as the features
        errors = self._constants.PmdControlPointErrorCode
        known = {code.value: code.name for code in errors}
        # An earlier program may have left the stream on
        if data[3] not in (errors.SUCCESS, errors.ERROR_ALREADY_IN_STATE):
            reason = known.get(data[3], f"error {data[3]}").removeprefix("ERROR_")
            raise DeviceGone(
                f"{self.device} refuses {stream.kind}: {reason.lower().replace('_', ' ')}"
            )
        try:
            return self._models.MeasurementSettings.from_bytes(data.ljust(5, b"\0"))
        except UNREADABLE as error:
            raise DeviceGone(
                f"{self.device} gives an unreadable answer about {stream.kind} ({data.hex()[:80]})"
            ) from error

    def _parse_frame(self, data: bytes, arrived: int) -> list[Reading]:
        """The samples of one frame; unreadable data is counted."""
        stream = self._stream_of(data)
        if stream is None:
            self.counters["invalid"] += 1
            return []
        if stream.kind == "ECG" and (rest := (len(data) - HEADER) % ECG_BYTES):
            self.counters["invalid"] += 1  # cut off; the library would read half a sample
            data = data[: len(data) - rest]
        try:
            frame = self._unpack(bytearray(data), self._factors.get)
            rows = _rows(frame)
        except UNREADABLE:
            self.counters["invalid"] += 1
            return []
        return self._to_readings(stream, frame.timestamp, rows, arrived) if rows else []

    def _stream_of(self, data: bytes) -> Stream | None:
        kinds = {self._constants.PmdMeasurementType[s.kind].value: s for s in STREAMS}
        stream = kinds.get(data[0]) if len(data) > HEADER else None
        return stream if stream and stream.kind in self._rates else None

    def _to_readings(
        self, stream: Stream, stamp: int, rows: list[tuple[float, ...]], arrived: int
    ) -> list[Reading]:
        rate = self._rates[stream.kind]
        first = self._time_first(stream, stamp, len(rows))
        at = first + self._sensor_clock.compare(stamp, arrived)
        return [
            Reading(
                signal,
                stream.unit,
                at,
                tuple(value * stream.scale for value in values),
                float(rate),
            )
            for signal, values in zip(stream.signals, zip(*rows, strict=True), strict=False)
        ]

    def _time_first(self, stream: Stream, stamp: int, count: int) -> int:
        """When the first of a frame's samples was taken, by the sensor's clock.

        Samples are spread evenly between the last samples of the previous frame and of this one, as
        in Polar's SDK; those of the first frame, and after a gap, by the rate.
        """
        period = NS / self._rates[stream.kind]
        last = self._last_stamps.get(stream.kind)
        self._last_stamps[stream.kind] = stamp
        if last is not None:
            measured = (stamp - last) / count
            if abs(measured / period - 1) < SAME_RATE:
                return last + round(measured)  # times have more digits than a float
            if measured > period:
                self.counters["missing"] += max(0, round((stamp - last) / period) - count)
        return stamp - round((count - 1) * period)


def _rows(frame: Any) -> list[tuple[float, ...]]:
    """The samples of a frame, each with its channels."""
    samples = frame.samples if hasattr(frame, "samples") else frame.data
    rows = [tuple(s) if isinstance(s, list | tuple) else (s,) for s in samples]
    if len({len(row) for row in rows}) > 1:
        raise ValueError("samples with different numbers of channels")
    return rows


def _to_float(bits: int) -> float:
    """The 32-bit IEEE 754 number that the sensor sent as a whole number."""
    (number,) = struct.unpack("<f", bits.to_bytes(4, "little"))
    return float(number)
