"""Files that are whole and hold what nobody would write: right checksums around wrong contents."""

import json
import math
import struct
import zlib
from collections.abc import Callable
from typing import Any

import fastavro
import msgpack
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.records import Channel, Metadata, MetadataIndex, Statistics

from affectline.common.errors import AffectlineError
from affectline.common.recording.notes import CONTENT, NOTE
from affectline.common.recording.summary import encode_records
from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from tests.fuzzing import wire
from tests.fuzzing.decoder import Decoder, check, folder
from tests.fuzzing.decoders import DECODERS
from tests.fuzzing.web import MARK, requests
from tests.samples import PACKETS
from tests.unit.services.biometrics.drivers.test_embraceplus import schema

BIG = st.sampled_from((2**63 - 1, 2**63, 2**64 - 1, -1, -(2**63), 0, 10**40, 10**400))
texts = st.text(max_size=8) | st.sampled_from(("\ud800", "\0", "a/b", "=1", "frame", "drive", "1"))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | BIG | st.floats() | texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=4),
    max_leaves=8,
)
DEEP: Any = []
for _ in range(300):
    DEEP = [DEEP]
nasty = st.sampled_from((
    10**40, 10**400, 2**63, -1, "\ud800", {"\ud800": 1}, DEEP, math.nan, math.inf, None, True, "x",
    "x" * 70_000, [], {}, [1], {"a": 1}, 1.5,
)) | plain  # fmt: skip
quick = settings(
    max_examples=40, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip


Draw = Callable[[st.SearchStrategy[Any]], Any]


def exchanged(draw: Draw, value: Any, depth: int = 0) -> Any:
    """A value of which one part, anywhere in it, is something else."""
    if isinstance(value, dict) and value and draw(st.integers(0, 9)) < 9 - depth:
        name = draw(st.sampled_from(sorted(value)))
        return {**value, name: exchanged(draw, value[name], depth + 1)}
    if isinstance(value, list) and value and draw(st.integers(0, 9)) < 9 - depth:
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], exchanged(draw, value[at], depth + 1), *value[at + 1 :]]
    return draw(nasty)


ABOUT: dict[str, Any] = {
    "affectline": "0", "session_start": 0, "notes": 1, "delivery": "live", "privacy": "everything",
    "study": {"participant": "p"}, "settings": {"biometrics": [{"subject": "x"}], "sources": []},
}  # fmt: skip
HELD: dict[str, Any] = {
    "version": 1,
    "sequences": [{
        "kind": "Frame", "name": "drive", "epoch": 1, "first": 0, "last": 9, "open_since": 5,
        "holes": [[1, 2, 2, "live", 3, 4]],
    }],
}  # fmt: skip
STEP: dict[str, Any] = {"kind": "clock", "before": 1, "after": 2}
AWAY: dict[str, Any] = {"kind": "interrupted", "since": 1, "away_from": 1}


@given(st.data())
@quick
def test_a_recording_with_any_contents(data: st.DataObject) -> None:
    draw = data.draw

    def damage(fields: dict[str, Any]) -> dict[str, Any]:
        name = draw(st.sampled_from(sorted(fields)))
        return {**fields, name: exchanged(draw, fields[name])}

    about, held, step, away = ABOUT, HELD, STEP, AWAY
    which = draw(st.integers(0, 4))
    about = damage(about) if which == 0 else about
    held = damage(held) if which == 1 else held
    step = damage(step) if which == 2 else step
    away = damage(away) if which == 3 else away
    messages = []
    for name in ("StreamStart", "Frame", "Emotion", "Samples", "StreamEnd", "Marker"):
        parts = [bytes(part) for part in codec.encode(PACKETS[name])]
        fields = msgpack.unpackb(parts[1])
        if draw(st.booleans()) or name.startswith("Stream"):
            field = draw(st.sampled_from(sorted({*fields} - {"message", "stream"})))
            fields[field] = draw(
                st.sampled_from((-1, 2**64 - 1, "x", None, [], {}, 1.5, math.nan, b""))
            )
            parts[1] = msgpack.packb(fields)
        at = draw(st.sampled_from((0, 1000, 2**63, 2**64 - 1)))
        messages.append((name, tuple(parts), at))
    with folder() as place:
        path = place / "a.mcap"
        writer = SessionWriter(path, about)
        for name, packed, at in messages:
            writer.add(name, packed, at, at)
        writer.add_note(NOTE, step)
        writer.add_note(NOTE, away)
        writer.add_note(CONTENT, held)
        writer.finish()
        content = path.read_bytes()
    check(wire.RECORDING, content)


