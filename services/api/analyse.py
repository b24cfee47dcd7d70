"""``affectline.analyse``: films and pictures as a data frame."""

import os
import tempfile
from collections.abc import Iterable
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from affectline.common.errors import AffectlineError
from affectline.common.identifiers import free_name
from affectline.common.settings.pipeline import PipelineSettings, load
from affectline.common.settings.source_kind import check_readable, kind_of
from affectline.common.settings.sources import SourceSettings, as_text, name_sources
from affectline.common.settings.variables import expand_home
from affectline.common.wire.messages import Packet, StreamEnd
from affectline.services.analysis.direct_run import DirectRun
from affectline.services.api.arguments import check_path, named_as_in_python, warn_caller
from affectline.services.api.array_source import ArraySource, check_array
from affectline.services.api.data_frames import read_table, require_pandas
from affectline.services.archive.archive import Archive
from affectline.services.archive.engine import FilmProgress
from affectline.services.archive.film_list import (
    ListedFilm,
    find_films,
    name_films,
)
from affectline.services.archive.film_task import FilmResult
from affectline.services.archive.frame_count import FrameCount
from affectline.services.archive.local_engine import LocalEngine
from affectline.services.capture.frame_source import Source
from affectline.services.sessions.columns import EMOTIONS
from affectline.services.sessions.progress import FrameBars, can_be_watched, new_progress
from affectline.services.supervisor.plan import complete

if TYPE_CHECKING:
    import pandas as pd

Analysable = str | os.PathLike[str] | NDArray[np.uint8]
RATE_OF_ONE_FRAME: Final = 25.0


@named_as_in_python()
def analyse(
    source: Analysable | Iterable[Analysable],
    *,
    out: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | None = None,
    rate: float | None = None,
    progress: bool | None = None,
) -> "pd.DataFrame":
    """Find faces and their expressions in one or more films or pictures.

    A single source is analysed in this process, several films in a pool of workers, one per core.
    The numbers are the same as those of ``affectline up``, to the last digit.

    Args:
        source: A film; a picture, or a folder of pictures, each analysed on its own; a folder of
            films; a video ``(T, H, W, 3)`` or a picture ``(H, W, 3)`` as ``uint8`` RGB; or a list
            of these.
        out: Folder for the session (for several films, a folder of session folders). By default
            nothing is kept.
        config: A settings file, such as ``configs/default.yaml``; its sources are ignored.
        rate: Frames a second of a video in memory, which needs it; nothing else has one.
        progress: Show a bar with the time left; by default in notebooks and terminals.

    Returns:
        A row for each face of each frame, and one for each frame without a face: the columns of
        ``emotions.csv`` (docs/tables.md). ``time_s`` is in seconds, boxes are in pixels, the seven
        probabilities are from 0 to 1, valence and arousal from -1 to 1, angles in degrees. With
        several films, the first column, ``film``, is a name for each film, and the second,
        ``source``, its path as given or found; it is empty for frames in memory.

    Warns:
        RuntimeWarning: A film is truncated or damaged, or its times were corrected; a picture could
            not be read. Of several films, one could not be analysed. Files of a folder were left
            out, because they are not films or pictures by their names.

    Raises:
        AffectlineError: A source cannot be read, the results cannot be written, or `rate` is
            missing, or given for something else than a video in memory.
        KeyboardInterrupt: Ctrl-C.

    Example:
        >>> import numpy as np
        >>> film = np.zeros((5, 120, 160, 3), np.uint8)  # five black frames
        >>> frames = analyse(film, rate=10, progress=False)
        >>> frames[["time_s", "status"]].tail(2)
           time_s   status
        3     0.3  no_face
        4     0.4  no_face
    """
    require_pandas("affectline.analyse")
    import pandas as pd

    for name, path in (("out", out), ("config", config)):
        if path is not None:
            check_path(name, path)
    settings = load(Path(config)) if config is not None else PipelineSettings()
    listed = _list_sources(source)
    _check_rate(rate, listed)
    is_watched = can_be_watched() if progress is None else progress
    with tempfile.TemporaryDirectory(prefix="affectline-") as scratch:
        folder = Path(scratch) / "out" if out is None else expand_home(Path(out))
        if len(listed) == 1:
            return _analyse_one(listed[0], settings, folder, rate, is_watched)
        films = [os.fspath(one) for one in listed if not isinstance(one, np.ndarray)]
        names = _names(listed)
        if len(films) == len(listed) and all(kind_of(film) == "film" for film in films):
            frames = _analyse_films(films, settings, folder, is_watched)
        else:
            frames = {
                name: _analyse_one(one, settings, folder / name, rate, is_watched)
                for name, one in zip(names, listed, strict=True)
            }
        found = pd.concat(frames, names=["film"]).reset_index(level="film").reset_index(drop=True)
        sources = {
            name: None if isinstance(one, np.ndarray) else as_text(os.fspath(one))
            for name, one in zip(names, listed, strict=True)
        }
        found.insert(1, "source", found["film"].map(sources).astype("string"))
        return found


def _list_sources(source: Analysable | Iterable[Analysable]) -> list[Analysable]:
    """Expand to single sources: the items of a list, the films of a folder of films."""
    if isinstance(source, np.ndarray):
        return [source]
    if isinstance(source, str | os.PathLike):
        check_path("", source)
        path: str | os.PathLike[str] = expand_home(source)
        return _films_below(Path(path)) or [path]
    if isinstance(source, int):
        raise AffectlineError(
            f"{source}: a camera, which never ends", f"use affectline.watch({source})"
        )
    if isinstance(source, bytes) or not isinstance(source, Iterable):
        raise AffectlineError(
            f"{source!r} is neither a film nor a picture",
            "give a path, a uint8 array in RGB, or a list of these",
        )
    found = [one for given in source for one in _list_sources(given)]
    if not found:
        raise AffectlineError("an empty list: nothing to analyse", "give a film, or a folder")
    paths: set[str] = set()
    """Each film once, even if it is named twice or is also in a named folder."""
    kept = []
    for one in found:
        path = "" if isinstance(one, np.ndarray) else os.path.realpath(one)
        if not path or path not in paths:
            paths.add(path)
            kept.append(one)
    return kept


