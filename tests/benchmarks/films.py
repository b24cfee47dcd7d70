"""The films in which faces are looked for, and which of their frames show one."""

import csv
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from affectline.common.errors import AffectlineError
from tests.benchmarks.clips import SHARED

CLIPS: Final = SHARED / "video"
FACELESS: Final = ("no_face",)
"""Of the clips there; all others show a face in every frame."""
CATALOGUE: Final = Path(__file__).with_name("films.csv")


class Film(NamedTuple):
    """A film, and what is known of it."""

    path: Path
    visible: list[tuple[int, int]]
    """First and last frames of the intervals that show a face."""
    none: list[tuple[int, int]]
    """The same that show none. What is in neither counts neither way."""
    shows: str = ""
    """What, in words."""
    source: str = ""
    """The package that it comes from."""
    is_made: bool = False
    """Whether it was rendered from stills and cut-out film."""

    @property
    def name(self) -> str:
        return self.path.stem


def find_clips() -> list[Film]:
    """The shared clips; none where these are not at hand."""
    everything = [(0, 10**9)]
    return [
        _describe(Film(path, *(([], everything) if path.stem in FACELESS else (everything, []))))
        for path in sorted(CLIPS.glob("*.mp4"))
    ]


def find_films(folder: Path) -> list[Film]:
    """The films of a folder that have a NAME.json beside them.

    Raises:
        AffectlineError: There is none, or a file is no such label.
    """
    films = [film for labels in sorted(folder.glob("*.json")) for film in _read_film(labels)]
    if not films:
        raise AffectlineError(
            f"--clips {folder}: no film with a NAME.json beside it",
            '{"visible": [[0, 99]], "none": [[100, 199]]} says which frames show a face',
        )
    return films


def _read_film(labels: Path) -> Iterator[Film]:
    try:
        content = json.loads(labels.read_text(encoding="utf-8"))
        visible, none = (
            [(int(first), int(last)) for first, last in content[key]] for key in ("visible", "none")
        )
    except (ValueError, KeyError, TypeError) as error:
        raise AffectlineError(
            f"{labels}: {type(error).__name__} ({error})",
            'it should be like {"visible": [[0, 99]], "none": [[100, 199]]}',
        ) from error
    for path in sorted(labels.parent.glob(f"{labels.stem}.*")):
        if path != labels:
            yield _describe(Film(path, visible, none))
            return


@cache
def _catalogue() -> dict[str, dict[str, str]]:
    with CATALOGUE.open(encoding="utf-8", newline="") as file:
        return {row["film"]: row for row in csv.DictReader(file)}


def _describe(film: Film) -> Film:
    row = _catalogue().get(film.name)
    if row is None:
        return film
    return film._replace(shows=row["shows"], source=row["source"], is_made=row["made"] == "yes")
