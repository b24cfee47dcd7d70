"""The streams of a run: their names and sources, and how frames are captured."""

import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import Name, to_name
from affectline.common.settings.model import Settings
from affectline.common.wire.messages import SourceKind

Pace = Literal["realtime", "fast"]
"""Of files: at their own rate, or as fast as they are consumed."""


class SourceSettings(Settings):
    """One stream: a name, and a camera index, file, folder, URL or ``sample``."""

    name: Name
    source: Annotated[str, Field(min_length=1, max_length=4096)]
    loop: bool = False
    """Start a file again when it has ended: for demonstrations."""
    start: Literal["file"] | AwareDatetime | None = None
    """Films: when the film begins, as a date with an offset (``2026-11-28T10:15:00+01:00``), or
    ``file`` for the creation time that its container holds. None: with the session."""
    offset: Annotated[float, Field(ge=-604_800, le=604_800)] = 0.0
    """Films: seconds by which it begins later than that; negative: earlier."""


class CaptureSettings(Settings):
    """How frames are captured."""

    encoding: Literal["jpeg", "raw"] = "jpeg"
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 90
    camera_width: Annotated[int, Field(ge=16, le=7680)] | None = None
    """Width that is requested from a camera, at 16:9; it chooses the nearest that it has. None:
    its own, which mostly is 640."""
    width: Annotated[int, Field(ge=16, le=7680)] | None = None
    """Scale frames to this width before publishing; None leaves them as they are."""
    rate: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Frames per second: requested from a camera, and the pace of a folder of images (25 by
    default); of a file with a higher rate, frames are left out."""


def is_live(source: str) -> bool:
    """True for a camera index or a network address."""
    return source.isdecimal() or "://" in source


def kind_of(source: str) -> SourceKind:
    """What a source is, without opening it."""
    if source.isdecimal():
        return "camera"
    if "://" in source:
        return "stream"
    return "pictures" if Path(source).is_dir() else "film"


def begins_at(source: SourceSettings, session_start: int) -> int:
    """When a film begins on the session's time line, in ns since the Unix epoch."""
    start = session_start
    if isinstance(source.start, datetime):
        start = round(source.start.timestamp() * 1e6) * 1000
    return max(0, start + round(source.offset * 1e9))


def redact(source: str) -> str:
    """A source as it may be shown and stored: without the user and password of an address."""
    return re.sub(r"(://)[^/@]*@", r"\1", source)


def name_sources(sources: list[str]) -> tuple[SourceSettings, ...]:
    """Give each ``--source`` a stream name: ``name=source``, or one made from the source."""
    named: list[SourceSettings] = []
    for text in sources:
        name, equals, source = text.partition("=")
        if not equals or "/" in name or ":" in name or os.path.exists(text):  # noqa: PTH110 - never raises
            name, source = _name_of(text), text
        taken = {s.name for s in named}
        unique = next(n for n in numbered(name) if n not in taken)
        try:
            named.append(SourceSettings(name=unique, source=source))
        except ValidationError as error:
            raise AffectlineError(
                f"--source {redact(text)}: not a source with a name",
                "as in driver=0: letters, digits, '.', '_' and '-' for the name, then the source",
            ) from error
    return tuple(named)


def _name_of(source: str) -> str:
    if source.isdecimal():
        return f"camera{source}"
    if "://" in source:
        source = source.split("://", 1)[1].split("@")[-1].split("?")[0]
        stem = source.replace("/", "-")
    else:
        stem = Path(source).resolve().stem
    return to_name(stem)[:56] or "stream"


def numbered(name: str) -> Iterator[str]:
    """The name, then the name with a number, from 2 on."""
    yield name
    yield from (f"{name}-{i}" for i in range(2, 1000))
