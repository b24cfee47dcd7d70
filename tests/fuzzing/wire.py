"""Decoders of the wire, of recordings and of settings."""

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import msgpack

from affectline.common.errors import AffectlineError
from affectline.common.recording.holes import SequenceTracker, to_content
from affectline.common.recording.notes import CONTENT, NOTE
from affectline.common.recording.reader import SessionReader
from affectline.common.recording.summary import FileSummary
from affectline.common.recording.writer import SessionWriter
from affectline.common.runtime.keys import KeyHolder, KeyStore, fingerprint
from affectline.common.settings import pipeline
from affectline.common.wire import codec
from affectline.services.sessions import catalog
from affectline.services.sessions.recording import open_recording
from affectline.services.sessions.removal import find_subjects, is_session
from tests.benchmarks.environment import ROOT
from tests.fuzzing.decoder import Decoder, folder, join_parts, split_parts
from tests.samples import PACKETS

DEEP: Final = 100_000


def decode_message(data: bytes) -> None:
    """The parts of a message; what is read can be sent again."""
    parts = split_parts(data)
    codec.read_header(parts[1] if len(parts) > 1 else b"")
    packet = codec.decode(parts)
    assert codec.encode(packet)[0] == parts[0]
    _ = packet.message.time, packet.message.event_time, packet.message.key


def messages() -> list[bytes]:
    return [join_parts([bytes(part) for part in codec.encode(p)]) for p in PACKETS.values()]


def read_recording(data: bytes) -> None:
    """Everything that reads a recording reads this one."""
    with folder() as place:
        path = place / "session.mcap"
        path.write_bytes(data)
        (place / "session.json").write_text("{}")
        is_session(place)
        find_subjects(place)
        FileSummary.rebuild(path, lambda _: None)
        json.dumps([catalog.describe(path), catalog.verify(path)])
        opened = open_recording(path, lambda *_: None)
        for packet in opened.read():
            codec.encode(packet)
        with SessionReader(path) as reader:
            list(reader.last_messages(2))


def scan_recording(data: bytes) -> None:
    """A recording from its beginning to its end, once."""
    with folder() as place:
        path = place / "session.mcap"
        path.write_bytes(data)
        with SessionReader(path) as reader:
            for _ in reader.entries():
                pass


@cache
def recordings() -> Sequence[bytes]:
    """Small recordings: finished, not finished, and with a note of everything."""
    found = []
    for is_finished in (True, False):
        with folder() as place:
            path = place / "small.mcap"
            about = {"affectline": "0", "session_start": 0, "notes": 1, "settings": {}}
            writer = SessionWriter(path, about)
            tracker = SequenceTracker()
            for i, (name, packet) in enumerate(sorted(PACKETS.items())):
                if packet.message.is_recorded:
                    parts = tuple(bytes(part) for part in codec.encode(packet))
                    writer.add(name, parts, 1000 + i, 1000 + i)
                    tracker.observe(name, codec.read_header(parts[1]), 1000 + i)
                if i % 4 == 3:
                    writer.flush()
            writer.add_note(NOTE, {"kind": "clock", "before": 1, "after": 2})
            writer.add_note(CONTENT, to_content(tracker.sequences(is_live=False)))
            if is_finished:
                writer.finish()
            else:
                writer.close()
            found.append(path.read_bytes())
    return found


def read_settings(data: bytes) -> None:
    """A settings file."""
    with folder() as place:
        path = place / "pipeline.yaml"
        path.write_bytes(data)
        settings = pipeline.load(path)
        json.dumps(settings.describe())


def settings_files() -> list[bytes]:
    return [path.read_bytes() for path in sorted((ROOT / "configs").glob("*.yaml"))]


ADDRESS: Final = "hub:5555"


def make_keys(place: Path) -> list[Path]:
    """A folder of keys, of a hub and a client; returns its files."""
    store = KeyStore(place)
    pair, made = store.make_client("tablet", "sensor")
    store.allow(KeyHolder(name="tablet", public_key=pair.public_key, role="sensor"))
    for path in made.iterdir():
        path.rename(place / path.name)
    store.remember_hub(store.credentials(ADDRESS))
    return sorted(path for path in place.rglob("*") if path.is_file())


def read_keys(data: bytes) -> None:
    """A folder of keys of which one file, by the first byte, is this."""
    with folder() as place:
        paths = make_keys(place)
        paths[data[0] % len(paths) if data else 0].write_bytes(data[1:])
        store = KeyStore(place)
        store.changed_at()
        for key in store.known_hubs().values():
            fingerprint(key)
        check_each(store.hub_pair, store.holders, lambda: store.credentials(ADDRESS))


def check_each(*calls: Callable[[], object]) -> None:
    """Call all, and raise the last of their errors: one must not hide those of the others."""
    problem: AffectlineError | None = None
    for call in calls:
        try:
            call()
        except AffectlineError as error:
            problem = error
    if problem is not None:
        raise problem


@cache
def key_files() -> Sequence[bytes]:
    with folder() as place:
        return [bytes([i]) + path.read_bytes() for i, path in enumerate(make_keys(place))]


MESSAGE: Final = Decoder(
    "message", decode_message, messages,
    (msgpack.packb(float("nan")), b"\xcf" + b"\xff" * 8, b"\xdd\x00\x10\x00\x00", b"\x91" * 300,
     b"\xd6\xff\xff\xff\xff\xff", b"\xc7\x0c\xff" + b"\xff" * 12, b"\xd9\x02\xed\xa0"),
)  # fmt: skip
RECORDING: Final = Decoder(
    "recording", read_recording, recordings,
    (b"\xff" * 8, b"\x04\x00\x00\x00zstd", b"[" * DEEP, b'{"a":' * 300, b"\x06", b"\x00" * 8,
     b"9" * 30, b'"open_since":null', b"\x89MCAP0\r\n"),
)  # fmt: skip
SETTINGS: Final = Decoder(
    "settings", read_settings, settings_files,
    (b"2026-02-31", b"[" * 500, b"&a [*a]", b"&a {<<: *a}", b"!!int x", b"!!bool x",
     b"!!timestamp x", b"!!binary x", b"9" * 5000, b"0x_", b".nan", b".inf", b"1e999",
     b"${HOME}", b"rtsp://[", b"\x00", b"\xff", b"? [a]\n: b", b"!!python/name:os.system ''"),
)  # fmt: skip
KEYS: Final = Decoder(
    "keys", read_keys, key_files,
    (b"#" * 40, b"0" * 40, b"\xff", b'"', b"    ", b"curve", b'    role = "pipeline"\n',
     b"\n" * 3000,
     b'    subjects = ",,a,"\n', b'    prefixes = "frame/,' + b"a" * 200 + b'"\n', b"\0"),
)  # fmt: skip
DECODERS: Final = (MESSAGE, RECORDING, SETTINGS, KEYS)
