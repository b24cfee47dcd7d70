"""Whatever happens to a session file: what is sound in it is read, the rest is told of."""

import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectline.common.errors import AffectlineError
from affectline.common.recording.reader import DamageReport, SessionReader
from affectline.common.recording.writer import SessionWriter
from affectline.common.wire import codec
from affectline.common.wire.messages import Frame, Packet, Resend

Wire = tuple[bytes, ...]
CHUNKS = 3


class Small(NamedTuple):
    """A small recording, and where its chunks end."""

    data: bytes
    sent: list[list[Wire]]
    ends: list[int]


def messages(i: int) -> Iterator[tuple[str, Wire]]:
    frame = Frame(stream="s", epoch=1, seq=i, captured_at=i, received_at=i, width=4, height=4)
    packets = (
        Packet(frame, (bytes(range(i, i + 40)),)),
        Packet(Resend(stream="s", epoch=1, first_seq=i, last_seq=i)),
    )
    for packet in packets:
        yield type(packet.message).__name__, tuple(bytes(p) for p in codec.encode(packet))


def make(folder: Path, *, finish: bool) -> Small:
    path = folder / "small.mcap"
    writer = SessionWriter(path, {"affectline": "0"})
    sent: list[list[Wire]] = []
    ends = []
    for i in range(CHUNKS):
        sent.append([])
        for kind, parts in messages(i):
            writer.add(kind, parts, i, i)
            sent[-1].append(parts)
        writer.flush()
        ends.append(path.stat().st_size)
    if finish:
        writer.finish()
    else:
        writer.close()
    data = path.read_bytes()
    path.unlink()
    return Small(data, sent, ends)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as it:
        yield Path(it) / "damaged.mcap"


@pytest.fixture(scope="module", params=[True, False], ids=["finished", "unfinished"])
def small(request: pytest.FixtureRequest, place: Path) -> Small:
    return make(place.parent, finish=request.param)


def read(place: Path, data: bytes) -> tuple[list[Wire], DamageReport] | None:
    place.write_bytes(data)
    problem = ""
    try:
        with SessionReader(place) as reader:
            found = [m.parts for m in reader.messages()]
            assert isinstance(reader.about, dict)
            return found, reader.damage
    except AffectlineError as error:
        problem = error.problem
    assert problem.startswith(f"FILE {place}: ")
    return None


def is_in_order(found: list[Wire], sent: list[Wire]) -> bool:
    rest = iter(sent)
    return all(parts in rest for parts in found)


def everything(small: Small) -> list[Wire]:
    return [parts for chunk in small.sent for parts in chunk]


def test_cut_at_every_byte(small: Small, place: Path) -> None:
    for size in range(len(small.data)):
        result = read(place, small.data[:size])
        whole = [p for chunk, end in zip(small.sent, small.ends, strict=True) if end <= size
                 for p in chunk]  # fmt: skip
        if result is None:
            assert size < small.ends[0], f"cut at {size}"
            continue
        found, findings = result
        assert found[: len(whole)] == whole, f"cut at {size}"
        assert is_in_order(found, everything(small))
        assert findings.problems, f"cut at {size}"


def test_every_byte_damaged(small: Small, place: Path) -> None:
    bounds = list(pairwise([0, *small.ends]))
    for at in range(len(small.data)):
        damaged = bytearray(small.data)
        damaged[at] ^= 0xFF if at % 2 else 1 << at // 2 % 8
        result = read(place, bytes(damaged))
        if result is None:
            assert at < small.ends[0], f"byte {at}: refused"
            continue
        found, findings = result
        # At most the chunk that the byte is in is lost, and then it is told
        safe = [
            parts
            for chunk, (start, end) in zip(small.sent, bounds, strict=True)
            if not start <= at < end
            for parts in chunk
        ]
        assert is_in_order(safe, found), f"byte {at}"
        assert is_in_order(found, everything(small)), f"byte {at}: something else was read"
        if len(found) < len(everything(small)):
            assert findings.problems, f"byte {at}"
            assert findings.lost_bytes or findings.lost_messages, f"byte {at}"


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_damage(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        small = make(Path(folder), finish=data.draw(st.booleans()))
        content = bytearray(small.data)
        first = len(content)
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(content)))
            upto = data.draw(st.integers(at, min(len(content), at + 200)))
            content[at:upto] = data.draw(st.binary(max_size=100))
            first = min(first, at)
        result = read(Path(folder) / "damaged.mcap", bytes(content))
    before = [p for chunk, end in zip(small.sent, small.ends, strict=True) if end <= first
              for p in chunk]  # fmt: skip
    if result is None:
        assert not before
    else:
        assert result[0][: len(before)] == before
        assert is_in_order(result[0], everything(small))


@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_random_bytes(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        read(Path(folder) / "random.mcap", content)
        read(Path(folder) / "random.mcap", b"\x89MCAP0\r\n" + content)