def with_summary(records: bytes) -> bytes:
    """A finished recording with another index at its end, and that one's right checksum."""
    whole = wire.recordings()[0]
    start, _, _ = struct.unpack_from("<QQI", whole, len(whole) - 28)
    footer = struct.pack("<BQQQ", 2, 20, start, 0)
    crc = zlib.crc32(footer, zlib.crc32(records))
    return whole[:start] + records + footer + struct.pack("<I", crc) + whole[-8:]


def of_channel(number: int) -> Statistics:
    counts = {number: 3}
    return Statistics(0, 1, counts, 1, 3, 2**64 - 1, 0, 0, 1)


@pytest.mark.parametrize(
    "records",
    [
        encode_records(of_channel(65535)),
        encode_records(MetadataIndex(2**64 - 1, 2**64 - 1, "x")),
        encode_records(MetadataIndex(2**63 - 1, 1, "x"), of_channel(1)),
        encode_records(Channel(1, "\0", "", {}, 0), of_channel(1)),
        encode_records(Metadata("session", {"json": "[" * 100_000})),
        b"\x0b" + b"\xff" * 8,
        b"\x0b" + struct.pack("<Q", 2**62) + bytes(40),
        b"\x0b\x00",
        b"",
    ],
)
def test_an_index_that_leads_elsewhere(records: bytes) -> None:
    check(wire.RECORDING, with_summary(records))


def test_a_file_that_is_all_end() -> None:
    magic = b"\x89MCAP0\r\n"
    for start in (0, 1, 20, 2**63):
        end = struct.pack("<BQQQI", 2, 20, start, 0, 0) + magic
        check(wire.RECORDING, magic + end)
        check(wire.RECORDING, end)


def test_what_looks_like_a_chunk_everywhere_is_not_read_for_ever() -> None:
    sound = struct.pack("<BQ", 6, 40) + struct.pack("<QQQII4sQ", 0, 0, 0, 0, 4, b"zstd", 0)
    wrong = struct.pack("<BQ", 6, 3_000_000)
    wrong += struct.pack("<QQQII4sQ", 0, 0, 0, 0, 4, b"zstd", 1 << 20)
    data = b"\x89MCAP0\r\n" + (sound + wrong) * 20_000
    check(Decoder("recording", wire.scan_recording, lambda: []), data)


@given(st.data())
@quick
def test_settings_with_any_values(data: st.DataObject) -> None:
    default = next(f for f in wire.settings_files() if b"time_zone" in f)
    known = exchanged(data.draw, yaml.safe_load(default))
    try:
        text = yaml.safe_dump(known).encode()
    except (yaml.YAMLError, ValueError):
        text = json.dumps(known).encode()
    check(wire.SETTINGS, text)


@pytest.mark.parametrize(
    "text",
    [
        "a: 2026-02-31", "[" * 1000, "sources: &a [*a]", "biometrics: &a [*a]", "!!int x", "0x_",
        "!!bool x", "!!timestamp x", "!!float x", "rate: " + "9" * 5000, "? [a]\n: b", "\x06",
        "services: &a {a: {b: *a}}", "sources: [{source: !!binary YWJj}]", "sink: {out: \"a\\0b\"}",
    ],
)  # fmt: skip
def test_yaml_that_is_none(text: str) -> None:
    check(wire.SETTINGS, text.encode())


