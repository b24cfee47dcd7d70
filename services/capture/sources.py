"""Opens what a ``--source`` names: a camera, film, picture, folder, stream or the sample clip."""

from pathlib import Path

from affectline.common.address import display_text, escaped
from affectline.common.errors import AffectlineError
from affectline.common.settings.source_kind import SAMPLE, check_readable, is_pipe, source_path
from affectline.common.settings.sources import CaptureSettings, SourceSettings
from affectline.services.capture.container_check import missing_bytes
from affectline.services.capture.folder_source import FolderSource
from affectline.services.capture.frame_source import Source
from affectline.services.capture.sample_clip import find_sample


def open_source(source: SourceSettings, settings: CaptureSettings) -> Source:
    """Open a source.

    Raises:
        AffectlineError: The source does not exist, cannot be opened or holds no image.
    """
    text, kind = source.source, source.kind
    path = source_path(text)
    if text == SAMPLE and not Path(text).exists():
        path = find_sample()
    if kind == "camera":
        from affectline.services.capture.video_source import VideoSource

        return VideoSource(text, settings)
    if path is None:
        from affectline.services.capture.film_source import FilmSource

        return FilmSource(text, escaped(source.address), live=kind == "stream")
    check_readable(text)
    if path.is_dir() or kind == "pictures":
        return FolderSource(path, source.as_film)
    return _open_film(text, path, settings)


def _open_film(source: str, path: Path, settings: CaptureSettings) -> Source:
    from affectline.services.capture.film_source import FilmSource, UnknownContainerError

    # An absolute path, because FFmpeg would take the "a" of "a:b.mp4" for a protocol
    place = str(path.absolute())
    if is_pipe(source):
        return FilmSource(source, place, live=False)
    try:
        return FilmSource(source, place, live=False, path=path)
    except UnknownContainerError as error:
        if lost := missing_bytes(path):
            raise AffectlineError(
                f"--source {display_text(str(path))}: truncated, {lost} bytes are missing at its "
                "end, with its index",
                "copy the file again; no frame can be read without the index",
            ) from error
        from affectline.services.capture.video_source import VideoSource

        try:
            return VideoSource(str(path), settings)
        except AffectlineError:
            raise error from None
