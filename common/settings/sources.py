"""The streams of a run: their names and sources, and how frames are captured."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import Name, to_name
from affectline.common.settings.model import Settings

Pace = Literal["realtime", "fast"]
"""Of files: at their own rate, or as fast as they are consumed."""


class SourceSettings(Settings):
    """One stream: a name, and a camera index, file, folder, URL or ``sample``."""

    name: Name
    source: Annotated[str, Field(min_length=1, max_length=4096)]
    loop: bool = False
    """Start a file again when it has ended: for demonstrations."""


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
