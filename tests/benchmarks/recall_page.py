"""The part of ``docs/detection.md`` on what each backend finds, and how long that takes."""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from affectline.services.cli.reference import write_parts
from tests.benchmarks.recall import BACKENDS
from tests.benchmarks.recall_chart import PICTURE
from tests.benchmarks.results import FilmRecall
from tests.markdown import format_table

PAGE: Final = "detection.md"
PART: Final = "recall"


def write_part(text: str, films: Sequence[FilmRecall]) -> str:
    """Return the page with its part written again.

    Args:
        text: The page.
        films: The results.

    Raises:
        ValueError: The page does not mark the part.
    """
    return write_parts(PAGE, text, {PART: lambda: format_recall(films)})


def format_recall(films: Sequence[FilmRecall]) -> str:
    """Return the part as Markdown."""
    if not films:
        return "Not measured: the clips were not at hand."
    return "\n\n".join(_paragraphs(films))


def _paragraphs(films: Sequence[FilmRecall]) -> Iterator[str]:
    real = [film for film in films if film.shown and not film.is_made]
    made = [film for film in films if film.shown and film.is_made]
    empty = [film for film in films if film.empty]
    yield _head(films)
    yield _summary(real, made, empty)
    yield (
        f"![Share of the frames with a face over milliseconds a frame]({PICTURE})\n\n"
        "Each mark is a film. The rows at the top hold the films in which a backend misses no "
        "frame; the others are below, named if the first backend misses more than a twentieth."
    )
    if real:
        yield (
            "Films, without landmarks: frames that show a face, and those of them in which a "
            "face was found.\n\n" + _found(real)
        )
    if made:
        yield (
            "Made films are rendered from stills and cut-out film, panned, turned, darkened or "
            "blurred. Their texture and motion are easier than in real films, so only their trend "
            "means something.\n\n" + _found(made)
        )
    if empty:
        yield (
            "All false faces in frames that show none, without and with landmarks.\n\n"
            + _false(empty)
        )


def _head(films: Sequence[FilmRecall]) -> str:
    commits = sorted({f"`{film.commit}` ({film.date})" for film in films})
    return (
        "Written by `python -m tests.benchmarks --recall`, with `--clips FOLDER` for "
        f"your own films; measured at {', '.join(commits)}. Every frame is given to all "
        "backends in turn. Milliseconds are the mean CPU time of the detector stage, from a "
        "frame's JPEG to its faces, on one core; each frame counts with its median of "
        f"{_rounds(films)}. Which frames show a face was decided by eye; undecided frames count "
        "neither way. A frame counts as found if any of its faces is found, so films of several "
        "people say less. With landmarks, they are located in every frame; without, only to "
        "confirm new faces. `yunet` is missing because its model file is not included."
    )


def _rounds(films: Sequence[FilmRecall]) -> str:
    least, most = (choose(film.rounds for film in films) for choose in (min, max))
    number = f"{least} to {most}" if least < most else f"{most}"
    return f"{number} {'run' if most == 1 else 'runs'}"


def _summary(
    real: Sequence[FilmRecall], made: Sequence[FilmRecall], empty: Sequence[FilmRecall]
) -> str:
    rows = [
        (
            f"`{backend}`",
            "with" if with_landmarks else "without",
            _share(real, backend, with_landmarks=with_landmarks),
            _share(made, backend, with_landmarks=with_landmarks),
            sum(film.find(backend, with_landmarks=with_landmarks).false_faces for film in empty),
            _mean_ms([*real, *made], backend, with_landmarks=with_landmarks),
        )
        for with_landmarks in (False, True)
        for backend in BACKENDS
    ]
    counts = [f"{len(group)}" for group in (real, made)]
    head = (
        f"backend | landmarks | found in {counts[0]} films: | in {counts[1]} made "
        f"films: | false faces in {sum(film.empty for film in empty)} frames: | ms a frame:"
    )
    return (
        format_table(head, rows)
        + "\n\nThe shares found are means over the films, with the lowest film in brackets; "
        "milliseconds are means over the films with a face."
    )


def _share(films: Sequence[FilmRecall], backend: str, *, with_landmarks: bool) -> str:
    shares = [film.share(backend, with_landmarks=with_landmarks) for film in films]
    return f"{statistics.mean(shares):.1%} ({min(shares):.0%})" if shares else ""


def _mean_ms(films: Sequence[FilmRecall], backend: str, *, with_landmarks: bool) -> str:
    found = [film.find(backend, with_landmarks=with_landmarks).ms for film in films]
    return f"{statistics.mean(found):.1f}" if found else ""


def _found(films: Iterable[FilmRecall]) -> str:
    head = f"film | frames: | {_columns('')} | tracks | {_columns(', ms')}"
    rows = [
        (
            _name(film),
            film.shown,
            *(one.found for one in film.plain),
            ", ".join(str(one.tracks) for one in film.plain),
            *(f"{one.ms:.1f}" for one in film.plain),
        )
        for film in films
    ]
    return format_table(head, rows)


def _false(films: Iterable[FilmRecall]) -> str:
    head = f"film | frames: | {_columns('')} | {_columns(' with')}"
    rows = [
        (
            _name(film),
            film.empty,
            *(one.false_faces for one in film.plain),
            *(one.false_faces for one in film.framed),
        )
        for film in films
    ]
    return format_table(head, rows)


def _columns(what: str) -> str:
    return " | ".join(f"`{backend}`{what}:" for backend in BACKENDS)


def _name(film: FilmRecall) -> str:
    about = f": {film.shows} ({film.source})" if film.shows else ""
    return f"`{film.film}`{about}, {film.size[0]}x{film.size[1]}"