def test_aliases_that_grow_without_end() -> None:
    lines = ["services: {a: {x0: &x0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f", x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 9)}]" for i in range(1, 12)]
    check(wire.SETTINGS, ("".join(lines) + "}}").encode())
    check(wire.SETTINGS, ("".join(lines).replace("services: {a: {", "sources: [{") + "}]").encode())


def avro_kinds(depth: int = 2) -> st.SearchStrategy[Any]:
    simple = st.sampled_from(("null", "boolean", "int", "long", "double", "string", "bytes"))
    if not depth:
        return simple
    inner = avro_kinds(depth - 1)
    return simple | inner.map(lambda kind: {"type": "array", "items": kind})


@given(st.data())
@quick
def test_a_watch_s_file_with_any_schema(data: st.DataObject) -> None:
    kinds = {
        "null": st.none(), "boolean": st.booleans(), "int": st.integers(-9, 9),
        "long": st.sampled_from((0, -1, 2**63 - 1, 1_675_987_200_000_000)),
        "float": st.floats(width=32), "double": st.floats(),
        "string": st.text(max_size=3), "bytes": st.binary(max_size=3),
    }  # fmt: skip

    def value(kind: Any) -> Any:
        if isinstance(kind, dict) and kind["type"] == "array":
            return data.draw(st.lists(st.just(0), max_size=3).map(
                lambda many: [value(kind["items"]) for _ in many]))  # fmt: skip
        if isinstance(kind, dict):
            return {field["name"]: value(field["type"]) for field in kind["fields"]}
        return data.draw(kinds[kind])

    raw = schema(("conversionFactor",))
    parts = raw["fields"][2]["type"]["fields"]
    for part in data.draw(st.lists(st.sampled_from(parts), max_size=3)):
        kind = part["type"]
        if data.draw(st.booleans()) and isinstance(kind, dict) and "fields" in kind:
            field = data.draw(st.sampled_from(kind["fields"]))
            if not (isinstance(field["type"], dict) and field["type"]["type"] == "record"):
                field["type"] = data.draw(avro_kinds())
        else:
            part["type"] = data.draw(avro_kinds())
    with folder() as place:
        path = place / "a.avro"
        with path.open("wb") as file:
            fastavro.writer(file, raw, [value(raw)], codec=data.draw(st.sampled_from(
                ("null", "deflate", "bzip2", "xz"))))  # fmt: skip
        content = path.read_bytes()
    check(DECODERS["embraceplus"], content)


@pytest.mark.parametrize("codec_name", ["deflate", "bzip2", "xz"])
def test_a_few_bytes_that_stand_for_many(codec_name: str) -> None:
    kind = {"type": "record", "name": "Session", "fields": [{"name": "rawData", "type": "bytes"}]}
    with folder() as place:
        path = place / "a.avro"
        with path.open("wb") as file:
            fastavro.writer(file, kind, [{"rawData": bytes(34 << 20)}], codec=codec_name)
        with pytest.raises(AffectlineError, match="more than"):
            DECODERS["embraceplus"].decode(path.read_bytes())


@pytest.mark.parametrize(
    "items",
    [
        "null", {"type": "fixed", "name": "F", "size": 0},
        {"type": "record", "name": "R", "fields": [{"name": "a", "type": "null"}]},
        {"type": "record", "name": "R", "fields": []},
    ],
)  # fmt: skip
def test_a_list_of_nothing(items: Any) -> None:
    kind = {"type": "record", "name": "Session", "fields": [
        {"name": "rawData", "type": {"type": "array", "items": items}}]}  # fmt: skip
    with folder() as place:
        path = place / "a.avro"
        with path.open("wb") as file:
            fastavro.writer(file, kind, [{"rawData": []}])
        with pytest.raises(AffectlineError, match="list of nothing"):
            DECODERS["embraceplus"].decode(path.read_bytes())


