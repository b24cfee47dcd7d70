"""Shimmer3 GSR+: skin conductance and the pulse wave over Bluetooth, through pyshimmer.

With classic Bluetooth, the device appears as a serial port. pyshimmer packs commands and unpacks
answers and packets as Shimmer's LogAndStream firmware defines them. We use its
`BluetoothRequestHandler` without the threads around it: they wait for ever when a device falls
silent.
"""

import contextlib
import os
import queue
from typing import Annotated, Any, Final, Literal

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
from affectline.services.biometrics.sensor_clock import SensorClock, WrappingCounter
from affectline.services.biometrics.validation import NS

BAUD: Final = 115_200
ANSWER_S: Final = 2.0
SETTLE_S: Final = 0.3
"""How long packets may still arrive after streaming was stopped."""
SILENT_S: Final = 5.0
"""A device that sends nothing for this long is opened again."""
RATE: Final = 128.0
"""Samples a second: enough to place the beats of the pulse wave, as Shimmer recommends."""
TICKS_PER_S: Final = 32_768
TICK_BITS: Final = 24
"""Bits of a packet's time stamp: it wraps around every 512 s."""
ACK: Final = 0xFF
SET_GSR_RANGE: Final = 0x21
AUTO_RANGE: Final = 4
SET_EXPANSION_POWER: Final = 0x5E
STOP_STREAMING: Final = b"\x20"
FEEDBACK_KOHM: Final = (40.2, 287.0, 1000.0, 3300.0)
"""Feedback resistors of the amplifier's four ranges: constants of Shimmer's own drivers
(`SensorGSR`)."""
REFERENCE_V: Final = 3.0
"""Full scale of the converter's 12 bits."""
ELECTRODE_V: Final = 0.5
OPEN_BELOW: Final = 683
"""Below this converter value the amplifier's output is that of open electrodes, 0.5 V."""


class ShimmerSettings(BiometricsSettings):
    """One Shimmer3 GSR+."""

    driver: Literal["shimmer"] = "shimmer"
    serial_port: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        examples=["/dev/rfcomm0"]
    )
    """Serial port of the paired device, such as ``/dev/rfcomm0``, ``COM5`` or
    ``/dev/cu.Shimmer3-ABCD``."""


