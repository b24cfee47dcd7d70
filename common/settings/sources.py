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
from affectline.common.settings.choices import Pace as Pace
from affectline.common.settings.model import Settings
from affectline.common.settings.source_kind import STDIN, is_live, kind_of, source_path
from affectline.common.settings.variables import expand, expand_home
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


def _read_start(value: Any) -> Any:
    """Parse a date with an offset, or ``file``, with a single error; pydantic would report two."""
    if value is None or value == "file":
        return value
    try:
        return TypeAdapter(AwareDatetime).validate_python(value)
    except ValidationError as error:
        raise ValueError(
            "not a date with an offset from UTC, such as 2026-11-28T10:15:00+01:00, nor 'file'"
        ) from error


def _read_source(value: Any) -> Any:
    """Take a camera's number as text, and ``~/`` as the home folder."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    return expand_home(value)


class SourceSettings(Settings):
    """One stream: a name, and a camera, film, folder of pictures, address or ``sample``.

    In settings files, each text may contain ``${NAME}``: the value of an environment variable.
    """

    name: Name
    source: Annotated[str, BeforeValidator(_read_source), Field(min_length=1, max_length=4096)]
    user: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Addresses: the user name, if the address has none."""
    password_file: Path | None = None
    """Addresses: a file that contains only the password, read whenever the source is opened."""
    loop: bool = False
    """Restart a file when it ends, for demonstrations."""
    start: Annotated[Literal["file"] | AwareDatetime | None, BeforeValidator(_read_start)] = None
    """Films: when the film begins, as a date with an offset (``2026-11-28T10:15:00+01:00``), or
    ``file`` for the creation time in its container. None: with the session."""
    offset: Annotated[float, Field(ge=-604_800, le=604_800)] = 0.0
    """Films: seconds by which the film begins later than that; negative: earlier."""
    as_film: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Folders of pictures: treat them as the frames of a film with this rate, instead of as
    unrelated pictures."""

    def model_post_init(self, _: Any) -> None:
        """Keep the secrets of the source out of this process's messages from now on."""
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
        """The address to open: the source, with the password from its file if there is one.

        Raises:
            AffectlineError: The password file cannot be used.
        """
        if self.password_file is None:
            return self.source
        address = _with_login(self, _read_password(self.password_file))
        remember(address)
        return address

    @property
    def kind(self) -> SourceKind:
        """The kind of source; see `kind_of`."""
        kind = kind_of(self.address)
        return "film" if kind == "pictures" and self.as_film else kind

    @property
    def is_live(self) -> bool:
        """Whether it never ends by itself, as a camera or a network stream."""
        return self.kind in ("camera", "stream")

    def with_whole_path(self) -> Self:
        """A copy whose file or folder, if it is there, has its absolute path."""
        path = source_path(self.source)
        is_address = "://" in self.source and not os.path.lexists(self.source)
        if path is None or self.source in STDIN or is_address:
            return self
        if not os.path.exists(path):  # noqa: PTH110 - that of a path raises where one may not look
            return self
        return self.model_copy(update={"source": as_text(str(path.absolute()))})

    def without_secrets(self) -> Self:
        """A copy that may be shown and stored."""
        shown = {"source": redact(self.source), "user": None, "password_file": None}
        return self.model_copy(update=shown)


class CaptureSettings(Settings):
    """How frames are captured."""

    encoding: Literal["jpeg", "raw"] = "jpeg"
    jpeg_quality: Annotated[int, Field(ge=1, le=100)] = 90
    camera_width: Annotated[int, Field(ge=16, le=7680)] | None = None
    """Width requested from a camera, at 16:9; the camera uses its nearest resolution. None: its
    default, usually 640."""
    width: Annotated[int, Field(ge=16, le=7680)] | None = None
    """Scale frames to this width before publishing; None: leave them as they are."""
    rate: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Frames per second: requested from a camera; from a film with a higher rate, frames are
    dropped."""


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
            f"password_file {path}: {reason}", "name a file that contains only the password"
        ) from error
    if not text or "\n" in text:
        what = "contains more than one line" if text else "is empty"
        raise AffectlineError(f"password_file {path}: {what}", "write only the password into it")
    return text


def begins_at(source: SourceSettings, session_start: int) -> int:
    """When a film begins on the session's time line, in ns since the Unix epoch."""
    start = session_start
    if isinstance(source.start, datetime):
        start = round(source.start.timestamp() * 1e6) * 1000
    return max(0, start + round(source.offset * 1e9))


def take_as_films(sources: tuple[SourceSettings, ...], rate: float) -> tuple[SourceSettings, ...]:
    """The same sources, with all folders of pictures treated as films.

    Raises:
        AffectlineError: None of them is a folder, or the rate is out of range.
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
    """Find the source of a command: by its name in the settings, or from its own text."""
    by_name = {source.name: source for source in listed}
    return by_name.get(text) or name_sources([text])[0]


def name_sources(sources: list[str]) -> tuple[SourceSettings, ...]:
    """Give each ``--source`` a stream name: from ``name=source``, or made from the source.

    Raises:
        AffectlineError: A text is not a source with a valid name.
    """
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
    """A source as valid text: a path that is not UTF-8 becomes a file address."""
    try:
        source.encode()
    except UnicodeEncodeError:
        return Path(source).absolute().as_uri()
    return source


def numbered(name: str) -> Iterator[str]:
    """Yield the name, then the name with a number, from 2 on."""
    yield name
    yield from (f"{name}-{i}" for i in range(2, 1000))
