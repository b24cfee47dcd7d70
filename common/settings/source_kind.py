"""The kind of a source, determined by what is there rather than by its spelling.

A path that exists is used as a path, whatever its name: a folder ``07`` is not a camera. Files are
recognized by their first bytes, addresses by their scheme and, for ``http``, by their suffix or the
server's answer. Nothing is opened that could not be opened a second time.
"""

import functools
import os
import re
import stat
import sys
from pathlib import Path
from typing import Final, Literal
from urllib.parse import unquote_to_bytes, urlsplit

from affectline.common.address import is_address, is_stored, parse, redact
from affectline.common.errors import AffectlineError
from affectline.common.wire.messages import SourceKind

SAMPLE: Final = "sample"
"""Name of the sample clip, unless there is such a file."""
STDIN: Final = ("-", "/dev/stdin")
"""Standard input of the command: a film that is read to its end."""
PROBE_S: Final = 3.0
"""Seconds that a web server may take to answer what an address is."""
FILM_SUFFIXES: Final = frozenset({
    ".3gp", ".avi", ".dv", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg",
    ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv",
})  # fmt: skip
"""An ``http`` address with one of these suffixes is a film; its server is not asked."""
PICTURE_SUFFIXES: Final = frozenset({
    ".avif", ".bmp", ".dib", ".exr", ".hdr", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm",
    ".pgm", ".pic", ".png", ".pnm", ".ppm", ".ras", ".sr", ".tif", ".tiff", ".webp",
})  # fmt: skip
"""A file with one of these suffixes, in upper or lower case, is meant to be a picture."""
_SIGNATURE: Final = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|BM.{12}|II\*\x00|MM\x00\*|RIFF....WEBP"
    rb"|P[1-6]\s|\x00\x00\x00\x0cjP  |....ftypavi[fs]|v/1\x01|#\?RADIANCE|\x59\xa6\x6a\x95",
    re.DOTALL,
)
"""The first bytes of picture files. GIFs are films, even still ones."""
_CAMERA: Final = re.compile(r"/dev/video\d+")


def kind_of(source: str) -> SourceKind:
    """The kind of a source; for an ``http`` address without a known suffix, ask its server once."""
    path = source_path(source)
    if path is not None:
        return _kind_of_path(path)
    if source.isdecimal():
        return "camera"
    return _kind_of_address(source) if is_address(source) else "film"


def is_live(source: str) -> bool:
    """Whether a source never ends by itself, as a camera or a network stream."""
    return kind_of(source) in ("camera", "stream")


def source_path(source: str) -> Path | None:
    """The path of a source; None for cameras by number and addresses of other hosts."""
    if source in STDIN:
        return Path("/dev/stdin")
    if source[:7].lower() == "file://":
        _, _, path = source[7:].partition("/")
        return Path("/", os.fsdecode(unquote_to_bytes(path.encode("utf-8", "surrogateescape"))))
    if os.path.lexists(source):
        return Path(source)
    return None if source.isdecimal() or is_address(source) else Path(source)


def is_pipe(source: str) -> bool:
    """Whether a source can be read only once: it can be neither reopened nor searched."""
    path = source_path(source)
    try:
        return path is not None and stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


def check_readable(source: str) -> None:
    """Check that the file or folder of a source is there and can be opened.

    Other sources pass: cameras, addresses, the sample clip, and pipes, which open only once.

    Raises:
        AffectlineError: It is not.
    """
    path = source_path(source)
    is_sample = source == SAMPLE and not Path(source).exists()
    if path is None or is_sample or kind_of(source) == "camera" or is_pipe(source):
        return
    try:
        path.stat()
        if not path.is_dir():
            path.open("rb").close()
    except OSError as error:
        what = error.strerror or str(error)
        raise AffectlineError(
            f"--source {redact(str(path))}: {what[0].lower()}{what[1:]}",
            "give a camera index, a film, a picture or a folder of them, an RTSP or HTTP address, "
            f"or {SAMPLE!r}",
        ) from error


def is_picture(path: Path) -> bool:
    """Whether a file is a single picture, by its first bytes."""
    if path.suffix.lower() in (".mjpeg", ".mjpg"):  # a film: one JPEG after another
        return False
    try:
        with path.open("rb") as file:
            return _SIGNATURE.match(file.read(32)) is not None
    except OSError:
        return False


def with_own_stdin(source: str) -> str:
    """A source for a child process: standard input becomes that of this process.

    Raises:
        AffectlineError: A child cannot reach it on this system.
    """
    if source not in STDIN:
        return source
    if sys.platform != "linux":
        raise AffectlineError(
            f"--source {source}: other processes can read standard input on Linux only",
            "use a named pipe: mkfifo film.pipe",
        )
    return f"/proc/{os.getpid()}/fd/0"


def _kind_of_path(path: Path) -> SourceKind:
    if _CAMERA.fullmatch(str(path)):
        return "camera"
    try:
        mode = path.stat().st_mode
    except OSError:
        return "film"  # opening it will report what is wrong
    if stat.S_ISDIR(mode):
        return "pictures"
    if stat.S_ISCHR(mode):
        return "camera" if _CAMERA.fullmatch(str(path.resolve())) else "film"
    return "pictures" if stat.S_ISREG(mode) and is_picture(path) else "film"


def _kind_of_address(address: str) -> SourceKind:
    if is_stored(address):
        return "film"
    if address.partition("://")[0].lower() not in ("http", "https"):
        return "stream"
    parts = parse(address)
    if parts and Path(parts.path).suffix.lower() in FILM_SUFFIXES:
        return "film"
    return _query_server(address)


@functools.lru_cache(maxsize=64)
def _query_server(address: str) -> Literal["film", "stream"]:
    """Ask a web server what is there: content with a length or an end is a film."""
    import base64
    import http.client

    try:
        parts = parse(address) or urlsplit(address)
        login, at, host = parts.netloc.rpartition("@")
        basic = f"Basic {base64.b64encode(unquote_to_bytes(login)).decode()}" if at else ""
        place = parts._replace(netloc=host).geturl()
        return "film" if _has_end(place, basic) else "stream"
    except (OSError, ValueError, http.client.HTTPException):
        return "stream"  # opening it will report what is wrong, or wait for it


def _has_end(address: str, authorization: str, levels: int = 2) -> bool:
    """Whether an address has content with a length, or a playlist (RFC 8216) with an end."""
    import urllib.request
    from urllib.parse import urljoin

    request = urllib.request.Request(address)  # noqa: S310 - http(s)
    if authorization:
        request.add_unredirected_header("Authorization", authorization)
    with urllib.request.urlopen(request, timeout=PROBE_S) as answer:  # noqa: S310 - http(s)
        kind = answer.headers.get_content_type()
        if not kind.endswith("mpegurl"):
            return answer.length is not None and kind.split("/")[0] != "image"
        lines = answer.read(1 << 20).decode("utf-8", "replace").split()
        place = answer.url
    if "#EXT-X-ENDLIST" in lines:
        return True
    playlists = [line for line in lines if not line.startswith("#")]
    is_list_of_lists = any(line.startswith("#EXT-X-STREAM-INF") for line in lines)
    if not (is_list_of_lists and levels and playlists):
        return False
    # Do not send the password to another host
    first = urljoin(place, playlists[0])
    same_host = urlsplit(first)[:2] == urlsplit(place)[:2]
    return _has_end(first, authorization if same_host else "", levels - 1)
