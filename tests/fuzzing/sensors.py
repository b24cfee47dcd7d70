"""Decoders of sensors: packets of straps and boards, streams, and the files that watches export."""

import struct
from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from affectline.common.runtime.stage import StageContext
from affectline.common.wire import codec
from affectline.services.biometrics.driver import DeviceGone, Driver, Reading
from affectline.services.biometrics.drivers.brainflow import BrainFlowDriver
from affectline.services.biometrics.drivers.csv import CsvDriver
from affectline.services.biometrics.drivers.e4 import FILES, E4Driver
from affectline.services.biometrics.drivers.embraceplus import EmbracePlusDriver
from affectline.services.biometrics.drivers.lsl import LslDriver
from affectline.services.biometrics.drivers.shimmer import ShimmerDriver
from affectline.services.biometrics.heart_rate import RRTimeline, parse_measurement, to_readings
from affectline.services.biometrics.spec import BiometricsProcess
from affectline.services.biometrics.stage import Biometrics
from tests.fuzzing.decoder import Decoder, folder, join_parts, split_parts
from tests.unit.services.biometrics.drivers import test_embraceplus, test_polar, test_shimmer
from tests.unit.services.biometrics.fakes import START, FakeTime, Script, settings

MOST_READS: Final = 200


def publish(readings: Sequence[Reading], device: str = "") -> None:
    """Have the stage publish readings: what comes of them can be read again."""
    driver = Script(["open", list(readings)])
    driver.device = device
    stage = Biometrics(BiometricsProcess(settings=settings("ble")), lambda *_: driver)
    stage.context = StageContext("biometrics/s/ble", now=lambda: START)
    stage.setup()
    for packet in stage.to_packets(readings):
        codec.decode([bytes(part) for part in codec.encode(packet)])


def play(driver: Driver) -> None:
    """Open a recording and read the beginning of it."""
    driver.open()
    try:
        for _ in range(MOST_READS):
            publish(driver.read())
            if driver.ended:
                break
    finally:
        driver.close()
    assert not any("\n" in remark for remark in driver.remarks)


def decode_heart_rate(data: bytes) -> None:
    """Notifications of a strap, 20 bytes each."""
    timeline = RRTimeline()
    for i, at in enumerate(range(0, len(data), 20)):
        measurement = parse_measurement(data[at : at + 20])
        if measurement:
            publish(to_readings(measurement, START + i * 10**9, timeline))


def decode_polar_frames(data: bytes) -> None:
    """Frames of a Polar sensor, each behind a byte with its length."""
    sensor = test_polar.verity() if data[:1] == b"v" else test_polar.h10()
    driver, _ = test_polar.opened(sensor)
    rest = data[1:]
    try:
        while rest:
            sensor.notify[test_polar.FRAMES](bytearray(rest[1 : 1 + rest[0]]))
            rest = rest[1 + rest[0] :]
        publish(driver.read())
    finally:
        driver.close()


class Port:
    """A serial port with a device at it, or with bytes that are there already."""

    timeout: float | None = None

    def __init__(self, firmware: test_shimmer.Firmware | None = None, sent: bytes = b"") -> None:
        self.firmware, self.sent = firmware, sent

    @property
    def in_waiting(self) -> int:
        return len(self.sent)

    def write(self, data: bytes) -> int:
        if self.firmware:
            self.sent += self.firmware.receive(bytes(data))
        return len(data)

    def read(self, size: int) -> bytes:
        part, self.sent = self.sent[:size], self.sent[size:]
        return part

    def reset_input_buffer(self) -> None:
        if self.firmware:
            self.sent = b""

    def close(self) -> None:
        pass


def shimmer_at(port: Port) -> ShimmerDriver:
    driver = ShimmerDriver(settings("shimmer", serial_port="/dev/x"), FakeTime().clock)
    driver._serial = SimpleNamespace(Serial=lambda *_, **__: port)
    return driver


def read_until_gone(driver: Driver) -> None:
    """Read a device's bytes: it may be lost, and says so in one line."""
    try:
        driver.open()
        for _ in range(3):
            publish(driver.read(), driver.device)
    except DeviceGone as gone:
        if len(str(gone).splitlines()) != 1:
            raise AssertionError(f"no line for people: {gone!r}") from gone
    finally:
        driver.close()


