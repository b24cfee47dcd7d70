"""XDF, the format of LabRecorder (https://github.com/sccn/xdf/wiki).

No maintained library writes it, and the format is small: chunks with a length, a tag and content.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from affectline.common.atomic_file import atomic_write
from affectline.common.labels import LABELS
from affectline.common.output_file import check_output_file
from affectline.common.wire.biometrics import note_on
from affectline.services.export.exporter import Exporter, ExportSettings
from affectline.services.export.owned_files import OwnedFiles
from affectline.services.sessions.columns import marker_text
from affectline.services.sessions.recording import Recording
from affectline.services.sessions.sign_channels import (
    DRIVER_CHANNELS,
    FACE_CHANNELS,
    SignChannel,
    driver_row,
    measured_people,
)
from affectline.services.sessions.timeseries import Series, SessionSeries, read_series

FILE_HEADER: Final = 1
STREAM_HEADER: Final = 2
SAMPLES: Final = 3
CLOCK_OFFSET: Final = 4
STREAM_FOOTER: Final = 6
SAMPLES_PER_CHUNK: Final = 10_000
OWN_HEADER: Final = "</channel_count><nominal_srate>0</nominal_srate>"
"""Part of every stream's header; other programs write it in lines."""
NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters outside XML 1.0's ``Char``."""


@dataclass(frozen=True)
class XdfStream:
    """One stream of an XDF file.

    Attributes:
        name: Name of the stream.
        kind: Content type in Lab Streaming Layer: ``ECG``, ``Markers``, ...
        channels: Label and unit of each channel.
        times: Seconds since the Unix epoch, ``(N,) float64``.
        values: ``(N, C) float64``, or N strings.
        note: A remark on all channels, as in Affectline's own LSL streams; empty for none.
    """

    name: str
    kind: str
    channels: tuple[tuple[str, str], ...]
    times: NDArray[np.float64]
    values: NDArray[np.float64] | list[str]
    note: str = ""


class XdfSettings(ExportSettings):
    """Settings of XDF exports."""

    exporter: Literal["xdf"] = "xdf"


class XdfExporter(Exporter):
    """Writes one XDF file with a stream for each signal."""

    settings_model = XdfSettings
    summary = "signals, states, emotions and markers, as LabRecorder would write them"
    files = "<session>.xdf"

    def export(self, recording: Recording, folder: Path) -> list[Path]:
        streams = make_streams(read_series(recording.read()))
        if not streams:
            return []
        path = folder / f"{recording.name}.xdf"
        owned = OwnedFiles(folder, recording, "xdf")
        owned.claim([path])
        check_output_file("--out", path, "an export of Affectline", OWN_HEADER.encode())
        write_xdf(streams, path)
        owned.add([path])
        return [path]


def make_streams(session: SessionSeries) -> list[XdfStream]:
    """Convert a session's signals, states, emotions and markers to streams."""
    streams = [
        XdfStream(
            name, "Signal", ((name, series.unit),), _seconds(series), series.values[:, None],
            note_on(series),
        )
        for name, series in session.series.items()
    ]  # fmt: skip
    for name, by_label in session.emotions.items():
        by_figure = by_label | session.affects.get(name, {})
        lengths = {len(series.times) for series in by_figure.values()}
        columns = by_figure if len(lengths) == 1 else by_label  # some tools send no valence
        values = np.stack([series.values for series in columns.values()], axis=1)
        channels = tuple((figure, "1") for figure in columns)
        times = _seconds(by_label[LABELS[0]])
        streams.append(XdfStream(f"{name} emotion", "Emotion", channels, times, values))
    streams += [*_face_streams(session), *_driver_streams(session)]
    if session.markers:
        times = np.array([marker.at for marker in session.markers]) / 1e9
        labels = [marker_text(marker) for marker in session.markers]
        streams.append(XdfStream("markers", "Markers", (("label", ""),), times, labels))
    return streams


