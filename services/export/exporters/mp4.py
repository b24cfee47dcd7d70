"""A session as films with the same overlay as the display."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from affectline.common import atomic_file
from affectline.common.errors import AffectlineError
from affectline.common.output_file import check_output_file
from affectline.common.wire.messages import Emotion, Frame, StreamStart
from affectline.services.export.exporter import Exporter, ExportSettings
from affectline.services.export.owned_files import OwnedFiles
from affectline.services.overlay.video_writer import (
    MARKER,
    AnnotatedVideoWriter,
    VideoWriteError,
)
from affectline.services.sessions.recording import Recording, require_recording


class Mp4Settings(ExportSettings):
    """Settings of MP4 exports."""

    exporter: Literal["mp4"] = "mp4"
    stats: bool = False
    """Also draw the pipeline's rate and latency onto the frames."""


class Mp4Exporter(Exporter):
    """Writes an annotated MP4 file for each video stream."""

    settings_model = Mp4Settings
    summary = "the video of each stream with overlay and sound"
    files = "<stream>.mp4"

    def export(self, recording: Recording, folder: Path) -> list[Path]:
        """Write the films.

        Raises:
            AffectlineError: The session was not recorded, a film did not fit on the disk, or
                another film has its name.
        """
        require_recording(recording, "--to mp4")
        with TemporaryDirectory(prefix=".films-", dir=folder) as staging:
            try:
                _write_films(recording, Path(staging), stats=self.settings.stats)
            except VideoWriteError as error:
                raise AffectlineError(
                    f"cannot write to --out {folder}: {error.path.name} was cut off",
                    "make room, or name another folder",
                ) from error
            owned, films = OwnedFiles(folder, recording, "mp4"), sorted(Path(staging).glob("*.mp4"))
            owned.claim(folder / film.name for film in films)
            paths = []
            for film in films:
                path = folder / film.name
                check_output_file("--out", path, "an annotated film of Affectline", MARKER)
                atomic_file.rename(film, path)
                paths.append(path)
            owned.replace(paths)
        return paths


def _write_films(recording: Recording, folder: Path, *, stats: bool) -> None:
    is_private = recording.about.get("privacy", "everything") != "everything"
    video = AnnotatedVideoWriter(folder, stats=stats, sound=not is_private)
    try:
        for packet in recording.read():
            match packet.message:
                case StreamStart() as start:
                    video.begin(start)
                case Frame():
                    video.add_frame(packet)
                case Emotion() as result:
                    video.add_result(result)
    finally:
        video.close()