def decode_shimmer_packets(data: bytes) -> None:
    """What a Shimmer sends once it streams."""
    port = Port(test_shimmer.Firmware())
    driver = shimmer_at(port)
    driver.open()
    port.sent += data
    driver.open = lambda: None  # type: ignore[method-assign]
    read_until_gone(driver)


def decode_shimmer_answers(data: bytes) -> None:
    """What a Shimmer answers to the commands that set it up, and packets behind it."""
    read_until_gone(shimmer_at(Port(sent=data)))


def shimmer_packets() -> list[bytes]:
    firmware = test_shimmer.Firmware()
    packets = [firmware.packet(1000 + 256 * i, 0x4000 | 1365 + i) for i in range(5)]
    return [b"".join(packets), b"\xff" + b"".join(packets), b"\x8a\x71\x00" + packets[0]]


def shimmer_answers() -> list[bytes]:
    """All that a device sends from the first command to some packets."""

    class Recorder(Port):
        heard = b""

        def write(self, data: bytes) -> int:
            before = len(self.sent)
            written = super().write(data)
            self.heard += self.sent[before:]
            return written

    found = []
    for version in ((0, 16, 0), (0, 9, 0)):
        firmware = test_shimmer.Firmware(version)
        port = Recorder(firmware)
        shimmer_at(port).open()
        answers = port.heard.removeprefix(b"\xff")  # that of the command to stop is thrown away
        found.append(answers + firmware.packet(1000, 0x4000 | 1365))
    return found


RATES: Final = (
    0.0, 10.0, 250.0, 0.001, 1e-300, 1e300, -1.0, float("nan"), float("inf"), 100_000.0, 5e5,
)  # fmt: skip
KINDS: Final = (np.dtype(np.float32), np.dtype(np.float64), "string", np.dtype(np.int32))


