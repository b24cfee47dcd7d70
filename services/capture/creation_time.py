"""The creation time of a film, from its container."""

from datetime import datetime
from pathlib import Path
from typing import Final

from affectline.common.address import redact
from affectline.common.errors import AffectlineError
from affectline.common.settings.source_kind import SAMPLE, is_pipe, source_path
from affectline.services.capture.sample_clip import find_sample

TAGS: Final = ("com.apple.quicktime.creationdate", "creation_time")
"""The first includes the camera's time zone. Both usually hold the start of the recording; some
cameras write its end."""


def read_creation_time(source: str) -> int:
    """The creation time of a film, in ns since the Unix epoch.

    Raises:
        AffectlineError: The source has no creation time, or is not a film that can be opened in
            advance.
    """
    from affectline.services.capture.film_source import open_container

    path = find_sample() if source == SAMPLE else source_path(source)
    if is_pipe(source) or (path is not None and path.is_dir()):
        raise _refuse(source, "only a film's file has a creation time")
    place = source if path is None else str(path.absolute())
    with open_container(redact(source), place, live=False) as container:
        tags = {**container.metadata}
        for stream in container.streams.video:
            tags = {**stream.metadata, **tags}
    for tag in TAGS:
        moment = _parse(tags.get(tag, ""))
        if moment is not None:
            return moment
    raise _refuse(source, "its container holds no creation time")


def _parse(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    # Without an offset the time zone is unknown: containers that mean UTC say so
    return None if moment.tzinfo is None else round(moment.timestamp() * 1e6) * 1000


def _refuse(source: str, why: str) -> AffectlineError:
    return AffectlineError(
        f"start: file: {Path(redact(source)).name}: {why}",
        "write the date instead, as in start: 2026-11-28T10:15:00+01:00",
    )