def _check_rate(rate: float | None, sources: list[Analysable]) -> None:
    """Check that videos in memory have a rate, and nothing else has one.

    Raises:
        AffectlineError: They have none, or something else has one.
    """
    arrays = [check_array(one) for one in sources if isinstance(one, np.ndarray)]
    if rate is None:
        if any(one.ndim == 4 and len(one) > 1 for one in arrays):
            raise AffectlineError(
                "rate: a video in memory needs its frames a second", "for example rate=25"
            )
        return
    if isinstance(rate, bool) or not isinstance(rate, Real) or not 0 < rate <= 1000:
        raise AffectlineError(
            f"rate {rate!r}: not a number above 0 and at most 1000", "such as rate=25"
        )
    if any(one.ndim == 3 for one in arrays):
        raise AffectlineError(
            f"rate {rate:g}: arrays (H, W, 3) are single pictures, which have no rate",
            "np.stack(frames) makes a video of them",
        )
    for one in sources:
        if not isinstance(one, np.ndarray):
            raise AffectlineError(
                f"rate {rate:g}: only for videos in memory, (T, H, W, 3): {os.fspath(one)!r} has "
                "its own times",
                "leave rate out; of a film, a settings file (config) can choose fewer frames with "
                "capture: {rate: ...}",
            )


def _films_below(folder: Path) -> list[Analysable]:
    """The films below a folder; none if it has no films, or is not a folder."""
    if not os.path.isdir(folder):  # noqa: PTH112 - that of a path raises if its name is too long
        return []
    found = find_films(folder)
    if found.left_out and (found.films or found.results):
        warn_caller(f"{folder}: {found.left_out}; name a film itself to analyse it")
    return list(found.films)


def _names(sources: list[Analysable]) -> list[str]:
    """A name for each source, as in an archive; frames in memory are ``array``."""
    paths = [as_text(os.fspath(one)) for one in sources if not isinstance(one, np.ndarray)]
    names = name_films([ListedFilm(path) for path in paths], {})
    found: list[str] = []
    for one in sources:
        name = "array" if isinstance(one, np.ndarray) else names[as_text(os.fspath(one))]
        taken = {*found, *(names.values() if isinstance(one, np.ndarray) else ())}
        found.append(free_name(name, taken.__contains__))
    return found


def _analyse_one(
    source: Analysable,
    settings: PipelineSettings,
    folder: Path,
    rate: float | None,
    is_watched: bool,
) -> "pd.DataFrame":
    """Analyse a single source in this process."""
    with tempfile.TemporaryDirectory(prefix="affectline-") as scratch:
        given, opened = _open(source, rate, Path(scratch))
        if not opened:
            check_readable(given.source)
        sink = settings.sink.model_copy(update={"out": folder, "display": None})
        chosen = {"sources": (given,), "sink": sink, "delivery": "lossless", "pace": "fast"}
        run = complete(settings.model_copy(update=chosen))
        details: list[str] = []
        with new_progress(disable=not is_watched) as shown:
            bars = FrameBars(shown)

            def observe(packet: Packet) -> None:
                bars.on_message(packet)
                if isinstance(packet.message, StreamEnd) and packet.message.detail:
                    details.append(packet.message.detail)

            DirectRun(run, observe, opened).run()
    for detail in dict.fromkeys(details):  # an end may be announced more than once
        warn_caller(detail)
    return read_table(folder / f"{EMOTIONS.name}.csv", EMOTIONS)


def _analyse_films(
    sources: list[str], settings: PipelineSettings, folder: Path, is_watched: bool
) -> "dict[str, pd.DataFrame]":
    """Analyse films in a pool of workers; failed ones are left out, with a warning.

    Raises:
        AffectlineError: All films failed.
    """
    archive = Archive(folder, [ListedFilm(as_text(one)) for one in sources], settings, resume=False)
    count = FrameCount(archive.waiting)
    with new_progress(disable=not is_watched) as shown:
        bar = shown.add_task(f"{len(sources)} films", total=None)

        def observe(message: FilmProgress | FilmResult) -> None:
            count.observe(message)
            shown.update(bar, completed=count.done, total=count.total)

        results = archive.run(LocalEngine(), observe)
    problems = [one.problem for one in results if one.problem]
    if not any(one.has_session for one in results):
        raise AffectlineError(f"no film could be analysed: {problems[0]}", "")
    for text in (text for one in results for text in (one.problem, one.remark) if text):
        warn_caller(text)
    return {
        task.name: read_table(task.folder / f"{EMOTIONS.name}.csv", EMOTIONS)
        for task, one in zip(archive.tasks, results, strict=True)
        if one.has_session
    }


def _open(
    source: Analysable, rate: float | None, scratch: Path
) -> tuple[SourceSettings, dict[str, Source]]:
    """The settings of a source, and, if it is in memory, the source itself."""
    if not isinstance(source, np.ndarray):
        return name_sources([os.fspath(source)])[0], {}
    array = check_array(source)
    if array.ndim == 3:
        import cv2

        picture = scratch / "picture.png"
        cv2.imwrite(str(picture), array[:, :, ::-1])
        return SourceSettings(name="picture", source=str(picture)), {}
    return SourceSettings(name="video", source="array in memory"), {
        "video": ArraySource(array, rate or RATE_OF_ONE_FRAME)
    }