class ShimmerDriver(Driver):
    """A Shimmer3 GSR+ over Bluetooth.

    Args:
        settings: The port of the device.
        clock: The clock to use.
    """

    settings_model = ShimmerSettings
    _settings: ShimmerSettings

    def __init__(self, settings: ShimmerSettings, clock: Clock) -> None:
        super().__init__(settings, clock)
        try:
            import serial
            from pyshimmer.bluetooth import bt_api, bt_commands, bt_const, bt_serial
            from pyshimmer.dev import channels, fw_version
            from pyshimmer.serial_base import ReadAbort
        except ImportError as error:
            raise missing_package("shimmer", error, "shimmer") from error
        self._serial: Any = serial
        self._api: Any = bt_api
        self._commands: Any = bt_commands
        self._wrap: Any = bt_serial.BluetoothSerial
        self._channels: Any = channels
        self._firmware: Any = fw_version
        self._packet_starts = {bt_const.DATA_PACKET, bt_const.INSTREAM_CMD_RESPONSE}
        self._errors = (
            ReadAbort, OSError, queue.Empty, ValueError, RuntimeError, LookupError, TypeError,
            ArithmeticError,
        )  # fmt: skip
        self._port: Any = None

    def open(self) -> None:
        name = self._settings.serial_port
        self._packets: list[Any] = []
        self._ticks, self._sensor_clock = WrappingCounter(TICK_BITS), SensorClock()
        self._last_tick: int | None = None
        self._gone: DeviceGone | None = None
        try:
            self._port = self._serial.Serial(name, BAUD, write_timeout=ANSWER_S)
            self._bytes = self._wrap(self._port)
            self._port.timeout = ANSWER_S  # set late: pyshimmer warns about it, but it limits waits
            self._start()
        except self._errors as error:
            reason = str(error) or "it does not answer"
            if isinstance(error, OSError) and error.errno:
                reason = os.strerror(error.errno)
            raise DeviceGone(
                f"Shimmer at {name}: {reason}: is it paired, and switched on?"
            ) from error
        self.device = f"Shimmer3 GSR+ at {name}"
        self._last_data = self._clock.monotonic()

    def _start(self) -> None:
        """Configure the sensors, and start streaming; an earlier stream is stopped first."""
        self._port.write(STOP_STREAMING)
        self._clock.wait(SETTLE_S)
        self._bytes.flush_input_buffer()
        self._handler = self._api.BluetoothRequestHandler(self._bytes)
        commands, groups = self._commands, self._channels.ESensorGroup
        kind, *version = self._execute(commands.GetFirmwareVersionCommand())
        firmware = self._firmware.FirmwareVersion(*version)
        if self._firmware.FirmwareCapabilities(kind, firmware).supports_ack_disable:
            self._execute(commands.SetStatusAckCommand(enabled=False))
        self._execute(commands.SetSamplingRateCommand(RATE))
        # The pulse wave is on channel A13 of the GSR+ board, which must be powered
        self._execute(commands.SetSensorsCommand([groups.GSR, groups.CH_A13]))
        self._execute(self._one_byte(SET_EXPANSION_POWER, 1))
        self._execute(self._one_byte(SET_GSR_RANGE, AUTO_RANGE))
        self._rate, _, found = self._execute(commands.InquiryCommand())
        types = self._channels.EChannelType
        if types.GSR_RAW not in found:
            raise ValueError("it measures no skin conductance")
        self._has_pulse = types.INTERNAL_ADC_13 in found
        kinds = [types.TIMESTAMP, *found]
        if any(self._channels.ChDataTypeAssignment.get(one) is None for one in kinds):
            raise ValueError("it sends channels of unknown sizes")
        assigned = [(channel, self._channels.ChDataTypeAssignment[channel]) for channel in kinds]
        self._packet_bytes = 1 + sum(data_type.size for _, data_type in assigned)
        self._handler.set_stream_types(assigned)
        self._handler.add_stream_callback(self._packets.append)
        self._execute(commands.StartStreamingCommand())

    def _execute(self, command: Any) -> Any:
        """Send a command, wait for its acknowledgement, and return its answer if it has one."""
        done, answer = self._handler.queue_command(command)
        while not (done.has_completed() and (answer is None or answer.has_result())):
            self._handler.process_single_input_event()
        return answer.get_result() if answer else None

    def _one_byte(self, code: int, value: int) -> Any:
        """A one-byte command that pyshimmer does not have."""

        class OneByte(self._commands.ShimmerCommand):  # type: ignore[misc, name-defined]
            def send(self, port: Any) -> None:
                port.write_command(code, "<B", value)

        return OneByte()

    def read(self) -> list[Reading]:
        if self._gone is None:
            self._clock.wait(WAIT_S)
            self._gone = self._read_packets()
        packets = self._packets.copy()
        self._packets.clear()
        if self._gone is not None and not packets:  # first return what came before the loss
            raise self._gone
        return self._to_readings(packets, self._clock.now())

    def _read_packets(self) -> DeviceGone | None:
        """Read the packets that have arrived; return why no more will come, or None."""
        try:
            while self._port.in_waiting >= self._packet_bytes:
                self._read_event()
        except DeviceGone as gone:
            return gone
        except self._errors as error:
            return DeviceGone(f"{self.device} is gone: {error or 'unreadable bytes'}")
        now = self._clock.monotonic()
        if self._packets:
            self._last_data = now
        elif now - self._last_data > SILENT_S:
            return DeviceGone(f"{self.device} has been silent for {SILENT_S:g} s")
        return None

    def _read_event(self) -> None:
        """Read a packet, or skip a report of the device's state."""
        first = self._bytes.peek(1)[0]
        if first == ACK:  # older firmware acknowledges its own reports
            self._bytes.read(1)
        elif first in self._packet_starts:
            self._handler.process_single_input_event()
        else:  # reopening the device puts it in step again
            self.counters["invalid"] += 1
            raise DeviceGone(f"{self.device} sent {first:#04x} where a packet begins")

    def close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            with contextlib.suppress(OSError):
                port.write(STOP_STREAMING)
            with contextlib.suppress(OSError):
                port.close()

    def _to_readings(self, packets: list[Any], arrived: int) -> list[Reading]:
        """Readings of packets that arrived at once; a gap begins new readings."""
        if not packets:
            return []
        types = self._channels.EChannelType
        ticks = [self._ticks.unwrap(packet[types.TIMESTAMP]) for packet in packets]
        difference = self._sensor_clock.compare(_to_ns(ticks[-1]), arrived)
        step = TICKS_PER_S / self._rate
        found: list[Reading] = []
        begin = 0
        for i, tick in enumerate(ticks):
            missing = (
                round((tick - self._last_tick) / step) - 1 if self._last_tick is not None else 0
            )
            self._last_tick = tick
            if missing > 0:
                self.counters["missing"] += missing
                found += self._read_run(packets[begin:i], ticks[begin:i], difference)
                begin = i
        return [*found, *self._read_run(packets[begin:], ticks[begin:], difference)]

    def _read_run(self, packets: list[Any], ticks: list[int], difference: int) -> list[Reading]:
        """Readings of consecutive packets."""
        if not packets:
            return []
        types, at = self._channels.EChannelType, _to_ns(ticks[0]) + difference
        raw = [packet[types.GSR_RAW] for packet in packets]
        touching = sum(is_touching(value) for value in raw) / len(raw)
        conductance = tuple(map(to_microsiemens, raw))
        readings = [
            Reading(
                "skin_conductance", "uS", at, conductance, self._rate,
                quality=touching, reason="" if touching == 1 else "no skin contact",
            )
        ]  # fmt: skip
        if self._has_pulse:
            pulse = tuple(float(packet[types.INTERNAL_ADC_13]) for packet in packets)
            readings.append(Reading("ppg", "1", at, pulse, self._rate))
        return readings


def is_touching(raw: int) -> bool:
    """Whether current flows between the electrodes."""
    return raw & 0xFFF >= OPEN_BELOW


def to_microsiemens(raw: int) -> float:
    """Convert 16 bits of the channel GSR: 2 bits for the range, 2 unused, 12 of the converter.

    The electrodes, at 0.5 V, are the input of an amplifier with the range's feedback resistor:
    ``volts = 0.5 (1 + feedback / skin)``.
    """
    if not is_touching(raw):
        return 0.0
    volts = (raw & 0xFFF) * REFERENCE_V / 4095
    return 1000 * (volts / ELECTRODE_V - 1) / FEEDBACK_KOHM[raw >> 14]


def _to_ns(ticks: int) -> int:
    return ticks * NS // TICKS_PER_S