def _face_streams(session: SessionSeries) -> Iterator[XdfStream]:
    """Head pose, eyes and doubts of each stream's largest face."""
    for name, signs in session.signs.items():
        times = np.array(signs.times) / 1e9
        yield XdfStream(f"{name} face", "Face", _channels(FACE_CHANNELS), times, signs.rows)


def _driver_streams(session: SessionSeries) -> Iterator[XdfStream]:
    """Drowsiness and looking away of each person."""
    for subject, states in measured_people(session.states).items():
        times = np.array([state.at for state in states]) / 1e9
        values = np.array([driver_row(state) for state in states])
        channels = _channels(DRIVER_CHANNELS)
        yield XdfStream(f"{subject} driver", "Driver", channels, times, values)


def _channels(channels: Iterable[SignChannel]) -> tuple[tuple[str, str], ...]:
    return tuple((channel.name, channel.unit) for channel in channels)


def _seconds(series: Series) -> NDArray[np.float64]:
    return series.times / 1e9


def write_xdf(streams: Iterable[XdfStream], path: Path) -> None:
    """Write an XDF file, either completely or not at all."""
    with atomic_write(path) as partial, partial.open("wb") as file:
        file.write(b"XDF:")
        _write_chunk(file, FILE_HEADER, b'<?xml version="1.0"?><info><version>1.0</version></info>')
        for number, stream in enumerate(streams, start=1):
            _write_stream(file, number, stream)


def _write_stream(file: BinaryIO, number: int, stream: XdfStream) -> None:
    stream_id = struct.pack("<I", number)
    _write_chunk(file, STREAM_HEADER, stream_id + _header(stream).encode())
    count = len(stream.times)
    for start in range(0, count, SAMPLES_PER_CHUNK):
        end = min(count, start + SAMPLES_PER_CHUNK)
        content = [stream_id, _encode_length(end - start)]
        for i in range(start, end):
            content.append(struct.pack("<Bd", 8, stream.times[i]))
            if isinstance(stream.values, list):
                text = stream.values[i].encode()
                content += [_encode_length(len(text)), text]
            else:
                content.append(stream.values[i].astype("<f8").tobytes())
        _write_chunk(file, SAMPLES, b"".join(content))
    first, last = (stream.times[0], stream.times[-1]) if count else (0.0, 0.0)
    for at in (first - 1, last + 1):  # all streams share a clock; pyxdf warns without offsets
        _write_chunk(file, CLOCK_OFFSET, stream_id + struct.pack("<dd", at, 0.0))
    footer = (
        '<?xml version="1.0"?><info>'
        f"<first_timestamp>{first:.9f}</first_timestamp><last_timestamp>{last:.9f}</last_timestamp>"
        f"<sample_count>{count}</sample_count></info>"
    )
    _write_chunk(file, STREAM_FOOTER, stream_id + footer.encode())


def _header(stream: XdfStream) -> str:
    note = f"<note>{_escape_xml(stream.note)}</note>" if stream.note else ""
    channels = "".join(
        f"<channel><label>{_escape_xml(label)}</label><unit>{_escape_xml(unit)}</unit>{note}"
        "</channel>"
        for label, unit in stream.channels
    )
    kind = "string" if isinstance(stream.values, list) else "double64"
    return (
        f'<?xml version="1.0"?><info><name>{_escape_xml(stream.name)}</name>'
        f"<type>{stream.kind}</type>"
        f"<channel_count>{len(stream.channels)}{OWN_HEADER}"
        f"<channel_format>{kind}</channel_format>"
        f"<desc><channels>{channels}</channels></desc></info>"
    )


def _escape_xml(text: str) -> str:
    """Escape text for a header, and replace characters that XML does not allow."""
    return escape(NO_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def _write_chunk(file: BinaryIO, tag: int, content: bytes) -> None:
    file.write(_encode_length(len(content) + 2) + struct.pack("<H", tag) + content)


def _encode_length(value: int) -> bytes:
    """Encode a length, preceded by its number of bytes: 1, 4 or 8."""
    for size, code in ((1, "B"), (4, "I"), (8, "Q")):
        if value < 1 << 8 * size:
            return struct.pack(f"<B{code}", size, value)
    raise OverflowError(value)
