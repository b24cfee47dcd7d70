"""XDF, the format in which LabRecorder keeps sessions (https://github.com/sccn/xdf/wiki).

No library that is kept up writes it, and it is small: chunks of a length, a tag and a content.
"""

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from affectline.common.atomic_file import atomic_write
from affectline.common.labels import LABELS
from affectline.services.sessions.columns import marker_text
from affectline.services.sessions.timeseries import Series, SessionSeries

FILE_HEADER: Final = 1
STREAM_HEADER: Final = 2
SAMPLES: Final = 3
CLOCK_OFFSET: Final = 4
STREAM_FOOTER: Final = 6
PIECE: Final = 10_000
"""Samples in one chunk."""
NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters outside of XML 1.0's ``Char``."""


@dataclass(frozen=True)
class XdfStream:
    """One stream of an XDF file.

    Attributes:
        name: Its name.
        kind: As Lab Streaming Layer calls its content: ``ECG``, ``Markers``, ...
        channels: Label and unit of each channel.
        times: Seconds since the Unix epoch, ``(N,) float64``.
        values: ``(N, C) float64``, or N texts.
    """

    name: str
    kind: str
    channels: tuple[tuple[str, str], ...]
    times: NDArray[np.float64]
    values: NDArray[np.float64] | list[str]


def streams(session: SessionSeries) -> list[XdfStream]:
    """A session's signals, states, emotions and markers as streams."""
    made = [
        XdfStream(name, "Signal", ((name, series.unit),), _seconds(series), series.values[:, None])
        for name, series in session.series.items()
    ]
    for name, shares in session.emotions.items():
        columns = [shares[label] for label in LABELS]
        values = np.stack([series.values for series in columns], axis=1)
        channels = tuple((label, "1") for label in LABELS)
        made.append(XdfStream(f"{name} emotion", "Emotion", channels, _seconds(columns[0]), values))
    if session.markers:
        times = np.array([marker.at for marker in session.markers]) / 1e9
        labels = [marker_text(marker) for marker in session.markers]
        made.append(XdfStream("markers", "Markers", (("label", ""),), times, labels))
    return made


def _seconds(series: Series) -> NDArray[np.float64]:
    return series.times / 1e9


def write(made: Iterable[XdfStream], path: Path) -> None:
    """Write an XDF file; half a file never has its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial, partial.open("wb") as stream:
        stream.write(b"XDF:")
        _chunk(stream, FILE_HEADER, b'<?xml version="1.0"?><info><version>1.0</version></info>')
        for number, each in enumerate(made, start=1):
            _write_stream(stream, number, each)


def _write_stream(file: BinaryIO, number: int, stream: XdfStream) -> None:
    identity = struct.pack("<I", number)
    _chunk(file, STREAM_HEADER, identity + _header(stream).encode())
    count = len(stream.times)
    for start in range(0, count, PIECE):
        end = min(count, start + PIECE)
        content = [identity, _length(end - start)]
        for i in range(start, end):
            content.append(struct.pack("<Bd", 8, stream.times[i]))
            if isinstance(stream.values, list):
                text = stream.values[i].encode()
                content += [_length(len(text)), text]
            else:
                content.append(stream.values[i].astype("<f8").tobytes())
        _chunk(file, SAMPLES, b"".join(content))
    first, last = (stream.times[0], stream.times[-1]) if count else (0.0, 0.0)
    for at in (first - 1, last + 1):  # all went by one clock; pyxdf warns where nobody says so
        _chunk(file, CLOCK_OFFSET, identity + struct.pack("<dd", at, 0.0))
    footer = (
        '<?xml version="1.0"?><info>'
        f"<first_timestamp>{first:.9f}</first_timestamp><last_timestamp>{last:.9f}</last_timestamp>"
        f"<sample_count>{count}</sample_count></info>"
    )
    _chunk(file, STREAM_FOOTER, identity + footer.encode())


def _header(stream: XdfStream) -> str:
    channels = "".join(
        f"<channel><label>{_xml(label)}</label><unit>{_xml(unit)}</unit></channel>"
        for label, unit in stream.channels
    )
    kind = "string" if isinstance(stream.values, list) else "double64"
    return (
        f'<?xml version="1.0"?><info><name>{_xml(stream.name)}</name><type>{stream.kind}</type>'
        f"<channel_count>{len(stream.channels)}</channel_count><nominal_srate>0</nominal_srate>"
        f"<channel_format>{kind}</channel_format>"
        f"<desc><channels>{channels}</channels></desc></info>"
    )


def _xml(text: str) -> str:
    """Text in a header, without what no header may hold, however it is written."""
    return escape(NO_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def _chunk(file: BinaryIO, tag: int, content: bytes) -> None:
    file.write(_length(len(content) + 2) + struct.pack("<H", tag) + content)


def _length(value: int) -> bytes:
    """A number after the number of bytes it takes: 1, 4 or 8."""
    for size, code in ((1, "B"), (4, "I"), (8, "Q")):
        if value < 1 << 8 * size:
            return struct.pack(f"<B{code}", size, value)
    raise OverflowError(value)
