"""Decoders of what lies in folders: lists of films, tables of sessions, annotations, samples."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from affectline.common.model.calibration import CALIBRATION_FILE, read_calibration
from affectline.common.settings.pipeline import PipelineSettings
from affectline.common.wire import codec
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.messages import Marker
from affectline.services.archive.film_list import list_films, name_films, settings_for
from affectline.services.capture.container_check import check_completeness
from affectline.services.capture.picture_check import find_damage
from affectline.services.collect.samples import RejectedSample, Sample, read_table
from affectline.services.export.exporter import make_exporter
from affectline.services.sessions import catalog
from affectline.services.sessions.edits import read_edits
from affectline.services.sessions.recording import open_recording
from affectline.services.sessions.removal import find_subjects, is_session
from affectline.services.sink.csv_writer import CsvWriter
from tests.calibrations import calibration
from tests.fuzzing.decoder import Decoder, folder
from tests.samples import EMOTION


def read_film_list(data: bytes) -> None:
    """A table of films, as an archive reads it."""
    with folder() as place:
        path = place / "films.csv"
        path.write_bytes(data)
        films = list_films([str(path)])
        names = name_films(films, {})
        assert len(set(names.values())) == len(films)
        for film in films:
            settings_for(film, PipelineSettings())


def write_session(place: Path) -> None:
    """A session in tables, with a row of everything."""
    start = EMOTION.captured_at - 10**9
    writer = CsvWriter(place, {}, start)
    writer.begin(start)
    writer.add(EMOTION)
    writer.add_samples(Samples.example())
    writer.add_state(State.example())
    writer.add_marker(Marker.example())
    writer.finish()
    writer.close()


def read_session_table(data: bytes) -> None:
    """A session of which one file, by the first byte, is this."""
    with folder() as place:
        for name, content in session_files().items():
            (place / name).write_bytes(content)
        names = sorted(session_files())
        (place / names[data[0] % len(names) if data else 0]).write_bytes(data[1:])
        is_session(place)
        find_subjects(place)
        json.dumps(catalog.describe(place))
        opened = open_recording(place, lambda *_: None)
        for packet in opened.read():
            codec.encode(packet)
            if isinstance(packet.message, Marker):
                json.dumps(packet.message.extra)
        (place / "out").mkdir()
        make_exporter("csv", {}).export(opened, place / "out")


@cache
def session_files() -> dict[str, bytes]:
    with folder() as place:
        write_session(place)
        return {path.name: path.read_bytes() for path in place.iterdir()}


def session_tables() -> list[bytes]:
    return [bytes([i]) + session_files()[name] for i, name in enumerate(sorted(session_files()))]


def read_annotations(data: bytes) -> None:
    """``edits.json`` of a session."""
    with folder() as place:
        (place / "edits.json").write_bytes(data)
        edits = read_edits(place)
        for edit in edits.tracks:
            edits.name_of(edit.stream, edit.track)


def read_calibration_file(data: bytes) -> None:
    """``calibration.json`` of a session."""
    with folder() as place:
        (place / CALIBRATION_FILE).write_bytes(data)
        found = read_calibration(place)
        assert found.is_on == (found.offsets() is not None)


def read_samples(data: bytes) -> None:
    """``manifest.csv`` and ``left_out.csv`` of a collection."""
    read_table(Sample, data, "manifest.csv")
    read_table(RejectedSample, data, "left_out.csv")


def check_files(data: bytes) -> None:
    """Whether a picture and a film are whole."""
    find_damage(data)
    with folder() as place:
        (place / "film").write_bytes(data)
        check_completeness(place / "film")


def annotations() -> Sequence[bytes]:
    return [
        b'{"version":1,"annotations":[{"begin_s":1,"end_s":2,"label":"x","is_excluded":true}],'
        b'"tracks":[{"stream":"a","track":1,"merged_into":2},{"stream":"a","track":2,'
        b'"merged_into":1,"name":"n"}]}'
    ]


def calibrations() -> Sequence[bytes]:
    return [calibration().model_dump_json().encode()]


def sample_tables() -> Sequence[bytes]:
    row = (
        "people/anna/1.png,happy,anna,2026-01-01T00:00:00.000000000Z,1,cam,1,1,1,100,200.0,0.5,"
        "new,people/anna/1-48.png"
    )
    return [f"{','.join(Sample.model_fields)}\r\n{row}\r\n".encode()]


CSV: Final = (
    b'"', b'""', b"\n", b"\r", b"\0", b"\xff", b"\xe2\x80\xa8", b"\x0b", b"a" * 140_000, b"1e999",
    b"nan", b"9" * 40, b"-1", b"[" * 100_000, b"'=1", b"true", b"\xd9\xa3",
)  # fmt: skip
DECODERS: Final = (
    Decoder(
        "film-list", read_film_list,
        lambda: [b"film,start,participant,sensors\na.mp4,2026-01-01T00:00:00+00:00,p1,\n"
                 b"b.mp4,,,s.csv\n", b"path;task\nsub/a.mp4;drive\n"],
        (*CSV, b"rtsp://[", b"http://u:p@h/", b"s3://b/", b"0", b"sample", b"-", b"/dev/stdin"),
    ),
    Decoder("session-table", read_session_table, session_tables, (
        *CSV, b'{"checkpoint":{"streams":{"a":{"epoch":-1}}}}', b'"streams":[]', b'"study":{"a":1}',
    )),
    Decoder("calibration", read_calibration_file, calibrations, (b"Infinity", b"NaN", b"1e999")),
    Decoder("annotations", read_annotations, annotations, (*CSV, b"Infinity", b"NaN")),
    Decoder("samples", read_samples, sample_tables, CSV),
    Decoder("film-and-picture", check_files, lambda: [
        b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(11) + b"\xff\xda\x00\x02abc\xff\xd9",
        b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xae\x42\x60\x82", b"RIFF\x04\0\0\0WEBP",
        b"\0\0\0\x18ftypisom\0\0\0\x08mdat", b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x80",
        b"RIFF\x04\0\0\0AVI ",
    ], (b"\xff" * 8, b"\0" * 8, b"\0\0\0\x01")),
)  # fmt: skip
