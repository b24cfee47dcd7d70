"""The streams of a run: their names and sources, and how frames are captured."""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from affectline.common.address import (
    HIDDEN,
    host_of,
    is_address,
    is_stored,
    redact,
    remember,
    with_login,
)
from affectline.common.errors import AffectlineError
from affectline.common.identifiers import Name, to_name
from affectline.common.settings.model import Settings
from affectline.common.settings.source_kind import STDIN, is_live, kind_of, source_path
from affectline.common.settings.variables import expand
from affectline.common.wire.messages import SourceKind

__all__ = [
    "CaptureSettings",
    "Pace",
    "SourceSettings",
    "begins_at",
    "choose_source",
    "is_live",
    "kind_of",
    "name_sources",
    "numbered",
    "redact",
    "take_as_films",
]

Pace = Literal["realtime", "fast"]
"""Of files: at their own rate, or as fast as they are consumed."""


def _read_start(value: Any) -> Any:
    """A date with an offset, or ``file``; one error for both, as pydantic has one for each."""
    if value is None or value == "file":
        return value
    try:
        return TypeAdapter(AwareDatetime).validate_python(value)
    except ValidationError as error:
        raise ValueError(
            "not a date with an offset from UTC, such as 2026-11-28T10:15:00+01:00, nor 'file'"
        ) from error


class SourceSettings(Settings):
    """One stream: a name, and a camera, film, folder of pictures, address or ``sample``.

    In settings files each text may hold ``${NAME}``: the value of an environment variable.
    """

    name: Name
    source: Annotated[str, Field(min_length=1, max_length=4096)]
    user: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Addresses: the user name, if the address has none."""
    password_file: Path | None = None
    """Addresses: a file that contains only the password. It is read whenever the source is
    opened."""
    loop: bool = False
    """Start a file again when it ends: for demonstrations."""
    start: Annotated[Literal["file"] | AwareDatetime | None, BeforeValidator(_read_start)] = None
    """Films: when the film begins, as a date with an offset (``2026-11-28T10:15:00+01:00``), or
    ``file`` for the creation time that its container holds. None: with the session."""
    offset: Annotated[float, Field(ge=-604_800, le=604_800)] = 0.0
    """Films: seconds by which it begins later than that; negative: earlier."""
    as_film: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Folders of pictures: treat them as the frames of a film with this rate, instead of as
    unrelated pictures."""

    def model_post_init(self, _: Any) -> None:
        """Whatever this process says from now on, it says without the secrets of its sources."""
        remember(self.source)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield from self.without_secrets().__dict__.items()

    @model_validator(mode="after")
    def _logs_in_at_an_address(self) -> Self:
        if (self.user or self.password_file) and not is_address(self.source):
            raise ValueError("user and password_file are for addresses of cameras and films")
        if self.user and not self.password_file:
            raise ValueError("a user needs a password_file")
        if self.password_file:
            _with_login(self, "***")
        return self

    @property
    def address(self) -> str:
        """What is opened: the source, with the password where a file holds it.

        Raises:
            AffectlineError: That file cannot be used.
        """
        if self.password_file is None:
            return self.source
        address = _with_login(self, _read_password(self.password_file))
        remember(address)
        return address

    @property
    def kind(self) -> SourceKind:
        """What it is; see `kind_of`."""
        kind = kind_of(self.address)
        return "film" if kind == "pictures" and self.as_film else kind

    @property
    def is_live(self) -> bool:
        """True for what never ends by itself: a camera or a network stream."""
        return self.kind in ("camera", "stream")

    def without_secrets(self) -> Self:
        """The same as it may be shown and stored."""
        shown = {"source": redact(self.source), "user": None, "password_file": None}
        return self.model_copy(update=shown)


