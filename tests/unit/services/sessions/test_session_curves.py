"""The curves of a whole session, thinned out, whatever its length."""

import json
import math
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from affectline.common.labels import LABELS
from affectline.common.recording.light_reader import LightReader, messages_from
from affectline.common.recording.reader import SessionReader
from affectline.common.recording.time_line import with_seconds
from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.common.wire.face_signs import DOUBTS
from affectline.services.sessions import session_curves as module
from affectline.services.sessions.session_curves import (
    BINS,
    BandBins,
    CurveBins,
    CurvesReading,
    LineBins,
    SessionFacts,
    Span,
    spread,
)
from tests.recordings import SECOND, START, recording
from tests.samples import PACKETS


def session(folder: Path, *, is_finished: bool = True) -> Path:
    folder.mkdir(parents=True)
    writer = SessionWriter(folder / "session.mcap", {"session_start": START})
    packets = sorted(recording(), key=lambda packet: packet.message.event_time or 0)
    for number, packet in enumerate(packets):
        at = packet.message.event_time or START
        writer.add(type(packet.message).__name__, codec.encode(packet), at, at)
        if number % 20 == 0:
            writer.flush()
    if is_finished:
        writer.finish()
    else:
        writer.flush()
        writer.close()
    return folder


def read(folder: Path, span: tuple[float, float] | None = None) -> dict[str, Any]:
    reading = CurvesReading(folder, span)
    ready: list[bool] = []
    reading.read(lambda: False, lambda: ready.append(True))
    assert ready == [True]
    found: dict[str, Any] = json.loads(reading.to_json())
    return found


def test_the_curves_are_those_of_the_messages(tmp_path: Path) -> None:
    found = read(session(tmp_path / "drive"))
    assert (found["begin"], found["complete"], found["read"]) == (0, True, 1)
    curves = {(one["kind"], one["of"]): one for one in found["curves"]}
    assert list(curves) == [
        ("expression", "drive"), ("affect", "drive"), ("heart_rate", "anna"),
        ("nervousness", "anna"),
    ]  # fmt: skip
    bands = curves["expression", "drive"]["bands"]
    assert len(bands) == 45, "three frames of four have a face"
    assert all(sum(one[1:8]) == pytest.approx(100, abs=1) for one in bands)
    assert bands[0][1 + LABELS.index("happy")] == pytest.approx(40, abs=0.5)
    heart = curves["heart_rate", "anna"]
    assert heart["unit"] == "bpm"
    (line,) = heart["lines"]
    assert [value for _, value in line["points"][:3]] == [66.0, 66.5, 66.0]
    assert line["points"][-1] == [59.0, 92.0], "the session ends there"
    (nervous,) = curves["nervousness", "anna"]["lines"]
    assert {value for _, value in nervous["points"]} == {12.0, 80.0}


def test_a_part_of_a_session(tmp_path: Path) -> None:
    found = read(session(tmp_path / "drive"), (10.0, 20.0))
    (line,) = next(one for one in found["curves"] if one["kind"] == "heart_rate")["lines"]
    assert [line["points"][0][0], line["points"][-1][0]] == [10.0, 19.75]


def test_a_recording_that_was_not_finished_has_curves(tmp_path: Path) -> None:
    whole, cut = session(tmp_path / "a"), session(tmp_path / "b", is_finished=False)
    assert [one["kind"] for one in read(cut)["curves"]] == [
        one["kind"] for one in read(whole)["curves"]
    ]


def test_the_index_and_a_search_find_the_same_chunks(tmp_path: Path) -> None:
    with SessionReader(session(tmp_path / "drive")) as reader:
        light = LightReader(reader)
        by_index, by_search = light.indexed(), list(light._searched())
        assert [one[:3] for one in by_index] == [one[:3] for one in by_search]
        with_markers = light.having(by_index, "marker/")
        assert len(with_markers) == 1
        assert light.having(by_search, "marker/") == by_search, "who knows"


def test_the_overview_is_there_before_everything_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READY_S", -1.0)
    reading = CurvesReading(session(tmp_path / "drive"))
    first: list[dict[str, Any]] = []
    reading.read(lambda: bool(first), lambda: first.append(reading.to_dict()))
    assert first[0]["complete"] is False
    assert 0 < first[0]["read"] < 1
    assert reading.is_complete is False, "it was stopped"


def test_peaks_stay_and_points_are_few() -> None:
    line = LineBins(Span(0.0, 3600.0))
    for number in range(90_000):
        line.add(number / 25, 50.0 if number == 44_444 else 1.0)
    line.add(5.0, math.nan)
    line.add(-1.0, 9.0)
    line.add(3601.0, 9.0)
    points = line.points()
    assert len(points) <= 2 * BINS
    assert (44_444 / 25, 50.0) in points
    assert points == sorted(points)


def test_a_doubt_of_any_frame_is_told() -> None:
    bands = BandBins(Span(0.0, BINS * 1.0))
    bands.add(0.1, [1.0, *[0.0] * 6], 0)
    bands.add(0.2, [0.0, 1.0, *[0.0] * 5], 2)
    ((second, first, another, *_, doubts),) = bands.points()
    assert (second, first, another, doubts) == (0.5, 50, 50, 2)