@given(st.data())
@quick
def test_a_marker_by_http_with_any_fields(data: st.DataObject) -> None:
    said = exchanged(data.draw, json.loads(MARK))
    path = data.draw(st.sampled_from((b"/markers", b"/recordings")))
    if path == b"/recordings":
        said = exchanged(data.draw, {"name": "s", "consent": "c", "participant": "p"})
    check(DECODERS["remote-http"], requests(path, json.dumps(said).encode()))


@pytest.mark.parametrize(
    "value", [10**40, "\ud800", {"\ud800": 1}, math.nan, math.inf, DEEP, "x" * 60_000, ["x"] * 9000]
)
@pytest.mark.parametrize("name", ["label", "source", "fields", "more", "age_ms", "name"])
def test_a_marker_by_http_that_cannot_be_sent(name: str, value: Any) -> None:
    said = json.loads(MARK)
    if name in ("fields", "more"):
        said["fields"] = {"a": value} if name == "fields" else value
    else:
        said[name] = value
    for path in (b"/markers", b"/recordings"):
        check(DECODERS["remote-http"], requests(path, json.dumps(said).encode()))


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("StreamStart", "epoch", "x"), ("StreamStart", "first_seq", "x"),
        ("StreamStart", "epoch", []),
        ("StreamEnd", "last_seq", "x"), ("StreamEnd", "reason", {}), ("StreamEnd", "last_seq", 1.5),
        ("StreamEnd", "last_seq", 2**64 - 1), ("Frame", "seq", "x"), ("Emotion", "epoch", None),
    ],
)  # fmt: skip
def test_a_stream_that_begins_or_ends_nowhere(kind: str, field: str, value: Any) -> None:
    with folder() as place:
        writer = SessionWriter(place / "a.mcap", ABOUT)
        for name in ("StreamStart", "Frame", "Emotion", "StreamEnd"):
            parts = [bytes(part) for part in codec.encode(PACKETS[name])]
            if name == kind:
                parts[1] = msgpack.packb({**msgpack.unpackb(parts[1]), field: value})
            writer.add(name, tuple(parts), 1000, 1000)
        writer.finish()
        content = (place / "a.mcap").read_bytes()
    check(wire.RECORDING, content)


@pytest.mark.parametrize(
    ("record", "field", "value"),
    [
        (STEP, "before", 10**40), (STEP, "after", -(10**400)), (AWAY, "away_from", 10**400),
        (HELD, "sequences", [{**HELD["sequences"][0], "holes": [[1, 2, 2, [], 3, 4]]}]),
        (HELD, "sequences", [{**HELD["sequences"][0], "holes": [[1, 2, 2, "live", "x", 4]]}]),
        (HELD, "sequences", [{**HELD["sequences"][0], "holes": [[1, 2, 2, "", 10**400, 4]]}]),
        (HELD, "sequences", [{**HELD["sequences"][0], "open_since": 10**400}]),
        (ABOUT, "study", {"a": 5}), (ABOUT, "study", 5), (ABOUT, "settings", [5]),
        (ABOUT, "privacy", ["x"]), (ABOUT, "session_start", 10**400), (ABOUT, "delivery", {}),
        (ABOUT, "deep", DEEP),
    ],
)  # fmt: skip
def test_what_a_recorder_says_of_its_file_may_be_anything(
    record: dict[str, Any], field: str, value: Any
) -> None:
    changed = {**record, field: value}
    with folder() as place:
        writer = SessionWriter(place / "a.mcap", changed if record is ABOUT else ABOUT)
        for name in ("StreamStart", "Frame", "Emotion", "StreamEnd"):
            parts = tuple(bytes(part) for part in codec.encode(PACKETS[name]))
            writer.add(name, parts, 1000, 1000)
        for known, note in ((STEP, NOTE), (AWAY, NOTE), (HELD, CONTENT)):
            writer.add_note(note, changed if record is known else known)
        writer.finish()
        content = (place / "a.mcap").read_bytes()
    check(wire.RECORDING, content)
