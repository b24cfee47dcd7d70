"""Whatever names, units, labels and numbers are: an XDF file holds them, and is read as it is."""

import math
from typing import Any

import numpy as np
import pyxdf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affectline.services.export.exporters.xdf import NO_XML, XdfStream, write_xdf
from tests.fuzzing.decoder import folder

ODD = st.sampled_from(("<a>&\"'", "]]>", "\ufffe", "\x0b", "é\u2028", "", "\t x \n"))
TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | ODD
NUMBERS = st.floats() | st.sampled_from((math.nan, math.inf, -math.inf, 5e-324))
TIMES = st.lists(st.floats(0, 4e9), max_size=12).map(sorted)


@st.composite
def streams(draw: st.DrawFn) -> XdfStream:
    times = np.array(draw(TIMES))
    is_text = draw(st.booleans())
    channels = draw(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=1 if is_text else 3))
    rows = len(times)
    values: Any
    if is_text:
        values = draw(st.lists(TEXT, min_size=rows, max_size=rows))
    else:
        size = rows * len(channels)
        cells = draw(st.lists(NUMBERS, min_size=size, max_size=size))
        values = np.array(cells, np.float64).reshape(rows, len(channels))
    kind = draw(st.sampled_from(("Signal", "Markers")))
    return XdfStream("s" + draw(TEXT), kind, tuple(channels), times, values)


@given(st.lists(streams(), min_size=1, max_size=3))
@settings(
    max_examples=60, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
def test_what_is_written_is_read(written: list[XdfStream]) -> None:
    with folder() as place:
        write_xdf(written, place / "a.xdf")
        found, _ = pyxdf.load_xdf(
            str(place / "a.xdf"), synchronize_clocks=False, dejitter_timestamps=False
        )
    by_number = sorted(found, key=lambda one: one["info"]["stream_id"])
    for stream, read in zip(written, by_number, strict=True):
        (name,) = read["info"]["name"]
        assert name.split() == NO_XML.sub("\ufffd", stream.name).split()
        assert list(read["time_stamps"]) == list(stream.times)
        if isinstance(stream.values, list):
            assert [row[0] for row in read["time_series"]] == stream.values
        else:
            assert np.array_equal(
                np.reshape(read["time_series"], stream.values.shape), stream.values, equal_nan=True
            )