def numbers(data: bytes) -> Any:
    return np.frombuffer(data[: len(data) // 8 * 8], "<f8")


def decode_lsl(data: bytes) -> None:
    """A stream as the library gives it: its description, then a chunk of arrays."""
    head, *parts = [*split_parts(data)[:7], *[b""] * 7][:7]
    head = head.ljust(5, b"\0")
    name, kind, labels, units = (part.decode(errors="replace") for part in parts[:4])
    dtype, width = KINDS[head[1] % len(KINDS)], head[2] % 5 + 1
    stamps = numbers(parts[4])[:200]
    count = max(0, len(stamps) + (head[3] % 8 == 7) - (head[3] % 8 == 6)) * width
    values: Any
    if dtype == "string":
        texts = (parts[5].decode(errors="replace").split("\n") * count)[:count]
        values = [texts[i : i + width] for i in range(0, count, width)]
    else:
        given = numbers(parts[5])
        values = np.resize(given if len(given) else np.zeros(1), count).reshape(-1, width)
        with np.errstate(all="ignore"):
            values = values.astype(dtype)
    time = FakeTime()
    info = SimpleNamespace(
        name=name, stype=kind, dtype=dtype, sfreq=RATES[head[0] % len(RATES)], hostname="host",
        n_channels=width, uid="1", source_id="",
        get_channel_names=lambda: labels.split("\n") if labels else None,
        get_channel_units=lambda: units.split("\n") if units else None,
    )  # fmt: skip
    inlet = SimpleNamespace(
        open_stream=lambda timeout: None, get_sinfo=lambda timeout: info,
        time_correction=lambda timeout: RATES[head[4] % len(RATES)],
        pull_chunk=lambda timeout, max_samples: (values, stamps),
    )  # fmt: skip
    library = SimpleNamespace(
        local_clock=lambda: 5000.0 + time.seconds, resolve_streams=lambda *_: [info],
        StreamInlet=lambda info, recover: inlet,
    )  # fmt: skip
    read_until_gone(LslDriver(settings("lsl"), time.clock, library))


def lsl_streams() -> list[bytes]:
    stamps = struct.pack("<4d", 5000.0, 5000.1, 5000.2, 4000.0)
    values = struct.pack("<4d", 1.0, 2.0, -3.0, 1e6)
    return [
        join_parts([b"\1\1\0\0\0", b"A", b"EDA", b"", b"", stamps, values]),
        join_parts([b"\0\0\1\0\0", b"B", b"EEG", b"HR\nFz", b"bpm\nuV", stamps, values]),
        join_parts([b"\0\2\1\0\0", b"C", b"Markers", b"what\nwhere", b"", stamps, b"go\nhome"]),
        join_parts([b"\0\3\0\0\0", b"D", b"Markers", b"", b"", stamps, values]),
        join_parts([b"\0\2\0\0\0", b"E", b"Markers", b"", b"", stamps, b"x" * 5000]),
    ]


@cache
def brainflow() -> Any:
    from brainflow import board_shim

    return board_shim


def decode_board(data: bytes) -> None:
    """Rows of a board as the library gives them."""
    head, rest = data[:3].ljust(3, b"\0"), numbers(data[3:])
    rows, count = head[0] % 40, head[1]
    values = np.resize(rest if len(rest) else np.zeros(1), rows * count).reshape(rows, count)
    real = brainflow()

    class Board:
        get_board_presets = real.BoardShim.get_board_presets
        get_board_descr = real.BoardShim.get_board_descr

        def __init__(self, *_: object) -> None: ...
        def prepare_session(self) -> None: ...
        def start_stream(self, _: int) -> None: ...
        def release_session(self) -> None: ...

        def is_prepared(self) -> bool:
            return True

        def get_board_data(self, preset: int) -> Any:
            return values if preset == head[2] % 2 else np.empty((0, 0))

    driver = BrainFlowDriver(settings("brainflow"), FakeTime().clock)
    driver._api = SimpleNamespace(**vars(real) | {"BoardShim": Board})
    read_until_gone(driver)


def boards() -> list[bytes]:
    rows = np.zeros((32, 10))
    rows[30] = 1_795_445_587 + np.arange(10) / 250  # its time stamps
    return [bytes((32, 10, preset)) + rows.astype("<f8").tobytes() for preset in range(2)]


class Answers(dict[str, str]):
    """Of a sensor that says yes to whatever else it is asked for."""

    def get(self, request: str, _: Any = None) -> str:
        return self[request] if request in self else f"f0{request[:4]}0000"


def decode_polar_answer(data: bytes) -> None:
    """What a sensor answers to the last request: which settings a stream has."""
    sensor = test_polar.verity()
    request = list(test_polar.VERITY)[data[0] % len(test_polar.VERITY) if data else 0]
    answer = bytes([0xF0]) + bytes.fromhex(request)[:2] + data[1:]
    sensor.answers = Answers(test_polar.VERITY | {request: answer.ljust(4, b"\0").hex()})
    try:
        driver, _ = test_polar.opened(sensor)
    except DeviceGone:
        return
    sensor.send(2, 2 * 10**9, 0x80, test_polar.ACC_COMPRESSED)
    try:
        publish(driver.read())
    finally:
        driver.close()


TABLES: Final = (
    {"time_unit": "iso", "time_column": "at", "time_zone": "Europe/Berlin", "keep_times": True},
    {"time_unit": "iso", "time_column": "at", "time_zone": "local"},
    {"time_unit": "s", "time_column": "at"},
    {"time_unit": "ns", "time_column": "at", "decimal": ","},
    {"rate": 4.0},
    {"rate": 0.001, "loop": True, "delimiter": "|"},
)
COLUMNS: Final = {"pulse": {"signal": "heart_rate", "unit": "/min"}}


def read_sensor_table(data: bytes) -> None:
    """A table; its first byte chooses how it is read."""
    with folder() as place:
        path = place / "table.csv"
        path.write_bytes(data[1:])
        more = TABLES[data[0] % len(TABLES) if data else 0]
        given = settings("csv", file=path, columns=COLUMNS, speed="max", **more)
        play(CsvDriver(given, FakeTime().clock))


def read_e4(data: bytes) -> None:
    """A folder of an Empatica E4, of which one file, by the first byte, is this."""
    names = (*FILES, "tags.csv")
    with folder() as place:
        (place / "EDA.csv").write_text("1644227574.0\n4.0\n0.1\n0.2\n0.3\n")
        (place / names[data[0] % len(names) if data else 0]).write_bytes(data[1:])
        play(E4Driver(settings("e4", folder=place, speed="max"), FakeTime().clock))


def read_embraceplus(data: bytes) -> None:
    """A file of an Empatica EmbracePlus."""
    with folder() as place:
        path = place / "a.avro"
        path.write_bytes(data)
        given = settings("embraceplus", folder=path, speed="max")
        play(EmbracePlusDriver(given, FakeTime().clock))


@cache
def avro_files() -> Sequence[bytes]:
    with folder() as place:
        newer = {"conversionFactor": 1 / 2048}
        files = [
            test_embraceplus.write(place / "a.avro"),
            test_embraceplus.write(place / "b.avro", params=newer),
        ]
        return [file.read_bytes() for file in files]


def polar_frames() -> list[bytes]:
    frames = (
        (b"h", b"\0" + bytes(8) + b"\0" + test_polar.ecg(1, 2, 3)),
        (b"v", b"\2" + bytes(8) + b"\x80" + test_polar.ACC_COMPRESSED[:100]),
        (b"v", b"\1" + bytes(8) + b"\x80" + test_polar.PPG_COMPRESSED[:100]),
    )
    return [kind + 2 * (bytes([len(frame)]) + frame) for kind, frame in frames]


def polar_answers() -> list[bytes]:
    answers = [bytes.fromhex(answer)[3:] for answer in test_polar.VERITY.values()]
    return [bytes([i]) + answer for i, answer in enumerate(answers)]


FLOATS: Final = tuple(
    struct.pack("<d", value)
    for value in (float("nan"), float("inf"), -float("inf"), 1e300, -1e300, 4.7e9, -4.7e9, 5e-324)
)
NUMBERS: Final = (
    b"1e999", b"-1e999", b"1e-99999999999999999999", b"0e999999999999999999", b"nan", b"\xd9\xa3",
    b"9" * 400, b"1.5", b"1,5", b'"', b'sep="\n', b"sep=|\n", b"\n" * 20, b"\r", b"\0",
    b"\xff\xfe", b"0001-01-01", b"9999-12-31T23:59:59", b"2024-03-31T02:30:00",
    b"2024-10-27T02:30:00", b"a" * 140_000, b"1644227574", b"0.001",
)  # fmt: skip
DECODERS: Final = (
    Decoder("heart-rate", decode_heart_rate, lambda: [bytes.fromhex("10483d03"), b"\x1f" * 20]),
    Decoder("polar-frames", decode_polar_frames, polar_frames, (b"\xff" * 4, b"\0" * 4)),
    Decoder("polar-answer", decode_polar_answer, polar_answers, (b"\0\0", b"\x05\x01\0\0\x80\x7f")),
    Decoder(
        "shimmer-packets", decode_shimmer_packets, shimmer_packets, (b"\0", b"\xff", b"\x8a")
    ),
    Decoder(
        "shimmer-answers", decode_shimmer_answers, shimmer_answers,
        (b"\0\0", b"\xff\xff", b"\xff", b"\x8a\x71"),
    ),
    Decoder("lsl", decode_lsl, lsl_streams, (*FLOATS, b"\n", b"\xe2\x80\xa8", b"x" * 5000)),
    Decoder("board", decode_board, boards, FLOATS),
    Decoder(
        "sensor-table", read_sensor_table,
        lambda: [
            b"\0at,pulse\n2024-01-01T10:00:00,60\n2024-01-01T10:00:01,61\n",
            b"\2at;pulse\n1,5;60\n2,5;\n3,5;61,5\n", b"\4pulse\n60\n61\n",
            b"\3at\tpulse\n1700000000000000000\t60\n",
        ],
        NUMBERS,
    ),
    Decoder(
        "e4", read_e4,
        lambda: [
            b"\x001644227574.0\n4.0\n0.1\n0.2\n",
            b"\x041644227574,1644227574,1644227574\n32,32,32\n1,2,3\n",
            b"\x051644227574, IBI\n1.5,0.8\n",
            b"\x061644227574.5\n",
        ],
        NUMBERS,
    ),
    Decoder("embraceplus", read_embraceplus, avro_files, (
        b"\xff" * 10, b'"null"', b"deflate", b"zstandard", b'"string"', b'"boolean"', b'"bytes"',
        b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f",
    )),
)  # fmt: skip
