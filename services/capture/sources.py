"""Opens what a ``--source`` names: a camera, file, folder, network stream or the sample clip."""

from pathlib import Path

from affectline.common.errors import AffectlineError
from affectline.common.settings.sources import CaptureSettings, is_live
from affectline.services.capture.folder_source import FOLDER_RATE, FolderSource
from affectline.services.capture.frame_source import Source
from affectline.services.capture.sample_clip import SAMPLE, find_sample
from affectline.services.capture.video_source import VideoSource


def open_source(source: str, settings: CaptureSettings) -> Source:
    """Open a source.

    Raises:
        AffectlineError: It is not there, cannot be opened or holds no image.
    """
    if source == SAMPLE:
        source = str(find_sample())
    if is_live(source):
        return VideoSource(source, settings)
    path = Path(source)
    try:
        path.stat()
        if path.is_dir():
            return FolderSource(path, settings.rate or FOLDER_RATE)
        path.open("rb").close()
    except OSError as error:
        what = error.strerror or str(error)
        raise AffectlineError(
            f"--source {source}: {what[0].lower()}{what[1:]}",
            "give a camera index, a video file, a folder of pictures, an RTSP or HTTP address, "
            f"or {SAMPLE!r}",
        ) from error
    return VideoSource(source, settings)