class CaptureSettings(Settings):
    """How frames are captured."""

    encoding: Literal["jpeg", "raw"] = "jpeg"
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 90
    camera_width: Annotated[int, Field(ge=16, le=7680)] | None = None
    """Width requested from a camera, at 16:9; it uses its nearest resolution. None: the camera's
    default, usually 640."""
    width: Annotated[int, Field(ge=16, le=7680)] | None = None
    """Scale frames to this width before publishing; None leaves them as they are."""
    rate: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Frames per second: requested from a camera; of a film with a higher rate, frames are left
    out."""


def _with_login(source: SourceSettings, password: str) -> str:
    try:
        return with_login(source.source, source.user, password)
    except ValueError as error:
        raise ValueError(f"password_file: the address {error}") from error


def _read_password(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise AffectlineError(
            f"password_file {path}: {reason}", "name a file that holds only the password"
        ) from error
    if not text or "\n" in text:
        what = "holds more than one line" if text else "is empty"
        raise AffectlineError(f"password_file {path}: {what}", "write only the password into it")
    return text


def begins_at(source: SourceSettings, session_start: int) -> int:
    """When a film begins on the session's time line, in ns since the Unix epoch."""
    start = session_start
    if isinstance(source.start, datetime):
        start = round(source.start.timestamp() * 1e6) * 1000
    return max(0, start + round(source.offset * 1e9))


def take_as_films(sources: tuple[SourceSettings, ...], rate: float) -> tuple[SourceSettings, ...]:
    """The same sources, with all folders of pictures taken for films.

    Raises:
        AffectlineError: There is no folder among them, or it is no rate.
    """
    if not 0 < rate <= 1000:
        raise AffectlineError(f"--as-film {rate:g}: not above 0 and at most 1000", "such as 25")
    folders = {s.name for s in sources if (path := source_path(s.source)) and path.is_dir()}
    if not folders:
        raise AffectlineError(
            f"--as-film {rate:g}: no source is a folder of pictures", "leave it out for a film"
        )
    return tuple(
        s.model_copy(update={"as_film": rate}) if s.name in folders else s for s in sources
    )


def choose_source(text: str, listed: tuple[SourceSettings, ...]) -> SourceSettings:
    """The source of a command that reads one: a name that the settings list, or a source."""
    by_name = {source.name: source for source in listed}
    return by_name.get(text) or name_sources([text])[0]


def name_sources(sources: list[str]) -> tuple[SourceSettings, ...]:
    """Give each ``--source`` a stream name: ``name=source``, or one made from the source."""
    named: list[SourceSettings] = []
    for given in sources:
        is_there = os.path.lexists(given)
        text = given if is_there else expand(given, f"--source {redact(given)}")
        name, equals, source = text.partition("=")
        if not equals or "/" in name or ":" in name or is_there:
            name, source = _name_of(text), text
        taken = {s.name for s in named}
        unique = next(n for n in numbered(name) if n not in taken)
        try:
            named.append(SourceSettings(name=unique, source=as_text(source)))
        except ValidationError as error:
            remember(text)
            raise AffectlineError(
                f"--source {redact(text)}: not a source with a name",
                "as in driver=0: letters, digits, '.', '_' and '-' for the name, then the source",
            ) from error
    return tuple(named)


def _name_of(source: str) -> str:
    if source in STDIN:
        return "stdin"
    path = source_path(source)
    if is_stored(source):
        return to_name(PurePosixPath(source.partition("://")[2]).stem)[:56] or "stream"
    if path is not None:
        is_mistyped = HIDDEN in redact(source)
        return (not is_mistyped and to_name(path.resolve().stem)[:56]) or "stream"
    return f"camera{source}" if source.isdecimal() else to_name(host_of(source))[:56] or "stream"


def as_text(source: str) -> str:
    """A path with a name that is no UTF-8, as the address that it also has."""
    try:
        source.encode()
    except UnicodeEncodeError:
        return Path(source).absolute().as_uri()
    return source


def numbered(name: str) -> Iterator[str]:
    """The name, then the name with a number, from 2 on."""
    yield name
    yield from (f"{name}-{i}" for i in range(2, 1000))
