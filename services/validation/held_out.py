"""Models that were chosen and fitted without one of the people of the public datasets.

With them those people are scored as strangers, without fitting anything again. A person is
recognised by marks of the signals, because numbers of participants repeat between datasets. Each
mark is of a few samples in a row, so files may be missing, begin late, end early or have gaps.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from affectline.services.fusion.stress_model import (
    StressModel,
    load_default_model,
    read_model,
    write_model,
)
from affectline.services.validation.metrics import Vector
from affectline.services.validation.nested import HeldOut

FILE: Final = Path(__file__).with_name("held_out.json")
MARK_SAMPLES: Final = 128
"""How many samples in a row a mark is of: 8 s of a drive, two minutes of beats."""
LEAST_CHANGES: Final = 8
"""Fewest changes of value among them: a sensor that is not worn reads the same for everybody."""
PARTS: Final = 16
"""Each signal has a mark in each of so many parts of equal length, where it changes enough."""

Signals = Mapping[str, Vector]
"""A person's signals by name, without times."""
Marks = Mapping[str, tuple[str, ...]]
"""Marks by name of the signal, each of 16 hexadecimal digits."""


@dataclass(frozen=True)
class Stranger:
    """A person of the fit, and a model to which they are a stranger."""

    name: str
    marks: Marks
    model: StressModel


class Recognised(NamedTuple):
    """The model to score a person with."""

    model: StressModel
    """It was not fitted to this person."""
    is_special: bool
    """Whether it is another one than the default model, which was fitted to them."""
    note: str | None = None
    """What their recording lacks; None if nothing, or if they are not of the fit."""


def _hash_windows(values: Vector) -> list[str | None]:
    """Return a code of every `MARK_SAMPLES` samples in a row; None where too few differ."""
    kept = np.asarray(values, np.float64)
    kept = np.ascontiguousarray(kept[np.isfinite(kept)])
    if len(kept) < MARK_SAMPLES:
        return []
    changes = np.concatenate([[0], np.cumsum(kept[1:] != kept[:-1])])
    enough = changes[MARK_SAMPLES - 1 :] - changes[: len(kept) - MARK_SAMPLES + 1] >= LEAST_CHANGES
    content, size = kept.astype("<f8").tobytes(), 8

    def code(i: int) -> str:
        window = content[size * i : size * (i + MARK_SAMPLES)]
        return blake2b(window, digest_size=8).hexdigest()

    return [code(i) if one else None for i, one in enumerate(enough)]


def make_marks(signals: Signals) -> dict[str, tuple[str, ...]]:
    """Return marks that identify a recording by any of its parts."""
    marks = {}
    for name, values in signals.items():
        parts = np.array_split(np.array(_hash_windows(values), object), PARTS)
        found = (min(filter(None, part), default=None) for part in parts)
        marks[name] = tuple(mark for mark in found if mark)
    return {name: found for name, found in marks.items() if found}


@cache
def load_held_out() -> tuple[Stranger, ...]:
    """Load the people of the fit, each with the model that does without them."""
    content = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {"people": []}
    return tuple(
        Stranger(
            found["name"],
            {name: tuple(marks) for name, marks in found["marks"].items()},
            read_model(found),
        )
        for found in content["people"]
    )


def model_without(name: str, signals: Signals) -> Recognised:
    """Return a model that was not fitted to this person: the default one for strangers to it.

    Args:
        name: The person's name, for the note.
        signals: Their signals, named as in the fit.
    """
    codes = {signal: set(_hash_windows(values)) for signal, values in signals.items()}

    def count(person: Stranger) -> int:
        return sum(len(codes.get(one, set()) & set(of)) for one, of in person.marks.items())

    best = max(load_held_out(), key=count, default=None)
    if best is None or not count(best):
        return Recognised(load_default_model(), is_special=False)
    return Recognised(best.model, is_special=True, note=_describe_lack(name, best, codes))


def _describe_lack(name: str, person: Stranger, codes: Mapping[str, set[str | None]]) -> str | None:
    """Return a note on the signals that are not there as they were in the fit; None if all are."""
    lacking = [one for one, of in person.marks.items() if not set(of) <= codes.get(one, set())]
    if not lacking:
        return None
    return (
        f"{name}: is {person.name} of the fit, with {' and '.join(lacking)} missing, shorter or "
        f"changed: scored by the model made without {person.name}"
    )


def format_held_out(models: Iterable[tuple[Marks, HeldOut]], about: str) -> str:
    """Format the models and the marks of whom they do without as JSON, one person a line."""
    people: list[dict[str, Any]] = [
        {"name": held.name, "marks": {name: list(of) for name, of in marks.items()}}
        | write_model(held.model)
        for marks, held in models
    ]
    rows = ",\n".join(f"    {json.dumps(found)}" for found in people)
    return f'{{\n  "about": {json.dumps(about)},\n  "people": [\n{rows}\n  ]\n}}\n'