def test_what_is_not_as_it_should_be_says_nothing() -> None:
    bins = CurveBins(Span(0.0, 10.0), 0)
    face = {"box": [0, 0, 9, 9], "probabilities": [1 / 7] * 7, "doubts": [DOUBTS[0]]}
    good = {"stream": "cam", "captured_at": 10**9, "faces": [face]}
    for broken in (
        {}, good | {"faces": None}, good | {"captured_at": "soon"}, good | {"faces": [{"box": 3}]},
        good | {"faces": [face | {"probabilities": "xxxxxxx"}]},
        good | {"faces": [face | {"doubts": ["unheard of"]}]},
    ):  # fmt: skip
        bins.add("emotion/cam", broken)
        bins.add("bio/x/heart_rate", broken)
        bins.add("state/x", broken)
        bins.add("other/x", broken)
    assert bins.to_list() == []
    bins.add("emotion/cam", good)
    assert [one["kind"] for one in bins.to_list()] == ["expression"]


@pytest.mark.parametrize("second", [0.0, 0.5, 17.0, 30.0, 58.9, 59.0, 70.0])
@pytest.mark.parametrize("is_finished", [True, False])
def test_reading_from_a_moment_on_leaves_nothing_out(
    tmp_path: Path, second: float, is_finished: bool
) -> None:
    at = START + round(second * SECOND)
    with SessionReader(session(tmp_path / "drive", is_finished=is_finished)) as reader:
        wanted = [one for one in reader.messages() if one.log_time >= at or one.kind == "Marker"]
        found = list(messages_from(reader, at, "Marker", "marker/"))
        assert [one for one in found if one in wanted] == wanted
        if is_finished and second > 20:
            assert len(found) < len(list(reader.messages())), "most of what was before is not read"


@pytest.mark.parametrize("marker_s", [3600.0, 3.0, 40.05, -3600.0])
@pytest.mark.parametrize("after", [3, 40])
@pytest.mark.parametrize("has_chunk", [True, False])
def test_a_stray_marker_does_not_make_a_reader_read_more(
    tmp_path: Path, after: int, marker_s: float, has_chunk: bool
) -> None:
    """Which is set after a message, and in a chunk of its own or in that message's."""
    writer = SessionWriter(tmp_path / "s.mcap", {"session_start": START})
    frame, marker = (codec.encode(PACKETS[kind]) for kind in ("Frame", "Marker"))
    for number in range(60):
        writer.add("Frame", frame, START + number * SECOND, 1)
        if number == after and has_chunk:
            writer.flush()
        if number == after:
            writer.add("Marker", marker, START + round(marker_s * SECOND), 1)
        writer.flush()
    writer.finish()
    at = START + 41 * SECOND
    with SessionReader(tmp_path / "s.mcap") as reader:
        found = list(messages_from(reader, at, "StreamStart", "stream/"))
        placed = [one for one in with_seconds(reader.messages(), START) if one.at >= at]
    frames = [one.log_time for one in found if one.kind == "Frame" and one.log_time >= at]
    assert frames == [START + number * SECOND for number in range(41, 60)]
    assert len(found) <= len(frames) + 3
    assert {one.recorded for one in placed} <= set(found), "a marker just before it, too"


def test_a_damaged_chunk_before_the_moment_is_left_out_like_any_other(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "s.mcap", {"session_start": START})
    writer.add("StreamStart", codec.encode(PACKETS["StreamStart"]), START, 1)
    topic, header, _ = codec.encode(PACKETS["Frame"])
    for second in range(60):
        writer.add("Frame", (topic, header, os.urandom(20_000)), START + second * SECOND, 1)
        if second == 30:
            writer.flush()
    writer.finish()
    with SessionReader(tmp_path / "s.mcap") as reader:
        end = LightReader(reader).indexed()[0].record.end
    data = bytearray((tmp_path / "s.mcap").read_bytes())
    data[end - 10] ^= 1  # the beginning of the chunk can be decompressed
    (tmp_path / "s.mcap").write_bytes(data)
    with SessionReader(tmp_path / "s.mcap") as reader:
        found = list(messages_from(reader, START + 50 * SECOND, "StreamStart", "stream/"))
        assert found == list(reader.messages())
        assert {one.kind for one in found} == {"Frame"}


@pytest.mark.parametrize("count", [0, 1, 2, 7, 64, 100])
def test_what_is_read_first_is_spread_evenly(count: int) -> None:
    order = list(spread(count))
    assert sorted(order) == list(range(count))
    if count >= 64:
        first = sorted(order[:16])
        gaps = [b - a for a, b in pairwise(first)]
        assert max(gaps) <= 3 * count / 16


def test_markers_and_the_frame_before(tmp_path: Path) -> None:
    facts = SessionFacts(session(tmp_path / "drive"))
    assert [(one.at - START, one.label) for one in facts.markers] == [
        (30 * SECOND, "<hard> braking")
    ]
    assert facts.frame_before(12.0) == 11.0
    assert facts.frame_before(11.5) == 11.0
    assert facts.frame_before(0.0) == 0.0
